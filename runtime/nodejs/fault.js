// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* What is told of an error: what it says, and where in the function's folder it came from. */

const fs = require('node:fs');

const { Failed } = require('./event.js');

const MESSAGE_MAX = 500; // characters

function textOf(error) {
  try {
    if (error instanceof Failed) return error.message;
    return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  } catch {
    return 'threw something that has no text';
  }
}

/* "port-scan.js:12: ", by its stack; "": that cannot be told, or it is a reason that the function gave. */
function placeOf(error, root) {
  if (error instanceof Failed) return '';
  try {
    const stack = String(error?.stack ?? '').replaceAll('file://', '');
    const [, ...parts] = stack.split(`${root}/`);
    const place = parts.map((part) => /^([^\s:()]+:\d+)/.exec(part)).find((match) => match);
    return place ? `${place[1]}: ` : '';
  } catch {
    return '';
  }
}

/* For the functions in a folder: gives what is told of an error. */
function teller(dir) {
  const root = fs.existsSync(dir) ? fs.realpathSync(dir) : dir;
  return (error) => (placeOf(error, root) + textOf(error)).replaceAll('\0', '?').slice(0, MESSAGE_MAX);
}

module.exports = { teller };
