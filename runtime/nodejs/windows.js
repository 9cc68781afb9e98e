// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * What state can hold besides plain values. Each is a pure data structure: time comes in as a parameter
 * (event time, milliseconds), nothing reads a clock. Each change pushes a function onto `undo` that
 * takes it back, so that an event that fails leaves no trace. `toText` is what the database keeps: JSON,
 * whose first member names the class and begins with "$", which plain values may not.
 *
 * A window of a length is cut into BUCKETS parts: it covers between 9/10 of its length and all of it.
 * Its end is the newest event time that it was told. An event that is late, but still in the window,
 * counts where it belongs; one that is older than the window counts nowhere.
 */

const BUCKETS = 10;
const DISTINCT_MAX = 256; // unless the function asks for another cap ...
const DISTINCT_LIMIT = 4096; // ... up to this
const DISTINCT_TEXT_MAX = 128; // characters of a value
const GROWTH_IDLE_MS = 3600e3;

class Window {
  constructor(length) {
    this.length = length;
    this.newest = -Infinity; // a bucket's number: time / width
    this.sums = new Array(BUCKETS).fill(0); // by age: the newest bucket's first
  }

  static fromJSON({ $window: length, at, sums }) {
    const window = new Window(length);
    window.newest = at;
    sums.forEach((sum, age) => (window.sums[age] = sum));
    return window;
  }

  /* By hand, since windows are what is written most: a third of the time of JSON.stringify(). */
  toText() {
    let count = BUCKETS;
    while (count > 0 && this.sums[count - 1] === 0) count--;
    const at = this.newest === -Infinity ? null : this.newest;
    return `{"$window":${this.length},"at":${at},"sums":[${this.sums.slice(0, count).join(',')}]}`;
  }

  bucket(now) {
    return Math.floor((now * BUCKETS) / this.length);
  }

  advance(bucket, undo) {
    const { newest, sums } = this;
    const steps = Math.min(bucket - newest, BUCKETS);
    undo.push(() => ([this.newest, this.sums] = [newest, sums]));
    this.sums = [...new Array(steps).fill(0), ...sums.slice(0, BUCKETS - steps)];
    this.newest = bucket;
  }

  /* True if that changed anything. */
  add(now, amount, undo) {
    const bucket = this.bucket(now);
    if (amount === 0 || bucket <= this.newest - BUCKETS) return false;
    if (bucket > this.newest) this.advance(bucket, undo);
    const age = this.newest - bucket;
    const { sums } = this;
    const before = sums[age];
    undo.push(() => (sums[age] = before));
    sums[age] += amount;
    return true;
  }

  /* The sum over the window that ends now, or at the newest time that it knows. */
  value(now) {
    const left = BUCKETS - Math.max(0, this.bucket(now) - this.newest);
    let sum = 0;
    for (let age = 0; age < left; age++) sum += this.sums[age];
    return sum;
  }

  expired(now) {
    return this.bucket(now) > this.newest + 2 * BUCKETS;
  }
}

class Distinct {
  constructor(length, cap = DISTINCT_MAX) {
    if (!(Number.isInteger(cap) && cap > 0 && cap <= DISTINCT_LIMIT)) {
      throw new RangeError(`distinct: expected a cap from 1 to ${DISTINCT_LIMIT}, found ${cap}`);
    }
    this.length = length;
    this.cap = cap;
    this.newest = -Infinity;
    this.seen = new Map(); // value -> the newest bucket it was seen in
  }

  static fromJSON({ $distinct: length, cap, at, seen }) {
    const distinct = new Distinct(length, cap);
    distinct.newest = at;
    for (const [age, ...values] of seen) for (const value of values) distinct.seen.set(value, at - age);
    return distinct;
  }

  toText() {
    const byAge = new Map();
    for (const [value, bucket] of this.seen) {
      const age = this.newest - bucket;
      if (byAge.has(age)) byAge.get(age).push(value);
      else byAge.set(age, [age, value]);
    }
    return JSON.stringify({ $distinct: this.length, cap: this.cap, at: this.newest, seen: [...byAge.values()] });
  }

  bucket(now) {
    return Math.floor((now * BUCKETS) / this.length);
  }

  advance(bucket, undo) {
    const { newest, seen } = this;
    const gone = [];
    for (const entry of seen) if (entry[1] <= bucket - BUCKETS) gone.push(entry);
    for (const [value] of gone) seen.delete(value);
    this.newest = bucket;
    undo.push(() => {
      for (const [value, seenIn] of gone) seen.set(value, seenIn);
      this.newest = newest;
    });
  }

  /* True if that changed anything. A value beyond the cap is not taken up. */
  add(now, value, undo) {
    const text = String(value);
    const bucket = this.bucket(now);
    if (text.length > DISTINCT_TEXT_MAX) throw new RangeError(`distinct: a value of ${text.length} characters`);
    if (bucket <= this.newest - BUCKETS) return false;
    const advances = bucket > this.newest;
    if (advances) this.advance(bucket, undo);
    const { seen } = this;
    const before = seen.get(text);
    if (before === undefined ? seen.size >= this.cap : before >= bucket) return advances;
    seen.set(text, bucket);
    undo.push(() => (before === undefined ? seen.delete(text) : seen.set(text, before)));
    return true;
  }

  value(now) {
    const bucket = this.bucket(now);
    if (bucket <= this.newest) return this.seen.size;
    let count = 0;
    for (const seenIn of this.seen.values()) if (seenIn > bucket - BUCKETS) count++;
    return count;
  }

  expired(now) {
    return this.bucket(now) > this.newest + 2 * BUCKETS;
  }
}

/*
 * How much a cumulative counter has grown since it was last told. The counter starts anew with each
 * incarnation; a first sight counts in full. Where the sender has no name for the incarnation, a value
 * below half of the last one is a new one, and a value a little smaller is an update that was overtaken.
 */
class Growth {
  constructor() {
    this.last = 0;
    this.incarnation = '';
    this.at = 0;
  }

  static fromJSON({ $growth: last, of, at }) {
    return Object.assign(new Growth(), { last, incarnation: of, at });
  }

  toText() {
    return JSON.stringify({ $growth: this.last, of: this.incarnation, at: this.at });
  }

  /* [the growth, true if that changed anything] */
  add(now, value, incarnation, undo) {
    const { last, at } = this;
    const before = this.incarnation;
    const isNew = incarnation !== before || (!incarnation && value < last / 2);
    const grown = isNew ? value : Math.max(0, value - last);
    if (grown === 0 && !isNew) return [0, false];
    undo.push(() => ([this.last, this.incarnation, this.at] = [last, before, at]));
    this.last = value;
    this.incarnation = incarnation;
    this.at = Math.max(at, Math.floor(now));
    return [grown, true];
  }

  expired(now) {
    return now - this.at > GROWTH_IDLE_MS;
  }
}

/* Says yes, and then no until it was not asked for `length`. */
class Once {
  constructor(length) {
    this.length = length;
    this.at = -Infinity;
  }

  static fromJSON({ $once: length, at }) {
    return Object.assign(new Once(length), { at });
  }

  toText() {
    return JSON.stringify({ $once: this.length, at: this.at });
  }

  /* [the answer, true if that changed anything]; it is noted to a tenth of the length. */
  ask(now, undo) {
    const { at } = this;
    const fresh = now - at >= this.length;
    if (!fresh && now - at < this.length / BUCKETS) return [false, false];
    undo.push(() => (this.at = at));
    this.at = Math.floor(now);
    return [fresh, true];
  }

  expired(now) {
    return now - this.at > 2 * this.length;
  }
}

const UNITS = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };
const lengths = new Map();

/* "10s", "500ms", "5m", "1h" or a number of milliseconds. */
function parseLength(length) {
  const known = lengths.get(length);
  if (known) return known;
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(String(length));
  const ms = typeof length === 'number' ? length : match ? match[1] * UNITS[match[2]] : NaN;
  if (!(ms >= BUCKETS && ms <= 366 * UNITS.d)) {
    throw new RangeError(`expected a length such as "10s", "5m" or "1h", found ${JSON.stringify(length)}`);
  }
  if (lengths.size < 1000) lengths.set(length, ms);
  return ms;
}

module.exports = { Window, Distinct, Growth, Once, DISTINCT_MAX, parseLength };
