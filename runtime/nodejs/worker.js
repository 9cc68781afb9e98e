// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * The Node.js worker: one process, one function. Frames come and go on descriptor 3 (the worker pipe,
 * docs/functions.md); what the function prints goes to the server's log by descriptors 1 and 2. The
 * pipe's end is the worker's end. What goes wrong outside of a call, a promise that nobody awaits, say,
 * ends the process: the engine starts another.
 */

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const { teller } = require('./fault.js');
const { VERSION, TYPE, Splitter, Reader, Writer } = require('./frames.js');
const { readSchema } = require('./records.js');
const { Runner } = require('./runner.js');
const { State } = require('./state.js');

const PIPE_FD = 3;
const SUFFIXES = ['.js', '.mjs', '.cjs'];

function readHello(reader) {
  const version = reader.u16();
  if (version !== VERSION) throw new Error(`the engine speaks version ${version} of the pipe, this runtime ${VERSION}`);
  const hello = {
    name: reader.text(),
    dir: reader.text(),
    handler: reader.text(),
    config: reader.text(),
    timeoutMs: reader.u32(),
    memoryMb: reader.u32(),
    key: [],
  };
  for (let left = reader.u16(); left > 0; left--) hello.key.push(reader.text());
  return hello;
}

function readRow(reader) {
  return { low: reader.u32(), high: reader.u32(), key: reader.text(), name: reader.text(), value: reader.text() };
}

/* "port-scan.main" in DIR -> the function. CommonJS and ES modules alike. */
async function loadHandler({ dir, handler }) {
  const dot = handler.lastIndexOf('.');
  const [file, name] = [handler.slice(0, dot), handler.slice(dot + 1)];
  const suffix = SUFFIXES.find((candidate) => fs.existsSync(path.join(dir, file + candidate)));
  if (!suffix) throw new Error(`no file ${path.join(dir, file)}.js`);
  const module = await import(pathToFileURL(path.join(dir, file + suffix)).href);
  const main = module.default?.[name] ?? module[name];
  if (typeof main !== 'function') throw new Error(`${file}${suffix} exports no function "${name}"`);
  return main.bind(module.default ?? module);
}

class Worker {
  #socket = new net.Socket({ fd: PIPE_FD, readable: true, writable: true });
  #splitter = new Splitter();
  #writer = new Writer();
  #schemas = new Map();
  #state = new State();
  #hello;
  #runner;
  #batches = []; // yet to run: the engine sends the next before it has this one's result
  #waiting = false; // for an event's promise

  start() {
    this.#socket.on('data', (chunk) => this.#splitter.feed(chunk, (type, payload) => this.#take(type, payload)));
    this.#socket.on('end', () => process.exit(0));
    this.#socket.on('error', () => process.exit(0));
  }

  #take(type, payload) {
    const reader = new Reader(payload);
    switch (type) {
      case TYPE.HELLO:
        this.#hello = readHello(reader);
        break;
      case TYPE.SCHEMA: {
        const schema = readSchema(reader);
        this.#schemas.set(schema.id, schema);
        break;
      }
      case TYPE.STATE:
        for (let left = reader.u32(); left > 0; left--) this.#state.load(readRow(reader));
        break;
      case TYPE.DROP:
        (this.#runner ?? this.#state).drop(reader.u16());
        break;
      case TYPE.EVICT:
        this.#state.evict(payload);
        break;
      case TYPE.START:
        this.#load();
        break;
      case TYPE.BATCH:
        this.#batches.push(payload);
        if (!this.#waiting) this.#runBatches();
        break;
      default:
        throw new Error(`a frame of type ${type}`);
    }
  }

  /* In order, one at a time. */
  #runBatches() {
    while (this.#batches.length > 0) {
      const pending = this.#runner.run(this.#batches.shift());
      if (pending === undefined) continue;
      this.#waiting = true;
      pending.then(() => {
        this.#waiting = false;
        this.#runBatches();
      });
      return;
    }
  }

  async #load() {
    try {
      process.chdir(this.#hello.dir);
      const main = await loadHandler(this.#hello);
      const emit = (frame) => this.#socket.write(frame);
      this.#runner = new Runner(this.#hello, this.#schemas, main, emit, this.#state);
    } catch (error) {
      console.error(error);
      this.#writer.begin(TYPE.FAILED);
      this.#writer.text(teller(this.#hello.dir)(error));
      this.#socket.write(this.#writer.end());
      return; // the engine ends us
    }
    this.#writer.begin(TYPE.READY);
    this.#socket.write(this.#writer.end());
  }
}

new Worker().start();
