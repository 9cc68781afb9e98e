// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * A function's state: entries by (key, name), all in memory. An event's changes are taken back if the
 * event fails; the others go to the database with the batch's result. An entry is read from its JSON
 * when it is first used. What time has emptied is swept away bit by bit, and there is a cap, above
 * which the entry that was not used for longest (of a few looked at) is forgotten.
 */

const { Window, Distinct, Growth, Once, parseLength } = require('./windows.js');

const ENTRIES_MAX = 100000;
const VALUE_MAX = 64 << 10; // characters of JSON
const EVENT_CHANGES_MAX = 8 << 20; // characters of JSON that one event may set
const NAME_MAX = 128; // characters
const CANDIDATES = 8; // entries compared to find one to forget

const CLASSES = { $window: Window, $distinct: Distinct, $growth: Growth, $once: Once };
const LIVE = /^\{"(\$[a-z]+)":/;

class Entry {
  constructor(key, name, json, stored) {
    this.key = key;
    this.name = name;
    this.json = json; // its value, or undefined while `live` holds it
    this.live = undefined; // one of CLASSES
    this.stored = stored; // the database has a row of it
    this.gone = false;
    this.used = 0;
  }

  text() {
    return this.live ? JSON.stringify(this.live) : this.json;
  }
}

class State {
  #keys = new Map(); // key -> Map(name -> Entry)
  #count = 0;
  #changed = new Set();
  #undo = [];
  #now = -Infinity; // the newest event time
  #use = 0;
  #entriesMax;
  #sweeper = this.#walk();
  forgotten = 0; // entries given up for the cap
  changeSize = 0; // rough: characters of JSON that have changed since collect()
  #changeSizeBefore = 0;

  constructor({ entriesMax = ENTRIES_MAX } = {}) {
    this.#entriesMax = entriesMax;
  }

  get count() {
    return this.#count;
  }

  /* A committed row. */
  load(key, name, json) {
    this.#put(new Entry(key, name, json, true));
  }

  /* The state of one key, for one event. */
  at(key, now) {
    if (now > this.#now) this.#now = now;
    this.#use++;
    return new KeyedState(this, key, now);
  }

  /* The event's changes stay. */
  keep() {
    this.#undo.length = 0;
    this.#changeSizeBefore = this.changeSize;
  }

  /* The event's changes are taken back. */
  rollback() {
    while (this.#undo.length > 0) this.#undo.pop()();
    this.changeSize = this.#changeSizeBefore;
  }

  /* Calls write(key, name, json or null) for all that changed since the last time. */
  collect(write) {
    let count = 0;
    for (const entry of this.#changed) {
      if (entry.gone && !entry.stored) continue;
      write(entry.key, entry.name, entry.gone ? null : entry.text());
      entry.stored = !entry.gone;
      count++;
    }
    this.#changed.clear();
    this.changeSize = this.#changeSizeBefore = 0;
    return count;
  }

  /* Looks at some entries, to delete those that time has emptied, and keeps to the cap. */
  sweep(budget) {
    for (; budget > 0 && this.#count > 0; budget--) {
      const entry = this.#step();
      if (this.#isExpired(entry)) this.#drop(entry);
    }
    while (this.#count > this.#entriesMax) {
      let oldest = this.#step();
      for (let i = 1; i < CANDIDATES; i++) {
        const other = this.#step();
        if (other.used < oldest.used) oldest = other;
      }
      this.#drop(oldest);
      this.forgotten++;
    }
  }

  find(key, name) {
    const entry = this.#keys.get(key)?.get(name);
    if (entry) entry.used = this.#use;
    return entry;
  }

  /* The entry, made if there is none. */
  claim(key, name) {
    const found = this.find(key, name);
    if (found) return found;
    if (typeof name !== 'string' || name === '' || name.length > NAME_MAX || name.includes('\0')) {
      throw new TypeError(`state: expected a name of 1 to ${NAME_MAX} characters, found ${JSON.stringify(name)}`);
    }
    const entry = new Entry(key, name, undefined, false);
    entry.used = this.#use;
    this.#put(entry);
    this.#undo.push(() => this.#remove(entry));
    return entry;
  }

  /* The entry's live object; `make` gives a new one if it holds none, or one that `fits` refuses. */
  live(key, name, Class, make, fits) {
    const entry = this.claim(key, name);
    let { live } = entry;
    if (live === undefined && entry.json !== undefined) live = entry.live = restore(entry);
    if (live instanceof Class && fits(live)) return entry;
    if (live || entry.json !== undefined) {
      if (!(live instanceof Class)) {
        throw new TypeError(`state: "${name}" holds something else than a ${Class.name.toLowerCase()}`);
      }
      this.#undo.push(() => (entry.live = live));
    }
    entry.live = make();
    return entry;
  }

  setJson(key, name, json) {
    const entry = this.claim(key, name);
    const { json: jsonBefore, live } = entry;
    this.#undo.push(() => ([entry.json, entry.live] = [jsonBefore, live]));
    entry.json = json;
    entry.live = undefined;
    this.changed(entry, json.length);
    if (this.changeSize - this.#changeSizeBefore > EVENT_CHANGES_MAX) {
      throw new RangeError('state: one event changes too much');
    }
  }

  delete(key, name) {
    const entry = this.find(key, name);
    if (!entry) return false;
    this.#remove(entry);
    this.#undo.push(() => {
      entry.gone = false;
      this.#put(entry);
    });
    this.#note(entry);
    return true;
  }

  /* The event changed the entry. */
  #note(entry) {
    if (this.#changed.has(entry)) return;
    this.#changed.add(entry);
    this.#undo.push(() => this.#changed.delete(entry));
  }

  changed(entry, size = 256) {
    if (entry.live) entry.json = undefined;
    this.changeSize += size;
    this.#note(entry);
  }

  get undo() {
    return this.#undo;
  }

  #put(entry) {
    let names = this.#keys.get(entry.key);
    if (!names) this.#keys.set(entry.key, (names = new Map()));
    if (!names.has(entry.name)) this.#count++;
    names.set(entry.name, entry);
  }

  #remove(entry) {
    const names = this.#keys.get(entry.key);
    if (!names || names.get(entry.name) !== entry) return;
    names.delete(entry.name);
    if (names.size === 0) this.#keys.delete(entry.key);
    entry.gone = true;
    this.#count--;
  }

  #drop(entry) {
    this.#remove(entry);
    this.#changed.add(entry);
  }

  #isExpired(entry) {
    if (!entry.live && LIVE.test(entry.json)) return restore(entry).expired(this.#now);
    return entry.live !== undefined && entry.live.expired(this.#now);
  }

  /* Maps may change while they are walked through: what is added comes last, what is gone is skipped. */
  *#walk() {
    for (;;) for (const names of this.#keys.values()) yield* names.values();
  }

  /* The next entry of an endless round. There must be one. */
  #step() {
    return this.#sweeper.next().value;
  }
}

/* An entry's JSON as the object that it was, or undefined if it is a plain value. */
function restore(entry) {
  const kind = LIVE.exec(entry.json)?.[1];
  return CLASSES[kind]?.fromJSON(JSON.parse(entry.json));
}

const always = () => true;

/* context.state: what a function sees of its state while one event runs. */
class KeyedState {
  #state;
  #key;
  #now;

  constructor(state, key, now) {
    this.#state = state;
    this.#key = key;
    this.#now = now;
  }

  #check() {
    if (!this.#state) throw new Error('the event is over: await what you start');
    return this.#state;
  }

  /* The event is over: a promise that was left behind must not touch another event's state. */
  close() {
    this.#state = undefined;
  }

  get key() {
    return this.#key;
  }

  /* A copy: changing it changes nothing, set() does. */
  get(name) {
    const text = this.#check().find(this.#key, name)?.text();
    return text === undefined ? undefined : JSON.parse(text);
  }

  set(name, value) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`state: "${name}" cannot be a ${typeof value}`);
    if (json.length > VALUE_MAX) throw new RangeError(`state: "${name}" is ${json.length} characters of JSON`);
    if (LIVE.test(json)) throw new TypeError(`state: "${name}": a first member that begins with "$" is reserved`);
    this.#check().setJson(this.#key, name, json);
    return value;
  }

  delete(name) {
    return this.#check().delete(this.#key, name);
  }

  counter(name) {
    const read = () => {
      const text = this.#check().find(this.#key, name)?.text() ?? '0';
      const value = Number(text);
      if (!Number.isFinite(value)) throw new TypeError(`state: "${name}" holds something else than a counter`);
      return value;
    };
    return {
      add: (amount = 1) => {
        const value = read() + checkAmount(amount);
        this.#check().setJson(this.#key, name, String(value));
        return value;
      },
      get value() {
        return read();
      },
    };
  }

  window(name, length) {
    const ms = parseLength(length);
    const find = () =>
      this.#check().live(this.#key, name, Window, () => new Window(ms), (live) => live.length === ms);
    return this.#handle(find, checkAmount);
  }

  distinct(name, length, { cap } = {}) {
    const ms = parseLength(length);
    const make = () => new Distinct(ms, cap);
    const wanted = cap ?? make().cap;
    const fits = (live) => live.length === ms && live.cap === wanted;
    return this.#handle(() => this.#check().live(this.#key, name, Distinct, make, fits), (value) => value);
  }

  growth(name, value, incarnation = '') {
    const state = this.#check();
    const entry = state.live(this.#key, name, Growth, () => new Growth(), always);
    const grown = entry.live.add(this.#now, checkAmount(value), String(incarnation), state.undo);
    state.changed(entry);
    return grown;
  }

  once(name, length) {
    const ms = parseLength(length);
    const state = this.#check();
    const entry = state.live(this.#key, name, Once, () => new Once(ms), (live) => live.length === ms);
    const [answer, changed] = entry.live.ask(this.#now, state.undo);
    if (changed) state.changed(entry);
    return answer;
  }

  #handle(find, check) {
    const now = this.#now;
    const state = this.#check();
    return {
      add: (what) => {
        const entry = find();
        if (entry.live.add(now, check(what), state.undo)) state.changed(entry);
        return entry.live.value(now);
      },
      get value() {
        return find().live.value(now);
      },
    };
  }
}

function checkAmount(amount) {
  if (typeof amount !== 'number' || !Number.isFinite(amount)) {
    throw new TypeError(`expected a number, found ${typeof amount === 'number' ? amount : typeof amount}`);
  }
  return amount;
}

module.exports = { State };
