// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Calls: events whose handler's return value somebody waits for. Such an event is alone in its batch, and its
 * key and its data may stand behind its record as text.
 */

const { Reader } = require('./frames.js');
const { Event, HEADER_BYTES } = require('./event.js');

const REPLY_MAX = 1 << 20; // characters of JSON

/* Of a BATCH payload that has one event, at `at`. Without `data` its record says that, and its key. */
function readCall(bytes, at, schema) {
  const reader = new Reader(bytes.subarray(at + HEADER_BYTES + schema.stride));
  const [key, text] = [reader.text(), reader.text()];
  return { key, data: text === '' ? undefined : JSON.parse(text), reply: undefined };
}

class CalledEvent extends Event {
  #data;

  constructor(bytes, at, schema, data) {
    super(bytes, at, schema);
    this.#data = data;
  }

  get data() {
    return this.#data;
  }
}

/* In JSON text: an escaped backslash, which stays, and half a surrogate pair, which has no form in UTF-8. */
const HALF_PAIR = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/* What a handler returned as JSON; undefined: nothing. */
function replyText(value) {
  const text = JSON.stringify(value)?.replace(HALF_PAIR, (escape) => (escape === '\\\\' ? escape : '?'));
  if (text === undefined) return undefined;
  if (text.length > REPLY_MAX) throw new RangeError(`returned ${text.length} characters of JSON, ${REPLY_MAX} at most`);
  return text;
}

module.exports = { CalledEvent, readCall, replyText };
