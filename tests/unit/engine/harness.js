// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* Runs functions as the worker does, from BATCH payloads to RESULT frames, without a process around it. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');
const { HEADER_BYTES, Reader } = require(path.join(ROOT, 'runtime/nodejs/frames.js'));
const { compileSchema } = require(path.join(ROOT, 'runtime/nodejs/records.js'));
const { Runner } = require(path.join(ROOT, 'runtime/nodejs/runner.js'));
const { State } = require(path.join(ROOT, 'runtime/nodejs/state.js'));

/* As <netlambda/event.h> has them; test_engine.c runs with those that come from BTF. */
const PORT = {
  id: 1,
  name: 'port',
  recordSize: 80,
  fields: [
    ['srcip', 'ip', 0, 16],
    ['dstip', 'ip', 16, 16],
    ['dstport', 'port', 32, 2],
    ['protocol', 'proto', 34, 1],
    ['first', 'time', 40, 8],
    ['last', 'time', 48, 8],
    ['udp', 'uint', 56, 4],
    ['syn', 'uint', 60, 4],
    ['rst', 'uint', 64, 4],
    ['completed', 'uint', 68, 4],
    ['refused', 'uint', 72, 4],
  ],
};
const FLOW = {
  id: 2,
  name: 'flow',
  recordSize: 72,
  fields: [
    ['srcip', 'ip', 0, 16],
    ['dstip', 'ip', 16, 16],
    ['srcport', 'port', 32, 2],
    ['dstport', 'port', 34, 2],
    ['protocol', 'proto', 36, 1],
    ['flags', 'flags', 37, 1],
    ['ended', 'uint', 38, 1],
    ['first', 'time', 40, 8],
    ['last', 'time', 48, 8],
    ['count', 'uint', 56, 8],
    ['size', 'bytes', 64, 8],
  ],
};

function field([name, kind, offset, size]) {
  return { name, kind, offset, size };
}

const schemas = new Map(
  [PORT, FLOW].map((schema) => [schema.id, compileSchema({ ...schema, fields: schema.fields.map(field) })]),
);

function putUint(bytes, offset, size, value) {
  let left = BigInt(value);
  for (let i = 0; i < size; i++, left >>= 8n) {
    bytes[offset + (os.endianness() === 'LE' ? i : size - 1 - i)] = Number(left & 255n);
  }
}

function putIp(bytes, offset, text) {
  if (!text.includes(':')) {
    bytes.writeUInt16BE(0xffff, offset + 10);
    text.split('.').forEach((part, i) => (bytes[offset + 12 + i] = Number(part)));
    return;
  }
  const [left, right] = text.split('::').map((half) => half.split(':').filter(Boolean));
  const groups = right ? [...left, ...new Array(8 - left.length - right.length).fill('0'), ...right] : left;
  groups.forEach((group, i) => bytes.writeUInt16BE(parseInt(group, 16), offset + 2 * i));
}

function record(schema, values) {
  const bytes = Buffer.alloc(schema.recordSize);
  for (const { name, kind, offset, size } of schema.fields) {
    const value = values[name] ?? (kind === 'ip' ? '0.0.0.0' : 0);
    if (kind === 'ip') putIp(bytes, offset, value);
    else putUint(bytes, offset, size, value);
  }
  return bytes;
}

let sequence = 0;

/*
 * Events are {id, ms (event time), hash (of the key), generation, epoch, ...fields}. `collects`: what has
 * changed is asked for.
 */
function batch(events, { collects = true } = {}) {
  const parts = [Buffer.alloc(8)];
  parts[0].writeUInt32LE(events.length);
  parts[0].writeUInt32LE(collects ? 1 : 0, 4);
  for (const { id, ms, hash = 0n, generation = 0, epoch = 0, ...values } of events) {
    const header = Buffer.alloc(40);
    header.writeBigUInt64LE(hash, 0);
    header.writeBigUInt64LE(BigInt(Math.round(ms * 1e6)), 8);
    header.writeBigUInt64LE(BigInt(++sequence), 16);
    header.writeUInt32LE(id, 24);
    header.writeUInt32LE(7, 28);
    header.writeUInt32LE(epoch, 32);
    header[38] = generation;
    parts.push(header, record(schemas.get(id), values));
  }
  return Buffer.concat(parts);
}

function readResult(frame) {
  const length = frame.readUInt32LE(0);
  if (frame.length !== HEADER_BYTES + Math.ceil(length / 8) * 8) throw new Error('a frame is not padded');
  const reader = new Reader(frame.subarray(HEADER_BYTES, HEADER_BYTES + length));
  const result = { count: reader.u32(), collected: reader.u32() === 1, failures: [], skipped: [] };
  for (let left = reader.u32(); left > 0; left--) {
    const index = reader.u32();
    if (reader.u8() === 1) result.failures.push({ index, reason: reader.text() });
    else result.skipped.push(index);
  }
  result.done = result.count - result.failures.length - result.skipped.length;
  result.failure = result.failures[0]?.reason;
  result.alerts = [];
  for (let left = reader.u32(); left > 0; left--) {
    result.alerts.push({ index: reader.u32(), ...JSON.parse(reader.text()) });
  }
  result.writes = [];
  for (let left = reader.u32(); left > 0; left--) {
    const hash = BigInt(reader.u32()) | (BigInt(reader.u32()) << 32n);
    const write = { hash, key: reader.text(), name: reader.text() };
    if (reader.u8() === 0) write.value = JSON.parse(reader.text());
    result.writes.push(write);
  }
  return result;
}

/* One function with its state. */
class Bench {
  constructor({ main, handler = 'tested.main', key = [], config = {}, state = new State() }) {
    const hello = { name: 'tested', dir: '/nowhere', handler, timeoutMs: 10000, memoryMb: 256, key, config: JSON.stringify(config) };
    this.results = [];
    this.runner = new Runner(hello, schemas, main, (frame) => this.results.push(readResult(frame)), state);
    this.alerts = [];
  }

  /* A function that we ship, with its manifest's settings. */
  static shipped(name, config = {}) {
    const dir = path.join(ROOT, 'functions', name);
    const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'function.json'), 'utf8'));
    const [file, main] = manifest.handler.split('.');
    const module = require(path.join(dir, file));
    return new Bench({ main: module[main], key: manifest.key, config: { ...manifest.config, ...config } });
  }

  /* The results of one batch. */
  async run(payload) {
    this.results.length = 0;
    await this.runner.run(payload);
    for (const result of this.results) this.alerts.push(...result.alerts);
    return [...this.results];
  }

  /* The only one. */
  async send(...events) {
    const [result] = await this.run(batch(events));
    return result;
  }

  titles() {
    return this.alerts.map((alert) => alert.title);
  }
}

/* The module that docs/functions.md shows with `what` in it; `around` is what its code finds besides. */
function fromText(what, around = {}) {
  const text = fs.readFileSync(path.join(ROOT, 'docs/functions.md'), 'utf8');
  const code = text.split('```js\n').find((block) => block.includes(what)).split('```')[0];
  const module = { exports: {} };
  new Function('module', ...Object.keys(around), code)(module, ...Object.values(around));
  return module.exports;
}

module.exports = { Bench, batch, putUint, fromText, readResult, schemas, PORT, FLOW, ROOT };
