// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * What a function is called with: an event and a context, in Kubeless's form. Both belong to one call.
 */

const { readLe32, readTime, readTimeMs } = require('./records.js');

/* In front of each record: u64s, then u32s, u16 index and u8 generation. */
const HEADER_BYTES = 40;
const [HASH_AT, TIME_AT, SEQUENCE_AT, ID_AT, SWITCH_AT, EPOCH_AT, INDEX_AT, GENERATION_AT] = [0, 8, 16, 24, 28, 32, 36, 38];
const SKEW_MS = 60e3; // how far a record's own time may run ahead of its event's
const ALERTS_MAX = 64; // an event
const ALERT_MAX = 64 << 10; // characters of JSON
const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'];

/* Why an event failed, in its function's words. */
class Failed extends Error {}

/* The event's header and record, in place in the frame. */
class Event {
  #bytes;
  #at;
  #schema;
  #data = undefined;

  constructor(bytes, at, schema) {
    this.#bytes = bytes;
    this.#at = at;
    this.#schema = schema;
  }

  get data() {
    this.#data ??= this.#schema.decode(this.#bytes, this.#at + HEADER_BYTES);
    return this.#data;
  }

  /* Unique: switch, transaction, place in it; or switch, epoch, lane, sequence. */
  get 'event-id'() {
    const { switch: id, epoch, lane, sequence, index } = this.extensions;
    return epoch === undefined ? `${id}-${sequence}-${index}` : `${id}-${epoch}-${lane}-${sequence}`;
  }

  get 'event-type'() {
    return this.#schema.name;
  }

  get 'event-time'() {
    return readTime(this.#bytes, this.#at + TIME_AT);
  }

  get 'event-namespace'() {
    return `switch/${this.extensions.switch}`;
  }

  get extensions() {
    const [b, at] = [this.#bytes, this.#at];
    const epoch = readLe32(b, at + EPOCH_AT);
    const index = b.readUInt16LE(at + INDEX_AT);
    return {
      'event-number': readLe32(b, at + ID_AT),
      switch: readLe32(b, at + SWITCH_AT),
      ...(epoch === 0 ? { index } : { epoch, lane: index }),
      sequence: readLe32(b, at + SEQUENCE_AT + 4) * 2 ** 32 + readLe32(b, at + SEQUENCE_AT),
    };
  }

  /* For console.log() and JSON: what getters alone would not show. */
  toJSON() {
    const names = ['data', 'event-id', 'event-type', 'event-time', 'event-namespace', 'extensions'];
    return Object.fromEntries(names.map((name) => [name, this[name]]));
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return this.toJSON();
  }
}

/* The event's time for windows: the record's own, unless a switch's clock runs away. */
function eventTimeMs(bytes, at, schema) {
  const sent = readTimeMs(bytes, at + TIME_AT);
  const last = schema.lastMs(bytes, at + HEADER_BYTES);
  return last > 0 && (sent === 0 || last <= sent + SKEW_MS) ? last : sent;
}

function checkAlert(alert) {
  const { severity = 'medium', title, category = 'Network anomaly', data } = alert ?? {};
  if (!SEVERITIES.includes(severity)) {
    throw new TypeError(`alert: severity: expected one of ${SEVERITIES.join(', ')}, found ${JSON.stringify(severity)}`);
  }
  if (typeof title !== 'string' || title === '' || title.length > 256) {
    throw new TypeError('alert: title: expected a text of 1 to 256 characters');
  }
  if (typeof category !== 'string' || category.length > 256) throw new TypeError('alert: category: expected a text');
  if (data !== undefined && (typeof data !== 'object' || data === null || Array.isArray(data))) {
    throw new TypeError('alert: data: expected an object');
  }
  const checked = { severity, title, category, data };
  for (const name of ['srcip', 'dstip']) checkPart(alert, name, checked, (v) => typeof v === 'string' && v.length < 64);
  for (const name of ['srcport', 'dstport', 'protocol']) {
    checkPart(alert, name, checked, (v) => Number.isInteger(v) && v >= 0 && v <= 65535);
  }
  return checked;
}

/* One of the 5-tuple: null means none, absent means the event's own. */
function checkPart(alert, name, checked, isValid) {
  const value = alert[name];
  if (value === undefined) return;
  if (value !== null && !isValid(value)) throw new TypeError(`alert: ${name}: found ${JSON.stringify(value)}`);
  checked[name] = value;
}

/* In JSON text: an escaped backslash, which stays; a zero and half a surrogate pair, which the server refuses. */
const ODD_ESCAPE = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/* The server reads integers into 64 bits. */
function checkInteger(name, value) {
  const fits = !Number.isInteger(value) || Math.abs(value) < 2 ** 63;
  if (!fits) throw new RangeError(`alert: ${name}: ${value} is too large`);
  return value;
}

function alertText(alert) {
  const json = JSON.stringify(checkAlert(alert), checkInteger);
  const text = json.replace(ODD_ESCAPE, (escape) => (escape === '\\\\' ? escape : '?'));
  if (text.length > ALERT_MAX) throw new RangeError(`alert: ${text.length} characters of JSON`);
  return text;
}

/*
 * The class of one function's contexts: {constants} are what never changes (function-name, timeout, ...),
 * `openState(bytes, at, schema)` gives the state of the event's key.
 */
function contextClass(constants, openState) {
  class Context {
    #bytes;
    #at;
    #schema;
    #state = undefined;
    #alerts = undefined;
    #failure = undefined;
    #open = true;

    constructor(bytes, at, schema) {
      this.#bytes = bytes;
      this.#at = at;
      this.#schema = schema;
    }

    /* Functions of their own, so that they may be taken out of the context: main(event, { alert, state }). */
    get alert() {
      return (alert) => this.#raise(alert);
    }

    get fail() {
      return (reason) => this.#fail(reason);
    }

    get state() {
      if (!this.#open) throw new Error('the event is over: await what you start');
      this.#state ??= openState(this.#bytes, this.#at, this.#schema);
      return this.#state;
    }

    #raise(alert) {
      if (!this.#open) throw new Error('the event is over: await what you start');
      this.#alerts ??= [];
      if (this.#alerts.length >= ALERTS_MAX) throw new RangeError(`alert: more than ${ALERTS_MAX} for one event`);
      this.#alerts.push(alertText(alert));
    }

    /* The first reason counts. */
    #fail(reason) {
      if (!this.#open) throw new Error('the event is over: await what you start');
      this.#failure ??= reason instanceof Error ? reason : new Failed(String(reason));
    }

    /* undefined: it has not failed. */
    get failure() {
      return this.#failure;
    }

    log(...what) {
      console.log(...what);
    }

    /* The event is over. Gives its alerts, as texts; undefined: none. */
    close() {
      this.#open = false;
      if (this.#state !== undefined) this.#state.close();
      return this.#alerts;
    }
  }
  addConstants(Context, constants);
  return Context;
}

function addConstants(Class, constants) {
  for (const [name, value] of Object.entries(constants)) {
    Object.defineProperty(Class.prototype, name, { value, enumerable: true });
  }
}

/* The class of what one function's batch handler is called with besides the events. */
function batchContextClass(constants) {
  class BatchContext {
    #contexts;

    constructor(events, contexts) {
      this.#contexts = new Map(events.map((event, i) => [event, contexts[i]]));
    }

    /* What main() would be called with: `state`, `alert` and so on of one event. */
    of(event) {
      const context = this.#contexts.get(event);
      if (context === undefined) throw new TypeError('of: expected one of the events');
      return context;
    }

    log(...what) {
      console.log(...what);
    }
  }
  addConstants(BatchContext, constants);
  return BatchContext;
}

module.exports = {
  ...{ HEADER_BYTES, HASH_AT, ID_AT, GENERATION_AT },
  ...{ Event, Failed, contextClass, batchContextClass, eventTimeMs },
};
