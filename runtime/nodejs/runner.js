// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Runs batches: decodes, calls the function event by event, and writes the result. Knows nothing of
 * pipes; worker.js gives it payloads and sends what it returns.
 */

const { Writer, TYPE } = require('./frames.js');
const { Event, HEADER_BYTES, contextClass, eventTimeMs } = require('./event.js');
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
  #main;
  #keyReaders = new Map(); // event id -> [reader, ...]
  #Context;
  #writer = new Writer();
  #told = 0;
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
    let key = readers.length > 0 ? String(readers[0](bytes, record)) : '';
    for (let i = 1; i < readers.length; i++) key += `|${readers[i](bytes, record)}`;
    return this.state.at(key, eventTimeMs(bytes, at, schema));
  }

  /* Runs one event; its alerts go into `alerts`. Throws what the function throws. */
  #call(bytes, at, schema, alerts) {
    const context = new this.#Context(bytes, at, schema, alerts);
    let outcome;
    try {
      outcome = this.#main(new Event(bytes, at, schema), context);
    } catch (error) {
      context.close();
      throw error;
    }
    if (typeof outcome?.then !== 'function') {
      context.close();
      return undefined;
    }
    return Promise.resolve(outcome).finally(() => context.close());
  }

  /* BATCH payload -> RESULT frame. */
  async run(bytes) {
    const count = bytes.readUInt32LE(0);
    const alerts = []; // [event's index in the batch, text]
    let failure;
    let done = 0;
    let at = 4;

    while (done < count && this.state.changeSize < BATCH_CHANGES_MAX) {
      const schema = this.#schemas.get(bytes.readUInt32LE(at));
      const size = bytes.readUInt16LE(at + 14);
      const own = [];
      if (!schema || schema.recordSize !== size) throw new Error('an event that no schema describes');
      try {
        const promise = this.#call(bytes, at, schema, own);
        if (promise) await promise;
      } catch (error) {
        this.state.rollback();
        failure = messageOf(error);
        console.error(error);
        break;
      }
      this.state.keep();
      for (const text of own) {
        alerts.push([done, text]);
        this.state.changeSize += text.length;
      }
      done++;
      at += HEADER_BYTES + size;
    }
    if (done > 0) this.#sweep();
    return this.#result(done, failure, alerts);
  }

  #sweep() {
    this.state.sweep(SWEEP_LEAST);
    if (this.state.forgotten < this.#told * 2 || this.state.forgotten === this.#told) return;
    this.#told = this.state.forgotten;
    console.error(`state is full: ${this.#told} of the entries longest unused were forgotten since the start`);
  }

  #result(done, failure, alerts) {
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
