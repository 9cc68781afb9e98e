// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * A function's state: entries by (key, name), all in memory. An event's changes are taken back if the
 * event fails; the others go to the database with the batch's result. An entry is read from its JSON
 * when it is first used. What time has emptied is swept away bit by bit, and there is a cap, above
 * which the entry that was not used for longest (of a few looked at) is forgotten.
 */

const { Distinct } = require('./distinct.js');
const { readLe32 } = require('./records.js');
const { Top } = require('./top.js');
const { Window, Growth, Once, checkAmount, parseLength } = require('./windows.js');

const ENTRIES_MAX = 400000;
const VALUE_MAX = 64 << 10; // characters of JSON
const EVENT_CHANGES_MAX = 8 << 20; // characters of JSON that one event may set
const NAME_MAX = 128; // characters
const SHORT = 64; // characters of JSON that what is there may always have
const CHANGE_SIZE = 128; // characters by which one change of a live object may lengthen its text
const UNDO_KEPT = 64; // items
const CANDIDATES = 8; // entries compared to find one to forget

const CLASSES = { $window: Window, $distinct: Distinct, $top: Top, $growth: Growth, $once: Once };
const LIVE = /^\{"(\$[a-z]+)":/;
const LEASED = /^\{"\$ttl":([\d.]+),"at":(-?\d+),"value":(.*)\}$/s;

/* The function keeps as much as it may: what would make its state larger is refused. */
class StateFull extends Error {
  name = 'StateFull';

  constructor(name) {
    super(`state: "${name}" cannot grow: the function keeps as much as it may (state_bytes)`);
  }
}

/* A key and all that is known of it. `low`, `high`: its hash, which says its partition. */
class Key {
  constructor(text, low, high) {
    this.text = text;
    this.low = low;
    this.high = high;
    this.names = new Map(); // name -> Entry
  }

  get partition() {
    return this.high >>> 28;
  }
}

/* How long a plain value or a counter lasts: it is gone when it was not changed for `ttl` (milliseconds). */
class Lease {
  constructor(ttl, at) {
    this.ttl = ttl;
    this.at = at;
  }

  isOver(now) {
    return now - this.at >= this.ttl;
  }

  /* From a change on; one that is late does not shorten it. */
  renewed(now, ttl = this.ttl) {
    return new Lease(ttl, Math.max(this.at, Math.floor(now)));
  }
}

class Entry {
  constructor(key, name, json, stored) {
    this.key = key;
    this.name = name;
    this.json = json; // its value, or undefined while only `live` holds it
    this.live = undefined; // one of CLASSES, or a counter's number
    this.lease = undefined; // it lasts for ever
    this.stored = stored; // the database has a row of it
    this.changed = false; // it is in the list of what changed
    this.gone = false;
    this.used = 0;
  }

  /* Its value as JSON. */
  text() {
    if (this.live === undefined) return this.json;
    return typeof this.live === 'number' ? String(this.live) : this.live.toText();
  }

  /* The same with its lease: what is stored. */
  row() {
    if (this.lease === undefined) return this.text();
    const { ttl, at } = this.lease;
    return `{"$ttl":${ttl},"at":${at},"value":${this.text()}}`;
  }

  /* Takes a lease out of what was stored. */
  unwrap() {
    const [wrapped, ttl, at, json] = LEASED.exec(this.json) ?? [];
    if (wrapped === undefined) return this;
    this.lease = new Lease(Number(ttl), Number(at));
    this.json = json;
    return this;
  }
}

/* What an entry was before an event changed it. */
class Saved {
  constructor(entry, first) {
    this.entry = entry;
    this.json = entry.json;
    this.live = entry.live;
    this.lease = entry.lease;
    this.first = first; // the entry had not changed before
  }
}

/* What takes an event's changes back, to be run from the last to the first. Its memory is used again. */
class UndoLog {
  #items = [];
  #count = 0;

  push(item) {
    if (this.#count < this.#items.length) this.#items[this.#count] = item;
    else this.#items.push(item);
    this.#count++;
  }

  /* undefined: there is none left. */
  pop() {
    return this.#count > 0 ? this.#items[--this.#count] : undefined;
  }

  clear() {
    this.#count = 0;
    if (this.#items.length > UNDO_KEPT) this.#items.length = 0;
  }
}

class State {
  #keys = new Map(); // text -> Key, of those that have entries
  #fresh = new Map(); // likewise, of those that have none and that the event may have at hand
  #count = 0;
  #changed = []; // entries, in the order in which they first changed
  #undo = new UndoLog(); // functions and Saveds
  #now = -Infinity; // the newest event time
  #use = 0;
  #made = 0; // entries since the last sweep
  #entriesMax;
  #sweeper = this.#walk();
  full = false; // nothing may make it larger
  forgotten = 0; // entries given up for the cap
  changeSize = 0; // rough: characters of JSON that have changed since collect()
  #changeSizeBefore = 0;

  constructor({ entriesMax = ENTRIES_MAX } = {}) {
    this.#entriesMax = entriesMax;
  }

  get size() {
    return this.#count;
  }

  /* One object a key, whoever looks at it: of some events that run together several may have the same. */
  #key(text, low, high) {
    const known = this.#keys.get(text) ?? this.#fresh.get(text);
    if (known !== undefined) return known;
    const key = new Key(text, low, high);
    this.#fresh.set(text, key);
    return key;
  }

  /* A committed row. */
  load({ key, low, high, name, value }) {
    this.#put(new Entry(this.#keys.get(key) ?? new Key(key, low, high), name, value, true).unwrap());
  }

  /* Forgets partitions (bit p), which another worker has now. */
  drop(partitions) {
    this.#forget((key) => (partitions & (1 << key.partition)) !== 0);
  }

  /* Forgets keys by their hashes, as an EVICT frame has them: they are in the database, and come back. */
  evict(bytes) {
    const evicted = new Map(); // high -> Set of low
    for (let at = 0; at < bytes.length; at += 8) {
      const [low, high] = [readLe32(bytes, at), readLe32(bytes, at + 4)];
      if (evicted.has(high)) evicted.get(high).add(low);
      else evicted.set(high, new Set([low]));
    }
    this.#forget((key) => evicted.get(key.high)?.has(key.low) === true);
  }

  #forget(isGone) {
    for (const key of this.#keys.values()) {
      if (!isGone(key)) continue;
      this.#keys.delete(key.text);
      this.#count -= key.names.size;
      key.names.clear();
    }
    this.#changed = this.#changed.filter((entry) => !isGone(entry.key));
  }

  /* The state of one key, for one event. */
  at(text, low, high, now) {
    if (now > this.#now) this.#now = now;
    this.#use++;
    return new KeyedState(this, this.#key(text, low, high), now);
  }

  /* The event's changes stay. */
  keep() {
    if (this.#fresh.size > 0) this.#fresh.clear();
    this.#undo.clear();
    this.#changeSizeBefore = this.changeSize;
  }

  /* The event's changes are taken back. */
  rollback() {
    for (let item = this.#undo.pop(); item !== undefined; item = this.#undo.pop()) {
      if (typeof item === 'function') item();
      else this.#takeBack(item);
    }
    this.#fresh.clear();
    this.changeSize = this.#changeSizeBefore;
  }

  #takeBack({ entry, json, live, lease, first }) {
    entry.lease = lease;
    entry.json = json;
    entry.live = live;
    if (!first) return;
    entry.changed = false;
    this.#changed.pop();
  }

  /* Calls write(Key, name, json or null) for all that changed since the last time. */
  collect(write) {
    let count = 0;
    for (const entry of this.#changed) {
      entry.changed = false;
      if (entry.gone && !entry.stored) continue;
      write(entry.key, entry.name, entry.gone ? null : entry.row());
      entry.stored = !entry.gone;
      count++;
    }
    this.#changed.length = 0;
    this.changeSize = this.#changeSizeBefore = 0;
    return count;
  }

  /*
   * Looks at some entries, to delete those that time has emptied, and keeps to the cap. Between events
   * only. It looks at more than were made, so it comes round.
   */
  sweep(least) {
    for (let left = least + 2 * this.#made; left > 0 && this.#count > 0; left--) {
      const entry = this.#step();
      if (this.#isExpired(entry)) this.#drop(entry);
    }
    this.#made = 0;
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
    const entry = key.names.get(name);
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
    this.#made++;
    this.#undo.push(() => this.#remove(entry));
    return entry;
  }

  /* A value of so many characters may be kept there, or this throws. `found`: the entry, or undefined. */
  #admit(found, name, length) {
    const isKept = found !== undefined && (found.stored || found.changed);
    if (!isKept || length > Math.max(SHORT, found.text()?.length ?? 0)) throw new StateFull(name);
  }

  /* Before a live object is changed: one that nobody knows of yet stays so. */
  admitLive(entry) {
    if (this.full && !entry.stored && !entry.changed) throw new StateFull(entry.name);
  }

  /* The entry's live object: a new one, of `args`, if it holds none or one that was made of others. */
  live(key, now, name, Class, ...args) {
    const entry = this.claim(key, name);
    if (entry.lease?.isOver(now)) this.#empty(entry);
    let { live } = entry;
    if (live === undefined && entry.json !== undefined) live = entry.live = restore(entry);
    if (live instanceof Class && live.fits(...args)) return entry;
    if (live !== undefined || entry.json !== undefined) {
      if (!(live instanceof Class)) {
        throw new TypeError(`state: "${name}" holds something else than a ${Class.name.toLowerCase()}`);
      }
      this.#undo.push(() => (entry.live = live));
    }
    entry.live = new Class(...args);
    return entry;
  }

  /* What was there is over: nothing is. */
  #empty(entry) {
    this.#save(entry);
    entry.json = entry.live = entry.lease = undefined;
  }

  /* `ttl`: undefined, it stays. */
  setJson(key, now, name, json, ttl) {
    if (this.full) this.#admit(this.find(key, name), name, json.length);
    const entry = this.claim(key, name);
    this.#save(entry);
    entry.lease = ttl === undefined ? undefined : new Lease(ttl, Math.floor(now));
    entry.json = json;
    entry.live = undefined;
    this.changeSize += json.length;
    if (this.eventSize > EVENT_CHANGES_MAX) {
      throw new RangeError('state: one event changes too much');
    }
  }

  /* `ttl`: undefined, as it was. */
  count(key, now, name, amount, ttl) {
    if (this.full) this.#admit(this.find(key, name), name, 0);
    const entry = this.claim(key, name);
    if (entry.lease?.isOver(now)) this.#empty(entry);
    const value = counterValue(entry) + amount;
    this.#save(entry);
    if (entry.lease !== undefined) entry.lease = entry.lease.renewed(now, ttl);
    else if (ttl !== undefined) entry.lease = new Lease(ttl, Math.floor(now));
    entry.json = undefined;
    entry.live = value;
    this.changeSize += 16;
    return value;
  }

  delete(key, now, name) {
    const entry = this.find(key, name);
    if (!entry) return false;
    const isOver = entry.lease?.isOver(now) === true;
    this.#save(entry);
    this.#remove(entry);
    this.#undo.push(() => {
      entry.gone = false;
      this.#put(entry);
    });
    return !isOver;
  }

  /* The entry's live object has changed, and knows how to take that back. */
  liveChanged(entry) {
    this.changeSize += entry.changed ? CHANGE_SIZE : entry.live.size;
    if (!entry.changed) this.#save(entry);
    entry.json = undefined;
  }

  #save(entry) {
    const first = !entry.changed;
    this.#undo.push(new Saved(entry, first));
    if (first) this.#note(entry);
  }

  #note(entry) {
    entry.changed = true;
    this.#changed.push(entry);
  }

  /* Rough: characters of JSON that the event has changed. */
  get eventSize() {
    return this.changeSize - this.#changeSizeBefore;
  }

  get undo() {
    return this.#undo;
  }

  #put(entry) {
    const { names } = entry.key;
    if (names.size === 0) this.#keys.set(entry.key.text, entry.key);
    if (!names.has(entry.name)) this.#count++;
    names.set(entry.name, entry);
  }

  #remove(entry) {
    const { names, text } = entry.key;
    if (names.get(entry.name) !== entry) return;
    names.delete(entry.name);
    if (names.size === 0) {
      this.#keys.delete(text);
      this.#fresh.set(text, entry.key);
    }
    entry.gone = true;
    this.#count--;
  }

  #drop(entry) {
    this.#remove(entry);
    if (!entry.changed) this.#note(entry);
  }

  #isExpired(entry) {
    const { live, json, lease } = entry;
    if (lease !== undefined) return lease.isOver(this.#now);
    if (typeof live === 'object') return live.expired(this.#now);
    /* Most values are no window: the third character says so at once. */
    return live === undefined && json.charCodeAt(2) === 36 && restore(entry)?.expired(this.#now) === true;
  }

  /* Maps may change while they are walked through: what is added comes last, what is gone is skipped. */
  *#walk() {
    for (;;) for (const key of this.#keys.values()) yield* key.names.values();
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

function counterValue({ live, json, name }) {
  if (typeof live === 'number') return live;
  const value = live === undefined ? Number(json ?? '0') : NaN;
  if (!Number.isFinite(value)) throw new TypeError(`state: "${name}" holds something else than a counter`);
  return value;
}

/* What counter(), window(), distinct() and top() give; `keyed` is the event's KeyedState. */
class Counter {
  #keyed;
  #name;
  #ttl;

  constructor(keyed, name, ttl) {
    this.#keyed = keyed;
    this.#name = name;
    this.#ttl = ttl;
  }

  add(amount = 1) {
    const keyed = this.#keyed;
    return open(keyed).count(keyOf(keyed), nowOf(keyed), this.#name, checkAmount(amount), this.#ttl);
  }

  get value() {
    const entry = open(this.#keyed).find(keyOf(this.#keyed), this.#name);
    return entry === undefined || entry.lease?.isOver(nowOf(this.#keyed)) ? 0 : counterValue(entry);
  }
}

/* A live object of the event's state. */
class Live {
  #keyed;
  #what;

  /* `what`: its name, its class, and what it is made of. It is made when it is first used. */
  constructor(keyed, ...what) {
    open(keyed);
    this.#keyed = keyed;
    this.#what = what;
  }

  #entry() {
    return open(this.#keyed).live(keyOf(this.#keyed), nowOf(this.#keyed), ...this.#what);
  }

  /* Gives what `read` says of it then. */
  change(what, read) {
    const state = open(this.#keyed);
    const entry = this.#entry();
    const now = nowOf(this.#keyed);
    state.admitLive(entry);
    if (entry.live.add(now, state.undo, ...what)) state.liveChanged(entry);
    return read(entry.live, now);
  }

  add(...what) {
    return this.change(what, (live, now) => live.value(now));
  }

  get value() {
    return this.#entry().live.value(nowOf(this.#keyed));
  }
}

class Ranking extends Live {
  add(value, amount = 1) {
    return this.change([value, amount], (live, now) => live.sum(now, value));
  }
}

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

  /* The event is over: a promise that was left behind must not touch another event's state. */
  close() {
    this.#state = undefined;
  }

  get key() {
    return this.#key.text;
  }

  static open(keyed) {
    if (keyed.#state === undefined) throw new Error('the event is over: await what you start');
    return keyed.#state;
  }

  static nowOf(keyed) {
    return keyed.#now;
  }

  static keyOf(keyed) {
    return keyed.#key;
  }

  /* A copy: changing it changes nothing, set() does. */
  get(name) {
    const entry = open(this).find(this.#key, name);
    return entry === undefined || entry.lease?.isOver(this.#now) ? undefined : JSON.parse(entry.text());
  }

  set(name, value, { ttl } = {}) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`state: "${name}" cannot be a ${typeof value}`);
    if (json.length > VALUE_MAX) throw new RangeError(`state: "${name}" is ${json.length} characters of JSON`);
    if (LIVE.test(json)) throw new TypeError(`state: "${name}": a first member that begins with "$" is reserved`);
    open(this).setJson(this.#key, this.#now, name, json, ttl === undefined ? undefined : parseLength(ttl));
    return value;
  }

  delete(name) {
    return open(this).delete(this.#key, this.#now, name);
  }

  counter(name, { ttl } = {}) {
    open(this);
    return new Counter(this, name, ttl === undefined ? undefined : parseLength(ttl));
  }

  window(name, length) {
    return new Live(this, name, Window, parseLength(length));
  }

  distinct(name, length, { cap } = {}) {
    return new Live(this, name, Distinct, parseLength(length), cap);
  }

  top(name, k, length = undefined) {
    return new Ranking(this, name, Top, length === undefined ? 0 : parseLength(length), k);
  }

  growth(name, value, incarnation = '') {
    return this.#ask(name, Growth, [], [value, String(incarnation)]);
  }

  once(name, length) {
    return this.#ask(name, Once, [parseLength(length)], []);
  }

  /* What answers once, as it changes. */
  #ask(name, Class, made, what) {
    const state = open(this);
    const entry = state.live(this.#key, this.#now, name, Class, ...made);
    state.admitLive(entry);
    const [answer, changed] = entry.live.ask(this.#now, state.undo, ...what);
    if (changed) state.liveChanged(entry);
    return answer;
  }
}

const { open, nowOf, keyOf } = KeyedState;

module.exports = { State, StateFull };
