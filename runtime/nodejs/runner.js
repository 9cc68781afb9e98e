// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Runs batches: decodes, calls the function event by event, and writes the result. Knows nothing of
 * pipes; worker.js gives it payloads and sends what it returns.
 */

const { Writer, TYPE } = require('./frames.js');
const { Event, HEADER_BYTES, contextClass, eventTimeMs } = require('./event.js');
const { readLe32 } = require('./records.js');
const { State } = require('./state.js');

const BATCH_CHANGES_MAX = 1 << 20; // characters of JSON, after which a batch ends early
const MESSAGE_MAX = 500; // characters
const SWEEP_LEAST = 32; // entries looked at after each batch

function deepFreeze(value) {
  if (value !== null && typeof value === 'object') Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

function messageOf(error) {
  let text;
  try {
    text = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  } catch {
    text = 'threw something that has no text';
  }
  return text.replaceAll('\0', '?').slice(0, MESSAGE_MAX);
}

class Runner {
  #hello;
  #schemas;
  #schema = undefined; // of the last event
  #main;
  #keyReaders = new Map(); // event id -> [reader, ...]
  #Context;
  #writer = new Writer();
  #told = 0;
  #position = 0; // events done since the start, modulo 2^32
  state;

  /* `hello`: the HELLO frame; `schemas`: Map(event id -> schema); `main`: the function. */
  constructor(hello, schemas, main, state = new State()) {
    this.#hello = hello;
    this.#schemas = schemas;
    this.#main = main;
    this.state = state;
    for (const schema of schemas.values()) {
      this.#keyReaders.set(schema.id, hello.key.map((name) => schema.reader(name) ?? (() => '')));
    }
    const constants = {
      'function-name': hello.name,
      timeout: `${hello.timeoutMs / 1000}`,
      runtime: `nodejs${process.versions.node.split('.')[0]}`,
      'memory-limit': `${hello.memoryMb}Mi`,
      config: deepFreeze(JSON.parse(hello.config)),
    };
    this.#Context = contextClass(constants, (bytes, at, schema) => this.#openState(bytes, at, schema));
  }

  #openState(bytes, at, schema) {
    const readers = this.#keyReaders.get(schema.id);
    const record = at + HEADER_BYTES;
    if (readers.length === 0) return this.state.at('', eventTimeMs(bytes, at, schema));
    let key = readers[0](bytes, record);
    if (typeof key !== 'string') key = String(key);
    for (let i = 1; i < readers.length; i++) key += `|${readers[i](bytes, record)}`;
    return this.state.at(key, eventTimeMs(bytes, at, schema));
  }

  /*
   * BATCH payload -> RESULT frame, or a promise of it if an event needs one. A batch that was sent before
   * the engine knew that an earlier one ended early is not run: its place says so.
   */
  run(bytes) {
    const position = bytes.readUInt32LE(4);
    const batch = {
      bytes,
      count: position === this.#position ? bytes.readUInt32LE(0) : 0,
      at: 8, // of the next event
      done: 0,
      alerts: [], // [event's index in the batch, text]
      failure: undefined,
      context: undefined, // of the event that runs
    };
    const pending = this.#advance(batch);
    return pending === undefined ? this.#finish(batch) : this.#wait(batch, pending);
  }

  /* Runs events until one gives a promise, which is returned; undefined: the batch is over. */
  #advance(batch) {
    while (batch.done < batch.count && batch.failure === undefined && this.state.changeSize < BATCH_CHANGES_MAX) {
      const pending = this.#call(batch);
      if (typeof pending?.then === 'function') return pending;
      if (batch.failure === undefined) this.#succeed(batch);
    }
    return undefined;
  }

  #call(batch) {
    const { bytes, at } = batch;
    const id = readLe32(bytes, at);
    if (id !== this.#schema?.id) this.#schema = this.#schemas.get(id);
    const schema = this.#schema;
    if (schema?.recordSize !== readLe32(bytes, at + 12) >>> 16) throw new Error('an event that no schema describes');
    batch.context = new this.#Context(bytes, at, schema);
    batch.at = at + HEADER_BYTES + schema.recordSize;
    try {
      return this.#main(new Event(bytes, at, schema), batch.context);
    } catch (error) {
      return this.#fail(batch, error);
    }
  }

  async #wait(batch, first) {
    for (let pending = first; pending !== undefined; pending = this.#advance(batch)) {
      try {
        await pending;
        this.#succeed(batch);
      } catch (error) {
        this.#fail(batch, error);
      }
    }
    return this.#finish(batch);
  }

  #succeed(batch) {
    const alerts = batch.context.close();
    this.state.keep();
    if (alerts !== undefined) this.#keepAlerts(batch, alerts);
    batch.done++;
  }

  #keepAlerts(batch, alerts) {
    for (const text of alerts) {
      batch.alerts.push([batch.done, text]);
      this.state.changeSize += text.length;
    }
  }

  #fail(batch, error) {
    batch.context.close();
    this.state.rollback();
    batch.failure = messageOf(error);
    console.error(error);
  }

  #finish(batch) {
    this.#position = (this.#position + batch.done) >>> 0;
    if (batch.done > 0) this.#sweep();
    return this.#result(batch);
  }

  #sweep() {
    this.state.sweep(SWEEP_LEAST);
    if (this.state.forgotten < this.#told * 2 || this.state.forgotten === this.#told) return;
    this.#told = this.state.forgotten;
    console.error(`state is full: ${this.#told} of the entries longest unused were forgotten since the start`);
  }

  #result({ done, failure, alerts }) {
    const writer = this.#writer;
    writer.begin(TYPE.RESULT);
    writer.u32(done);
    writer.u8(failure === undefined ? 0 : 1);
    if (failure !== undefined) writer.text(failure);
    const count = writer.hole();
    const written = this.#collect();
    writer.fill(count, written);
    writer.u32(alerts.length);
    for (const [index, text] of alerts) {
      writer.u32(index);
      writer.text(text);
    }
    return writer.end();
  }

  #collect() {
    const writer = this.#writer;
    return this.state.collect((key, name, json) => {
      writer.text(key);
      writer.text(name);
      writer.u8(json === null ? 1 : 0);
      if (json !== null) writer.text(json);
    });
  }
}

module.exports = { Runner, messageOf };
