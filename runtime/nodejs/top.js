// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * The values with the largest sums: Space-Saving (Metwally et al. 2005), one for each part of a window,
 * or a single one without. A part has a fixed number of slots; a value that finds none free takes that
 * of the smallest sum, and that sum is what its own may be too large by. So no sum is too large by more
 * than the part's total / slots, and that adds up over the parts to the window's total / slots.
 */

const { BUCKETS, bucketOf, checkAmount, textOf } = require('./windows.js');

const TOP_MAX = 50;
const SLOTS_MIN = 32;
const SLOTS_EACH = 4; // of the values that are asked for

class Part {
  #places = new Map(); // value -> its slot
  values = [];
  sums = [];
  errors = [];

  /* [value, sum, error, value, sum, error, ...] */
  static fromJSON(flat) {
    const part = new Part();
    for (let i = 0; i < flat.length; i += 3) part.#append(flat[i], flat[i + 1], flat[i + 2]);
    return part;
  }

  toJSON() {
    return this.values.flatMap((value, i) => [value, this.sums[i], this.errors[i]]);
  }

  #append(value, sum, error) {
    this.#places.set(value, this.values.length);
    this.values.push(value);
    this.sums.push(sum);
    this.errors.push(error);
  }

  #remove() {
    this.#places.delete(this.values.pop());
    this.sums.pop();
    this.errors.pop();
  }

  #put(slot, value, sum, error) {
    this.#places.delete(this.values[slot]);
    this.#places.set(value, slot);
    this.values[slot] = value;
    this.sums[slot] = sum;
    this.errors[slot] = error;
  }

  /* The first of the smallest sums. */
  smallest() {
    let slot = 0;
    for (let i = 1; i < this.sums.length; i++) if (this.sums[i] < this.sums[slot]) slot = i;
    return slot;
  }

  find(value) {
    return this.#places.get(value);
  }

  add(value, amount, slots, undo) {
    const { values, sums, errors } = this;
    let slot = this.find(value);
    if (slot === undefined && values.length < slots) {
      this.#append(value, amount, 0);
      undo.push(() => this.#remove());
      return;
    }
    const known = slot !== undefined;
    slot ??= this.smallest();
    const [before, sum, error] = [values[slot], sums[slot], errors[slot]];
    if (known) sums[slot] = sum + amount;
    else this.#put(slot, value, sum + amount, sum);
    undo.push(() => this.#put(slot, before, sum, error));
  }
}

class Top {
  #slots;

  /* `length`: 0, there is no window. */
  constructor(length, k) {
    if (!(Number.isInteger(k) && k > 0 && k <= TOP_MAX)) {
      throw new RangeError(`top: expected a number of values from 1 to ${TOP_MAX}, found ${k}`);
    }
    this.length = length;
    this.k = k;
    this.newest = length === 0 ? 0 : -Infinity; // a bucket's number
    this.parts = new Array(length === 0 ? 1 : BUCKETS).fill(undefined); // by age: the newest first
    this.#slots = Math.max(SLOTS_EACH * k, SLOTS_MIN);
  }

  static fromJSON({ $top: length, k, at, parts }) {
    const top = new Top(length, k);
    top.newest = at ?? -Infinity;
    for (const [age, ...flat] of parts) top.parts[age] = Part.fromJSON(flat);
    return top;
  }

  toText() {
    const parts = this.parts.flatMap((part, age) => (part ? [[age, ...part.toJSON()]] : []));
    return JSON.stringify({ $top: this.length, k: this.k, at: this.newest, parts });
  }

  get size() {
    return this.parts.reduce((size, part) => size + (part ? 32 * part.values.length : 0), 64);
  }

  fits(length, k) {
    return this.length === length && this.k === k;
  }

  #bucket(now) {
    return this.length === 0 ? 0 : bucketOf(now, this.length);
  }

  #advance(bucket, undo) {
    const { newest, parts } = this;
    const steps = Math.min(bucket - newest, parts.length);
    undo.push(() => ([this.newest, this.parts] = [newest, parts]));
    this.parts = [...new Array(steps).fill(undefined), ...parts.slice(0, parts.length - steps)];
    this.newest = bucket;
  }

  #makePart(age, undo) {
    const { parts } = this;
    parts[age] = new Part();
    undo.push(() => (parts[age] = undefined));
  }

  /* True if that changed anything. */
  add(now, undo, value, amount) {
    const text = textOf(value);
    const bucket = this.#bucket(now);
    if (checkAmount(amount) < 0) throw new RangeError(`top: expected an amount of 0 or more, found ${amount}`);
    if (amount === 0 || bucket <= this.newest - this.parts.length) return false;
    if (bucket > this.newest) this.#advance(bucket, undo);
    const age = this.newest - bucket;
    if (!this.parts[age]) this.#makePart(age, undo);
    this.parts[age].add(text, amount, this.#slots, undo);
    return true;
  }

  /* The parts that are in the window, with what a value can be at most that they do not have. */
  #inWindow(now) {
    const left = this.parts.length - Math.max(0, this.#bucket(now) - this.newest);
    const parts = this.parts.slice(0, Math.max(left, 0)).filter((part) => part !== undefined);
    return parts.map((part) => [part, part.values.length < this.#slots ? 0 : part.sums[part.smallest()]]);
  }

  static #sumOf(text, parts) {
    let [sum, error] = [0, 0];
    for (const [part, most] of parts) {
      const slot = part.find(text);
      sum += slot === undefined ? most : part.sums[slot];
      error += slot === undefined ? most : part.errors[slot];
    }
    return { value: text, sum, error };
  }

  /* The sum of one value, at most. */
  sum(now, value) {
    return Top.#sumOf(textOf(value), this.#inWindow(now)).sum;
  }

  /* The `k` largest: of each, the true sum lies between sum - error and sum. */
  value(now) {
    const parts = this.#inWindow(now);
    const all = new Set(parts.flatMap(([part]) => part.values));
    const sums = [...all].map((text) => Top.#sumOf(text, parts));
    return sums.sort((a, b) => b.sum - a.sum || a.error - b.error).slice(0, this.k);
  }

  expired(now) {
    return this.length > 0 && this.#bucket(now) > this.newest + 2 * BUCKETS;
  }
}

module.exports = { Top };
