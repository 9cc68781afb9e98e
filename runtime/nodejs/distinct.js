// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * The distinct values of a window, as windows.js has it. Up to `cap` values are remembered as they are, so
 * that the count is exact, and nobody who chooses values can make it smaller; more of them are counted by
 * a sketch as well. The count is the larger of the two.
 */

const { BUCKETS, bucketOf, textOf } = require('./windows.js');
const { Sketch } = require('./sketch.js');

const CAP = 256; // unless the function asks for another ...
const CAP_MAX = 4096; // ... up to this

class Distinct {
  constructor(length, cap = CAP) {
    if (!(Number.isInteger(cap) && cap > 0 && cap <= CAP_MAX)) {
      throw new RangeError(`distinct: expected a cap from 1 to ${CAP_MAX}, found ${cap}`);
    }
    this.length = length;
    this.cap = cap;
    this.newest = -Infinity;
    this.seen = new Map(); // value -> the newest bucket it was seen in
    this.sketch = undefined; // since there were more than `cap`
  }

  static fromJSON({ $distinct: length, cap, at, seen, sketch }) {
    const distinct = new Distinct(length, cap);
    distinct.newest = at ?? -Infinity;
    for (const [age, ...values] of seen) for (const value of values) distinct.seen.set(value, at - age);
    if (sketch) distinct.sketch = Sketch.fromJSON(BUCKETS, sketch);
    return distinct;
  }

  toText() {
    const byAge = new Map();
    for (const [value, bucket] of this.seen) {
      const age = this.newest - bucket;
      if (byAge.has(age)) byAge.get(age).push(value);
      else byAge.set(age, [age, value]);
    }
    const { length, cap, newest: at, sketch } = this;
    return JSON.stringify({ $distinct: length, cap, at, seen: [...byAge.values()], sketch });
  }

  /* Roughly, characters of its text. */
  get size() {
    return 64 + 16 * this.seen.size + (this.sketch ? 8192 : 0);
  }

  fits(length, cap = CAP) {
    return this.length === length && this.cap === cap;
  }

  #advance(bucket, undo) {
    const { newest, seen, sketch } = this;
    const gone = [];
    for (const entry of seen) if (entry[1] <= bucket - BUCKETS) gone.push(entry);
    for (const [value] of gone) seen.delete(value);
    undo.push(() => {
      for (const [value, seenIn] of gone) seen.set(value, seenIn);
      this.newest = newest;
      this.sketch = sketch;
    });
    this.newest = bucket;
    if (!sketch) return;
    sketch.advance(Math.min(bucket - newest, BUCKETS), undo);
    if (sketch.isEmpty) this.sketch = undefined;
  }

  #beginSketch(undo) {
    const sketch = new Sketch(BUCKETS);
    for (const [value, bucket] of this.seen) sketch.add(this.newest - bucket, value, undo);
    undo.push(() => (this.sketch = undefined));
    this.sketch = sketch;
  }

  #note(text, bucket, undo) {
    const { seen } = this;
    const before = seen.get(text);
    if (before === undefined ? seen.size >= this.cap : before >= bucket) return false;
    seen.set(text, bucket);
    undo.push(() => (before === undefined ? seen.delete(text) : seen.set(text, before)));
    return true;
  }

  /* True if that changed anything. */
  add(now, undo, value) {
    const text = textOf(value);
    const bucket = bucketOf(now, this.length);
    if (bucket <= this.newest - BUCKETS) return false;
    const advances = bucket > this.newest;
    if (advances) this.#advance(bucket, undo);
    if (!this.sketch && this.seen.size >= this.cap && !this.seen.has(text)) this.#beginSketch(undo);
    const notes = this.#note(text, bucket, undo);
    const sketches = this.sketch?.add(this.newest - bucket, text, undo);
    return advances || notes || sketches === true;
  }

  #exact(bucket) {
    if (bucket <= this.newest) return this.seen.size;
    let count = 0;
    for (const seenIn of this.seen.values()) if (seenIn > bucket - BUCKETS) count++;
    return count;
  }

  value(now) {
    const bucket = bucketOf(now, this.length);
    const exact = this.#exact(bucket);
    return this.sketch ? Math.max(exact, this.sketch.value(BUCKETS - Math.max(0, bucket - this.newest))) : exact;
  }

  expired(now) {
    return bucketOf(now, this.length) > this.newest + 2 * BUCKETS;
  }
}

module.exports = { Distinct };
