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
const TEXT_MAX = 128; // characters of a value that is counted
const GROWTH_IDLE_MS = 3600e3;

/* The number of the bucket that a time is in. */
function bucketOf(now, length) {
  return Math.floor((now * BUCKETS) / length);
}

function checkAmount(amount) {
  if (typeof amount !== 'number' || !Number.isFinite(amount)) {
    throw new TypeError(`expected a number, found ${typeof amount === 'number' ? amount : typeof amount}`);
  }
  return amount;
}

/* What values are told apart by. */
function textOf(value) {
  const text = String(value);
  if (text.length > TEXT_MAX) throw new RangeError(`expected a value of at most ${TEXT_MAX} characters, found ${text.length}`);
  return text;
}

class Window {
  constructor(length) {
    this.length = length;
    this.newest = -Infinity; // a bucket's number: time / width
    this.sums = new Array(BUCKETS).fill(0); // by age: the newest bucket's first
  }

  static fromJSON({ $window: length, at, sums }) {
    const window = new Window(length);
    window.newest = at ?? -Infinity;
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

  get size() {
    return 160;
  }

  fits(length) {
    return this.length === length;
  }

  #advance(bucket, undo) {
    const { newest, sums } = this;
    const steps = Math.min(bucket - newest, BUCKETS);
    undo.push(() => ([this.newest, this.sums] = [newest, sums]));
    this.sums = [...new Array(steps).fill(0), ...sums.slice(0, BUCKETS - steps)];
    this.newest = bucket;
  }

  /* True if that changed anything. */
  add(now, undo, amount) {
    checkAmount(amount);
    const bucket = bucketOf(now, this.length);
    if (amount === 0 || bucket <= this.newest - BUCKETS) return false;
    if (bucket > this.newest) this.#advance(bucket, undo);
    const age = this.newest - bucket;
    const { sums } = this;
    const before = sums[age];
    undo.push(() => (sums[age] = before));
    sums[age] += amount;
    return true;
  }

  /* The sum over the window that ends now, or at the newest time that it knows. */
  value(now) {
    const left = BUCKETS - Math.max(0, bucketOf(now, this.length) - this.newest);
    let sum = 0;
    for (let age = 0; age < left; age++) sum += this.sums[age];
    return sum;
  }

  expired(now) {
    return bucketOf(now, this.length) > this.newest + 2 * BUCKETS;
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

  get size() {
    return 80;
  }

  fits() {
    return true;
  }

  /* [the growth, true if that changed anything] */
  ask(now, undo, value, incarnation) {
    const { last, at } = this;
    checkAmount(value);
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
    return Object.assign(new Once(length), { at: at ?? -Infinity });
  }

  toText() {
    return JSON.stringify({ $once: this.length, at: this.at });
  }

  get size() {
    return 60;
  }

  fits(length) {
    return this.length === length;
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

module.exports = { Window, Growth, Once, BUCKETS, bucketOf, checkAmount, parseLength, textOf };
