// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* The Node.js runtime's state against tests/state/cases.json, which every runtime's is held to. */

const assert = require('node:assert');
const path = require('node:path');
const { test } = require('node:test');

const { ROOT } = require('./harness.js');
const { State } = require(path.join(ROOT, 'runtime/nodejs/state.js'));
const cases = require(path.join(ROOT, 'tests/state/cases.json'));

const START = 1763884800000;
const OPTIONS = 2; // how many arguments come before `cap`, of distinct

const OPERATIONS = {
  get: (state, name) => state.get(name) ?? null,
  set: (state, ...args) => void state.set(...args),
  delete: (state, name) => state.delete(name),
  'counter.add': (state, name, amount, options) => state.counter(name, options).add(amount),
  'counter.value': (state, name) => state.counter(name).value,
  'window.add': (state, name, length, amount) => state.window(name, length).add(amount),
  'window.value': (state, name, length) => state.window(name, length).value,
  'distinct.add': (state, name, length, value, cap) => state.distinct(name, length, { cap }).add(value),
  'distinct.value': (state, name, length, cap) => state.distinct(name, length, { cap }).value,
  'top.add': (state, name, k, length, ...what) => state.top(name, k, length ?? undefined).add(...what),
  'top.value': (state, name, k, length) => state.top(name, k, length ?? undefined).value,
  growth: (state, ...args) => state.growth(...args),
  once: (state, ...args) => state.once(...args),
};

/* "$i" is the round's number, and text with it inside is text. */
function fill(value, i) {
  if (value === '$i') return i;
  return typeof value === 'string' ? value.replaceAll('$i', i) : value;
}

/* The order in which distinct values are kept says nothing. */
function normal(value) {
  if (value?.$distinct) value.seen = value.seen.map(([age, ...seen]) => [age, ...seen.sort()]).sort((a, b) => a[0] - b[0]);
  return value;
}

class Store {
  rows = {};

  take(state) {
    state.collect(({ text: key }, name, json) => {
      this.rows[key] ??= {};
      if (json === null) delete this.rows[key][name];
      else this.rows[key][name] = json;
      if (Object.keys(this.rows[key]).length === 0) delete this.rows[key];
    });
  }

  load(state = new State()) {
    for (const [key, names] of Object.entries(this.rows)) {
      for (const [name, value] of Object.entries(names)) state.load({ key, low: 0, high: 0, name, value });
    }
    return state;
  }

  values() {
    const parse = (names) => Object.fromEntries(Object.entries(names).map(([name, json]) => [name, normal(JSON.parse(json))]));
    return Object.fromEntries(Object.entries(this.rows).map(([key, names]) => [key, parse(names)]));
  }
}

function operate(keyed, i, [operation, args, expected]) {
  const call = () => OPERATIONS[operation](keyed, ...args.map((arg) => fill(arg, i)));
  if (expected === 'FAILS') return void assert.throws(call);
  const found = call();
  if (expected !== undefined) assert.deepStrictEqual(found, expected, `${operation}(${JSON.stringify(args)})`);
}

function run(state, { at, key = '7', times = 1, fails = false, full = false, do: operations }) {
  state.full = full;
  const keyed = state.at(key, 0, 0, START + at * 1000);
  for (let i = 0; i < times; i++) for (const operation of operations) operate(keyed, i, operation);
  keyed.close();
  if (fails) state.rollback();
  else state.keep();
}

/* A commit after each event, a new worker after each, all leave memory and come back, or one commit at the end. */
function play({ events }, { commits, restarts, evicts }) {
  const store = new Store();
  let state = new State();
  for (const event of events) {
    run(state, event);
    if (commits) store.take(state);
    if (restarts) state = store.load();
    if (!evicts) continue;
    state.evict(Buffer.alloc(8)); // all have the hash 0
    assert.strictEqual(state.size, 0);
    store.load(state);
  }
  store.take(state);
  return store.values();
}

for (const one of cases) {
  test(one.name, () => {
    const stored = JSON.parse(JSON.stringify(one.stored), (name, value) => normal(value));
    for (const how of [{}, { commits: true }, { commits: true, restarts: true }, { commits: true, evicts: true }]) {
      assert.deepStrictEqual(play(one, how), stored, JSON.stringify(how));
    }
  });
}
