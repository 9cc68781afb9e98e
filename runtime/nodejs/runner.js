// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Runs batches: decodes, calls the function event by event, and writes results. Knows nothing of pipes;
 * worker.js gives it payloads and sends what it emits.
 */

const { Writer, TYPE } = require('./frames.js');
const event = require('./event.js');
const { teller } = require('./fault.js');
const { FATE, Many, Occurrence, drive } = require('./many.js');
const { CalledEvent, readCall, replyText } = require('./call.js');
const { readLe32 } = require('./records.js');
const { State } = require('./state.js');

const { Event, HEADER_BYTES, HASH_AT, ID_AT, GENERATION_AT, eventTimeMs } = event;
const CHANGES_MAX = 1 << 20; // characters of JSON, after which a result is due
const ALERTS_DUE = 4000; // of the 4096 that a result can hold; an event has 64 at most
const MANY_MAX = 4096; // events that a batch handler is called with
const BATCH_HANDLER = /(Batch|_batch)$/; // the name of one
const SWEEP_LEAST = 32; // entries looked at with each result
const PARTITIONS = 16;
const COLLECT = 1; // of a batch and of a result: with what has changed
const FULL = 4; // of a batch: what would make the state larger is to be refused
const REPLY = 2; // of a batch: what its only event's handler returns is wanted; of a result: here it is
const [FAILED, SKIPPED] = [1, 2];

function deepFreeze(value) {
  if (value !== null && typeof value === 'object') Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

const partitionAt = (bytes, at) => bytes[at + HASH_AT + 7] >> 4;

class Runner {
  #hello;
  #schemas;
  #schema = undefined; // of the last event
  #main;
  #keyReaders = new Map(); // event id -> [reader, ...]
  #Context;
  #many = undefined; // for a batch handler
  #writer = new Writer();
  #tellFault; // what is told of an error
  #emit;
  #told = 0;
  #called = undefined; // {key, data, reply} of the event that runs, if somebody waits for what its handler returns
  #generations = new Uint8Array(PARTITIONS); // one more with each failure: what was sent before it is not run
  state;

  /* `hello`: the HELLO frame; `schemas`: Map(event id -> schema); `main`: the function; `emit` takes RESULT frames. */
  constructor(hello, schemas, main, emit, state = new State()) {
    this.#hello = hello;
    this.#schemas = schemas;
    this.#main = main;
    this.#emit = emit;
    this.#tellFault = teller(hello.dir);
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
    this.#Context = event.contextClass(constants, (bytes, at, schema) => this.#openState(bytes, at, schema));
    if (!BATCH_HANDLER.test(hello.handler)) return;
    const BatchContext = event.batchContextClass(constants);
    this.#many = new Many({
      main,
      state,
      generations: this.#generations,
      Context: this.#Context,
      BatchContext,
      eventAt: (...place) => this.#eventAt(...place),
      keepReply: (value) => this.#keepReply(value),
    });
  }

  #openState(bytes, at, schema) {
    const readers = this.#keyReaders.get(schema.id);
    const record = at + HEADER_BYTES;
    const [low, high] = [readLe32(bytes, at + HASH_AT), readLe32(bytes, at + HASH_AT + 4)];
    if (this.#called?.data !== undefined) return this.state.at(this.#called.key, low, high, eventTimeMs(bytes, at, schema));
    if (readers.length === 0) return this.state.at('', low, high, eventTimeMs(bytes, at, schema));
    let key = readers[0](bytes, record);
    if (typeof key !== 'string') key = String(key);
    for (let i = 1; i < readers.length; i++) key += `|${readers[i](bytes, record)}`;
    return this.state.at(key, low, high, eventTimeMs(bytes, at, schema));
  }

  /* Partitions that another worker has now: bit p. */
  drop(partitions) {
    for (let p = 0; p < PARTITIONS; p++) if (partitions & (1 << p)) this.#generations[p] = 0;
    this.state.drop(partitions);
  }

  /* Runs a BATCH payload. Returns a promise if an event needs one; until then the next batch must wait. */
  run(bytes) {
    const batch = {
      bytes,
      left: readLe32(bytes, 0), // events that no result covers yet
      collects: (bytes[4] & COLLECT) !== 0,
      at: 8, // of the next event
      index: 0, // its place among the events that the next result covers
      exceptions: [], // [index, reason or undefined: not run]
      alerts: [], // [index, text]
      failed: false,
      context: undefined, // of the event that runs ...
      partition: 0, // ... and whose it is
    };
    this.state.full = (bytes[4] & FULL) !== 0;
    this.#called = bytes[4] & REPLY ? readCall(bytes, batch.at, this.#schemaAt(bytes, batch.at)) : undefined;
    if (this.#many !== undefined) return this.#runMany(batch);
    const pending = this.#advance(batch);
    if (pending !== undefined) return this.#wait(batch, pending);
    this.#finish(batch);
    return undefined;
  }

  /* Each result covers an event: changes of batches before this one go with its first. */
  #makeRoom(batch, alertsDue) {
    const isDue = this.state.changeSize >= CHANGES_MAX || batch.alerts.length >= alertsDue;
    if (isDue && batch.index > 0) this.#result(batch, true);
  }

  /* Runs events until one gives a promise, which is returned; undefined: the batch is over. */
  #advance(batch) {
    while (batch.index < batch.left) {
      this.#makeRoom(batch, ALERTS_DUE);
      const { bytes, at } = batch;
      const schema = this.#schemaAt(bytes, at);
      batch.at = at + HEADER_BYTES + schema.stride;
      batch.partition = partitionAt(bytes, at);
      if (bytes[at + GENERATION_AT] !== this.#generations[batch.partition]) {
        batch.exceptions.push([batch.index++, undefined]);
        continue;
      }
      const pending = this.#call(batch, at, schema);
      if (typeof pending?.then === 'function') return pending;
    }
    return undefined;
  }

  #schemaAt(bytes, at) {
    const id = readLe32(bytes, at + ID_AT);
    if (id !== this.#schema?.id) this.#schema = this.#schemas.get(id);
    if (this.#schema === undefined) throw new Error('an event that no schema describes');
    return this.#schema;
  }

  /* Gives a promise if the handler does; until that is settled the next batch must wait. */
  #runMany(batch) {
    return drive(this.#allOf(batch));
  }

  *#allOf(batch) {
    const result = {
      begin: () => this.#makeRoom(batch, 1),
      take: (occurrences) => occurrences.forEach((occurrence) => this.#tell(batch, occurrence)),
    };
    while (batch.index < batch.left) {
      yield* this.#many.run(this.#read(batch, Math.min(batch.left - batch.index, MANY_MAX)), result);
    }
    this.#finish(batch);
  }

  #read(batch, count) {
    const { bytes } = batch;
    const occurrences = [];
    while (occurrences.length < count) {
      const { at } = batch;
      const schema = this.#schemaAt(bytes, at);
      occurrences.push(new Occurrence(bytes, at, schema, partitionAt(bytes, at), bytes[at + GENERATION_AT]));
      batch.at = at + HEADER_BYTES + schema.stride;
    }
    return occurrences;
  }

  #tell(batch, { fate, error, alerts }) {
    if (fate === FATE.FAILED) batch.exceptions.push([batch.index, this.#tellFault(error)]);
    else if (fate === FATE.SKIPPED) batch.exceptions.push([batch.index, undefined]);
    else if (alerts !== undefined) this.#keepAlerts(batch, alerts);
    batch.failed ||= fate === FATE.FAILED;
    batch.index++;
  }

  #eventAt(bytes, at, schema) {
    const data = this.#called?.data;
    return data === undefined ? new Event(bytes, at, schema) : new CalledEvent(bytes, at, schema, data);
  }

  #keepReply(value) {
    if (this.#called !== undefined) this.#called.reply = replyText(value);
  }

  /* Gives a promise, or undefined and the event is over. */
  #call(batch, at, schema) {
    batch.context = new this.#Context(batch.bytes, at, schema);
    try {
      const value = this.#main(this.#eventAt(batch.bytes, at, schema), batch.context);
      if (typeof value?.then === 'function') return value;
      this.#succeed(batch, value);
    } catch (error) {
      this.#fail(batch, error);
    }
    return undefined;
  }

  async #wait(batch, first) {
    for (let pending = first; pending !== undefined; pending = this.#advance(batch)) {
      try {
        this.#succeed(batch, await pending);
      } catch (error) {
        this.#fail(batch, error);
      }
    }
    this.#finish(batch);
  }

  #succeed(batch, value) {
    this.#keepReply(value);
    const alerts = batch.context.close();
    if (batch.context.failure !== undefined) {
      this.#fail(batch);
      return;
    }
    this.state.keep();
    if (alerts !== undefined) this.#keepAlerts(batch, alerts);
    batch.index++;
  }

  #keepAlerts(batch, alerts) {
    for (const text of alerts) {
      batch.alerts.push([batch.index, text]);
      this.state.changeSize += text.length;
    }
  }

  /* What was sent of its partition behind it is not to be run: the engine sends it again. */
  #fail(batch, error = undefined) {
    const reason = batch.context.failure ?? error; // the first one
    batch.context.close();
    this.state.rollback();
    this.#generations[batch.partition]++;
    batch.exceptions.push([batch.index++, this.#tellFault(reason)]);
    batch.failed = true;
    console.error(reason);
  }

  #finish(batch) {
    if (batch.index > 0 || batch.collects) this.#result(batch, batch.collects);
  }

  #sweep() {
    this.state.sweep(SWEEP_LEAST);
    if (this.state.forgotten < this.#told * 2 || this.state.forgotten === this.#told) return;
    this.#told = this.state.forgotten;
    console.error(`state is full: ${this.#told} of the entries longest unused were forgotten since the start`);
  }

  /* A RESULT of the events since the last one. Failures and alerts do not wait for their changes. */
  #result(batch, collects) {
    const writer = this.#writer;
    const collected = collects || batch.failed || batch.alerts.length > 0;
    const reply = batch.exceptions.length > 0 ? undefined : this.#called?.reply;
    if (batch.index > 0) this.#sweep();
    writer.begin(TYPE.RESULT);
    writer.u32(batch.index);
    writer.u32((collected ? COLLECT : 0) | (reply === undefined ? 0 : REPLY));
    this.#putExceptions(batch.exceptions);
    writer.u32(batch.alerts.length);
    for (const [index, text] of batch.alerts) {
      writer.u32(index);
      writer.text(text);
    }
    const count = writer.hole();
    if (collected) writer.fill(count, this.#putChanges());
    if (reply !== undefined) writer.text(reply);
    batch.left -= batch.index;
    Object.assign(batch, { index: 0, exceptions: [], alerts: [], failed: false });
    this.#emit(writer.end());
  }

  #putExceptions(exceptions) {
    const writer = this.#writer;
    writer.u32(exceptions.length);
    for (const [index, reason] of exceptions) {
      writer.u32(index);
      writer.u8(reason === undefined ? SKIPPED : FAILED);
      if (reason !== undefined) writer.text(reason);
    }
  }

  #putChanges() {
    const writer = this.#writer;
    return this.state.collect((key, name, json) => {
      writer.u32(key.low);
      writer.u32(key.high);
      writer.text(key.text);
      writer.text(name);
      writer.u8(json === null ? 1 : 0);
      if (json !== null) writer.text(json);
    });
  }
}

module.exports = { Runner };
