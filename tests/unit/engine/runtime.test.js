// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* The Node.js runtime: frames, records, what a function is called with, state and its windows. */

const assert = require('node:assert');
const path = require('node:path');
const { test } = require('node:test');
const util = require('node:util');

const { Bench, batch, fromText, putUint, schemas, ROOT } = require('./harness.js');
const { Splitter, Writer, Reader, TYPE } = require(path.join(ROOT, 'runtime/nodejs/frames.js'));
const { State } = require(path.join(ROOT, 'runtime/nodejs/state.js'));
const { compileSchema, readTime } = require(path.join(ROOT, 'runtime/nodejs/records.js'));

const START = 1763884800000;
const event = (ms, values = {}) => ({ id: 1, ms: START + ms, srcip: '10.0.0.3', dstip: '10.0.0.1', ...values });

/* Calls `main` with the state of one key at a time in seconds. */
function stateAt(state, seconds, key = 'k') {
  return state.at(key, 0, 0, START + seconds * 1000);
}

/* What a fresh worker would be given. */
function reloaded(state) {
  const copy = new State();
  const rows = new Map();
  state.collect((key, name, value) => rows.set(`${key.text}\n${name}`, { key: key.text, low: 0, high: 0, name, value }));
  for (const row of rows.values()) if (row.value !== null) copy.load(row);
  return copy;
}

/* ---- frames ---- */

test('frames come whole, however the stream is cut', () => {
  const writer = new Writer();
  const frames = ['one', 'zwei \u{1f40d}', 'x'.repeat(100000)].map((text) => {
    writer.begin(TYPE.FAILED);
    writer.text(text);
    return writer.end();
  });
  const stream = Buffer.concat(frames);
  for (const size of [1, 3, 4, 5, 7, 4096, stream.length]) {
    const splitter = new Splitter();
    const texts = [];
    for (let at = 0; at < stream.length; at += size) {
      splitter.feed(stream.subarray(at, at + size), (type, payload) => {
        assert.strictEqual(type, TYPE.FAILED);
        texts.push(new Reader(payload).text());
      });
    }
    assert.deepStrictEqual(texts.map((text) => text.length), [3, 7, 100000], `cut into ${size}`);
  }
});

test('a frame that is too long is refused', () => {
  const refuse = (length) => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(length);
    assert.throws(() => new Splitter().feed(bytes, () => {}), /a frame of/);
  };
  refuse((16 << 20) + 1);
  refuse(0xffffffff);
});

test('a text that runs over its frame is refused', () => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(100);
  assert.throws(() => new Reader(bytes).text(), RangeError);
});

/* ---- records ---- */

async function seen(values, look = ({ data }) => data) {
  let found;
  const bench = new Bench({ main: (...args) => void (found = look(...args)) });
  const { failure } = await bench.send(values);
  assert.strictEqual(failure, undefined);
  return found;
}

test("the thesis's names are there, addresses as text", async () => {
  const data = await seen(event(0, { dstport: 65535, protocol: 6, udp: 1, syn: 4294967295, rst: 3 }));
  assert.deepStrictEqual(data, {
    srcip: '10.0.0.3',
    dstip: '10.0.0.1',
    dstport: 65535,
    protocol: 6,
    first: '',
    last: '',
    udp: 1,
    syn: 4294967295,
    rst: 3,
    completed: 0,
    refused: 0,
  });
  assert.deepStrictEqual(Object.keys({ ...data }).length, 11);
});

test('a flow has its ports, counts and sizes', async () => {
  const flow = { id: 2, ms: START, srcip: '::1', dstip: '2001:db8::1:0:0:5', srcport: 1, dstport: 2, protocol: 17 };
  const data = await seen({ ...flow, count: 5, size: 2 ** 40, flags: 18, first: 1763884800123456789n });
  assert.strictEqual(data.size, 2 ** 40);
  assert.strictEqual(data.count, 5);
  assert.strictEqual(data.srcport, 1);
  assert.strictEqual(data.srcip, '::1');
  assert.strictEqual(data.dstip, '2001:db8::1:0:0:5');
  assert.strictEqual(data.first, '2025-11-23T08:00:00.123456789Z');
});

test('a counter beyond 2^53 is the nearest number', async () => {
  const flow = { id: 2, ms: START, srcip: '10.0.0.1', dstip: '10.0.0.2' };
  assert.strictEqual((await seen({ ...flow, size: 2n ** 53n - 1n })).size, Number.MAX_SAFE_INTEGER);
  assert.strictEqual((await seen({ ...flow, size: 2n ** 64n - 1n })).size, 2 ** 64);
});

test('a time is exact to the nanosecond, at all edges', () => {
  const bytes = Buffer.alloc(8);
  const text = (ns) => {
    putUint(bytes, 0, 8, ns);
    return readTime(bytes, 0);
  };
  const expected = (ns) => `${new Date(Number(ns / 1000000000n) * 1000).toISOString().slice(0, 19)}.${String(ns % 1000000000n).padStart(9, '0')}Z`;
  const check = (ns) => assert.strictEqual(text(ns), expected(ns), `${ns}`);
  assert.strictEqual(text(0n), '');
  for (let second = 1n; second < 2n ** 33n; second = second * 3n + 1n) {
    for (const ns of [-1n, 0n, 1n, 999999999n]) check(second * 1000000000n + ns);
  }
  for (let i = 32n; i < 63n; i++) for (const ns of [-1n, 0n, 1n]) check(2n ** i + ns);
  for (let i = 0; i < 20000; i++) check(BigInt(Math.floor(Math.random() * 2 ** 31)) * 2n ** 32n + BigInt(Math.floor(Math.random() * 2 ** 32)));
});

test('signed fields of every size are signed', () => {
  const fields = [1, 2, 4, 8].map((size, i) => ({ name: `f${size}`, kind: 'int', offset: [0, 2, 4, 8][i], size }));
  const schema = compileSchema({ id: 16, name: 'mine', recordSize: 16, fields });
  assert.deepStrictEqual(schema.decode(Buffer.alloc(16, 0xff), 0), { f1: -1, f2: -1, f4: -1, f8: -1 });
});

test('IPv6 text follows RFC 5952', async () => {
  const text = async (srcip) => (await seen(event(0, { srcip }))).srcip;
  assert.strictEqual(await text('2001:0db8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  assert.strictEqual(await text('fe80::1'), 'fe80::1');
  assert.strictEqual(await text('2001:db8:0:1:1:1:1:1'), '2001:db8:0:1:1:1:1:1');
});

test('addresses are told apart, however many there are', () => {
  const read = schemas.get(1).reader('srcip');
  const bytes = Buffer.alloc(16);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 40000; i++) {
      bytes.fill(0);
      bytes.writeUInt32BE(i, i % 2 ? 12 : 0);
      if (i % 2) bytes.writeUInt16BE(0xffff, 10);
      const v6 = i === 0 ? '::' : `0:${i.toString(16)}::`;
      assert.strictEqual(read(bytes, 0), i % 2 ? `0.0.${i >>> 8}.${i & 255}` : v6);
    }
  }
});

test('event and context have the form of Kubeless', async () => {
  const found = await seen(event(1500, { syn: 1 }), (e, context) => ({ ...e.toJSON(), context, printed: util.inspect(e) }));
  assert.match(found['event-id'], /^7-\d+-0$/);
  assert.strictEqual(found['event-type'], 'port');
  assert.strictEqual(found['event-time'], '2025-11-23T08:00:01.500000000Z');
  assert.strictEqual(found['event-namespace'], 'switch/7');
  assert.strictEqual(found.extensions['event-number'], 1);
  assert.strictEqual(found.context['function-name'], 'tested');
  assert.strictEqual(found.context.timeout, '10');
  assert.strictEqual(found.context['memory-limit'], '256Mi');
  assert.match(found.context.runtime, /^nodejs\d+$/);
  assert.match(found.printed, /10\.0\.0\.3/);
});

test('config cannot be changed by an event', async () => {
  const main = (e, { config }) => (config.inner.limit = 5);
  const { failure } = await new Bench({ main, config: { inner: { limit: 1 } } }).send(event(0));
  assert.match(failure, /TypeError/);
});

/* ---- batches ---- */

test('an event that throws takes its changes back, and what is behind it in its partition is not run', async () => {
  const main = (e, { state, alert }) => {
    state.counter('sum').add(e.data.syn);
    state.window('w', '10s').add(e.data.syn);
    state.distinct('d', '10s').add(e.data.syn);
    state.set('list', [...(state.get('list') ?? []), e.data.syn]);
    alert({ title: `syn ${e.data.syn}` });
    if (e.data.syn === 3) state.delete('sum');
    if (e.data.syn === 3) throw new Error('three');
  };
  const bench = new Bench({ main, key: ['srcip'] });
  const result = await bench.send(
    ...[1, 2, 3, 4].map((syn) => event(syn * 1000, { syn })),
    event(5000, { syn: 5, srcip: '10.0.0.4', hash: 1n << 63n }),
  );
  assert.strictEqual(result.count, 5);
  assert.deepStrictEqual(result.failures, [{ index: 2, reason: 'Error: three' }]);
  assert.deepStrictEqual(result.skipped, [3]);
  assert.deepStrictEqual(bench.titles(), ['syn 1', 'syn 2', 'syn 5']);
  assert.deepStrictEqual(result.alerts.map(({ index }) => index), [0, 1, 4]);
  const other = result.writes.filter(({ key }) => key === '10.0.0.4');
  assert.deepStrictEqual(other[0], { hash: 1n << 63n, key: '10.0.0.4', name: 'sum', value: 5 });
  result.writes = result.writes.filter(({ key }) => key === '10.0.0.3');
  const values = Object.fromEntries(result.writes.map(({ name, value }) => [name, value]));
  assert.strictEqual(values.sum, 3);
  assert.deepStrictEqual(values.list, [1, 2]);
  assert.deepStrictEqual(values.w.sums, [2, 1]);
  const late = await bench.send(event(4000, { syn: 4 })); // sent before the engine knew
  assert.deepStrictEqual(late.skipped, [0]);
  const next = await bench.send(event(4000, { syn: 4, generation: 1 }));
  assert.strictEqual(next.writes.find(({ name }) => name === 'sum').value, 7);
});

test('a first event that throws changes nothing at all', async () => {
  const main = (e, { state }) => {
    state.counter('sum').add(1);
    state.window('w', '10s').add(1);
    throw 'a text';
  };
  const bench = new Bench({ main });
  const result = await bench.send(event(0));
  assert.strictEqual(result.failure, 'threw a text');
  assert.deepStrictEqual([result.done, result.writes, result.alerts], [0, [], []]);
  assert.strictEqual(bench.runner.state.size, 0);
});

test('an event that is said to fail fails for the first reason', async () => {
  const main = (e, context) => {
    context.state.counter('n').add(1);
    context.fail('first');
    context.fail('second');
    if (e.data.syn) throw new Error('third');
  };
  for (const syn of [0, 1]) {
    const { failure, writes } = await new Bench({ main }).send(event(0, { syn }));
    assert.deepStrictEqual([failure, writes], ['first', []]);
  }
});

test('whatever is thrown is a failure', async () => {
  const reason = async (thrown) => {
    const main = () => {
      throw thrown;
    };
    const bench = new Bench({ main });
    return (await bench.send(event(0))).failure;
  };
  assert.strictEqual(await reason(undefined), 'threw undefined');
  assert.strictEqual(await reason({ toString: null, [Symbol.toPrimitive]: null }), 'threw something that has no text');
  assert.strictEqual(await reason(5n), 'threw 5');
  assert.strictEqual(await reason(new RangeError('far\0out')), 'RangeError: far?out');
});

test('a rejected promise is a failure like an exception', async () => {
  const bench = new Bench({ main: async () => Promise.reject(new TypeError('late')) });
  assert.strictEqual((await bench.send(event(0))).failure, 'TypeError: late');
});

test('a promise that was left behind cannot touch the next event', async () => {
  const late = [];
  const main = (e, context) => {
    const { state, alert } = context;
    late.push(() => state.set('x', 1), () => alert({ title: 't' }), () => context.state.set('x', 1));
  };
  const bench = new Bench({ main });
  await bench.send(event(0));
  for (const act of late) assert.throws(act, /the event is over/);
});

test('state is by key, and only what changed is written', async () => {
  const main = (e, { state }) => state.counter('n').add(e.data.syn);
  const bench = new Bench({ main, key: ['srcip', 'dstport'] });
  const { writes } = await bench.send(event(0, { syn: 1, dstport: 80 }), event(0, { syn: 1, dstport: 81 }));
  assert.deepStrictEqual(writes.map(({ key }) => key), ['10.0.0.3|80', '10.0.0.3|81']);
  const again = await bench.send(event(0, { syn: 5, dstport: 81 }));
  assert.deepStrictEqual(again.writes, [{ hash: 0n, key: '10.0.0.3|81', name: 'n', value: 6 }]);
});

test('changes are told when they are asked for, each value once', async () => {
  const main = (e, { state }) => state.counter('n').add(e.data.syn);
  const bench = new Bench({ main });
  for (let i = 0; i < 3; i++) {
    const [result] = await bench.run(batch([event(0, { syn: 1 })], { collects: false }));
    assert.deepStrictEqual([result.collected, result.count, result.writes], [false, 1, []]);
  }
  const [result] = await bench.run(batch([])); // nothing but the question
  assert.deepStrictEqual([result.collected, result.count], [true, 0]);
  assert.deepStrictEqual(result.writes.map(({ value }) => value), [3]);
});

test('an alert takes along what has changed before it', async () => {
  const main = (e, { state, alert }) => state.counter('n').add(1) === 2 && alert({ title: 'two' });
  const bench = new Bench({ main });
  const send = async () => (await bench.run(batch([event(0)], { collects: false })))[0];
  assert.strictEqual((await send()).collected, false);
  const result = await send();
  assert.strictEqual(result.collected, true);
  assert.deepStrictEqual(result.writes.map(({ value }) => value), [2]);
});

test('a partition that another worker has now is forgotten', async () => {
  const main = (e, { state }) => state.counter('n').add(1) === 3 && assert.fail('three');
  const bench = new Bench({ main, key: ['srcip'] });
  const [one, two] = [{ srcip: '10.0.0.1', hash: 1n << 60n }, { srcip: '10.0.0.2', hash: 2n << 60n }];
  for (let i = 0; i < 3; i++) await bench.send(event(0, one), event(0, { ...two, syn: 1 }));
  bench.runner.drop(1 << 1);
  assert.strictEqual(bench.runner.state.size, 1);
  const { writes, skipped } = await bench.send(event(0, one), event(0, two));
  assert.deepStrictEqual(writes.map(({ key, value }) => [key, value]), [['10.0.0.1', 1]]);
  assert.deepStrictEqual(skipped, [1]); // only the other's generation has moved on
});

test('large changes are told in several results', async () => {
  const main = (e, { state }) => void state.set(`n${e.data.syn}`, 'x'.repeat(60000));
  const bench = new Bench({ main });
  const results = await bench.run(batch(Array.from({ length: 40 }, (_, syn) => event(0, { syn }))));
  assert.ok(results.length > 1, `${results.length} results`);
  for (const { count, collected, writes } of results) assert.deepStrictEqual([collected, writes.length], [true, count]);
  assert.strictEqual(results.reduce((sum, { count }) => sum + count, 0), 40);
});

test('large changes of an earlier batch wait for an event', async () => {
  const bench = new Bench({ main: (e, { state }) => void state.set(`n${e.data.syn}`, 'x'.repeat(60000)) });
  const events = Array.from({ length: 20 }, (_, syn) => event(0, { syn }));
  await bench.run(batch(events.slice(0, 18), { collects: false })); // 1 MiB is reached with the last one
  const results = await bench.run(batch(events.slice(18)));
  assert.deepStrictEqual(results.map(({ count, writes }) => [count, writes.length]), [[1, 19], [1, 1]]);
});

test('a name tells events of either version of the protocol apart', async () => {
  const one = await seen(event(0), (e) => ({ id: e['event-id'], ...e.extensions }));
  assert.deepStrictEqual([one.id, one.index, one.epoch], [`7-${one.sequence}-0`, 0, undefined]);
  const two = await seen(event(0, { epoch: 3 }), (e) => ({ id: e['event-id'], ...e.extensions }));
  assert.deepStrictEqual([two.id, two.lane, two.epoch], [`7-3-0-${two.sequence}`, 0, 3]);
});

test('promises and plain results may alternate, events stay in order', async () => {
  const seen = [];
  const bench = new Bench({
    main: ({ data: { syn } }) => {
      seen.push(syn);
      return syn % 3 === 0 ? new Promise((done) => setImmediate(() => done(seen.push(-syn)))) : undefined;
    },
  });
  const { done } = await bench.send(...[1, 3, 6, 7, 8, 9].map((syn) => event(syn, { syn })));
  assert.strictEqual(done, 6);
  assert.deepStrictEqual(seen, [1, 3, -3, 6, -6, 7, 8, 9, -9]);
});

test('an alert holds nothing that the server cannot read', async () => {
  const bench = new Bench({ main: (e, { alert }) => alert({ title: 'a\0b\\u0000\\\0\ud800c\\ud800\u{1f600}' }) });
  const { alerts } = await bench.send(event(0));
  assert.ok(!/\\u/.test(JSON.stringify(alerts).replaceAll('\\\\', '')));
  assert.deepStrictEqual(bench.titles(), ['a?b\\u0000\\??c\\ud800\u{1f600}']);
  const large = new Bench({ main: (e, { alert }) => alert({ title: 't', data: { ns: 2 ** 63 } }) });
  assert.match((await large.send(event(0))).failure, /ns: 9223372036854776000 is too large/);
});

test('alerts are checked where they are made', async () => {
  const failure = async (alert) => (await new Bench({ main: (e, c) => c.alert(alert) }).send(event(0))).failure;
  assert.match(await failure(), /title/);
  assert.match(await failure({ title: 'x', severity: 'awful' }), /one of critical, high/);
  assert.match(await failure({ title: 'x', data: [1] }), /expected an object/);
  assert.match(await failure({ title: 'x', dstport: 70000 }), /dstport/);
  assert.strictEqual(await failure({ title: 'x', srcip: null }), undefined);
  const flood = (e, c) => Array.from({ length: 65 }, () => c.alert({ title: 'x' }));
  assert.match((await new Bench({ main: flood }).send(event(0))).failure, /more than 64/);
});

/* ---- batch handlers ---- */

/* `syn` 3 fails by name, 13 without one. */
function addAll(events, context) {
  addAll.calls++;
  for (const e of [...events].reverse()) {
    const { state, alert } = context.of(e);
    state.counter('sum').add(e.data.syn);
    context.of(events[0]).state.counter('first').add(1);
    alert({ title: `${e.data.syn}` });
    if (e.data.syn === 3) context.of(e).fail('three');
  }
  if (events.some((e) => e.data.syn === 13)) throw new Error('thirteen');
}

const manyBench = (main = addAll) => {
  addAll.calls = 0;
  return new Bench({ main, handler: 'tested.mainBatch', key: ['srcip'] });
};
const from = (i, syn) => event(0, { syn, srcip: `10.0.0.${i}`, hash: BigInt(i % 16) << 60n });
const valuesOf = (writes) => Object.fromEntries(writes.map(({ key, name, value }) => [`${key} ${name}`, value]));

test('a batch handler has all events and the state of each', async () => {
  const bench = manyBench();
  const { writes, alerts } = await bench.send(...[1, 2, 3, 4, 5, 6].map((i) => from(i % 3, 10 * i)));
  assert.strictEqual(addAll.calls, 1);
  const sums = { '10.0.0.1 sum': 50, '10.0.0.2 sum': 70, '10.0.0.0 sum': 90, '10.0.0.1 first': 6 };
  assert.deepStrictEqual(valuesOf(writes), sums);
  assert.deepStrictEqual(alerts.map(({ index, title }) => [index, title]), [10, 20, 30, 40, 50, 60].map((n, i) => [i, `${n}`]));
});

test('a batch handler says which events fail, and the others are done', async () => {
  const bench = manyBench();
  const result = await bench.send(...[[1, 1], [2, 2], [2, 3], [1, 5], [2, 7], [2, 3], [3, 9]].map((args) => from(...args)));
  assert.deepStrictEqual(result.failures, [{ index: 2, reason: 'three' }]);
  assert.deepStrictEqual(result.skipped, [4, 5]);
  const sums = { '10.0.0.1 sum': 6, '10.0.0.1 first': 4, '10.0.0.2 sum': 2, '10.0.0.3 sum': 9 };
  assert.deepStrictEqual(valuesOf(result.writes), sums);
  assert.deepStrictEqual(result.alerts.map(({ index }) => index), [0, 1, 3, 6]);
  assert.strictEqual(addAll.calls, 2);
});

for (const [what, main] of [['throws', addAll], ['gives a promise', async (...args) => addAll(...args)]]) {
  test(`a batch handler that ${what} and fails without a name is halved down to the event`, async () => {
    const bench = manyBench(main);
    const events = Array.from({ length: 64 }, (_, i) => from(i, i === 40 ? 13 : 100));
    const results = await bench.run(batch(events));
    const all = (read) => results.flatMap(read);
    assert.strictEqual(all(({ count }) => count).reduce((a, b) => a + b), 64);
    assert.deepStrictEqual(all(({ failures }) => failures.map(({ reason }) => reason)), ['Error: thirteen']);
    const sums = all(({ writes }) => writes.filter(({ name }) => name === 'sum').map(({ value }) => value));
    assert.strictEqual(sums.reduce((a, b) => a + b), 6200); // 56 is of the same partition
    assert.strictEqual(all(({ alerts }) => alerts).length, 62);
    assert.ok(addAll.calls < 20, `${addAll.calls} calls`);
  });
}

test('results hold no more alerts than the engine takes', async () => {
  const main = (events, context) => {
    for (const e of events) for (let i = 0; i < 60; i++) context.of(e).alert({ title: 't' });
  };
  const results = await manyBench(main).run(batch(Array.from({ length: 200 }, () => event(0))));
  for (const { count, alerts } of results) {
    assert.ok(alerts.length <= 4096);
    assert.strictEqual(alerts.length, 60 * count);
  }
  assert.strictEqual(results.reduce((sum, { alerts }) => sum + alerts.length, 0), 12000);
});

test('more changes than one result takes are made in several calls', async () => {
  const main = (events, context) => {
    for (const e of events) context.of(e).state.set(`n${e.data.syn}`, 'x'.repeat(60000));
  };
  const results = await manyBench(main).run(batch(Array.from({ length: 300 }, (_, syn) => event(0, { syn }))));
  assert.deepStrictEqual(results.map(({ done }) => done), results.map(({ writes }) => writes.length));
  assert.strictEqual(results.reduce((sum, { done }) => sum + done, 0), 300);
});

test('events of one key share it when it empties meanwhile', async () => {
  const main = (events, context) => {
    const [first, second] = events;
    const { state } = context.of(first);
    if (first.data.syn === 1) {
      state.set('x', 1);
    } else if (first.data.syn === 2) {
      state.delete('x');
      context.of(second).state.set('y', 1);
      state.set('z', 1);
    } else {
      state.set('seen', ['x', 'y', 'z'].map((name) => state.get(name) ?? null));
    }
  };
  const bench = manyBench(main);
  for (const syn of [1, 2]) await bench.send(event(0, { syn }), event(0, { syn }));
  const { writes } = await bench.send(event(0, { syn: 3 }));
  assert.deepStrictEqual(valuesOf(writes), { '10.0.0.3 seen': [null, 1, 1] });
});

test("a batch handler's contexts are over when it returns", async () => {
  let left;
  const bench = manyBench((...args) => void (left = args));
  await bench.send(event(0), event(0));
  const [[first, second], context] = left;
  for (const act of [() => context.of(first).state, () => context.of(second).fail('x')]) assert.throws(act, /the event is over/);
  assert.throws(() => context.of({}), /one of the events/);
  assert.strictEqual(context['function-name'], 'tested');
});

test("the text's batch handler does what it says", async () => {
  const lookUp = async (all) => new Set(all.filter((ip) => ip.endsWith('.1')));
  const bench = manyBench(fromText('mainBatch(', { lookUp }).mainBatch);
  const { writes, failures } = await bench.send(from(1, 5), from(2, 6), from(1, 7));
  assert.deepStrictEqual(valuesOf(writes), { '10.0.0.1 syn': 12 });
  assert.deepStrictEqual(failures, [{ index: 1, reason: 'an address that nobody knows' }]);
});

/* ---- values ---- */

test('what get() returns is a copy', () => {
  const state = new State();
  const keyed = stateAt(state, 0);
  keyed.set('list', [1]);
  keyed.get('list').push(2);
  assert.deepStrictEqual(keyed.get('list'), [1]);
  assert.strictEqual(keyed.get('nothing'), undefined);
});

test('values that cannot be kept are refused', () => {
  const keyed = stateAt(new State(), 0);
  assert.throws(() => keyed.set('x', undefined), TypeError);
  assert.throws(() => keyed.set('', 1), TypeError);
  assert.throws(() => keyed.set('x', 'y'.repeat(70000)), RangeError);
  assert.throws(() => keyed.set('x', { $window: 1 }), /reserved/);
  assert.throws(() => keyed.counter('c').add(NaN), TypeError);
  assert.throws(() => keyed.counter('c').add('1'), TypeError);
  assert.throws(() => keyed.window('w', '10 parsecs'), /expected a length/);
  keyed.set('text', 'a');
  assert.throws(() => keyed.counter('text').add(1), /something else/);
  assert.throws(() => keyed.window('text', '1s').add(1), /something else/);
});

test('a deleted value is deleted in the database, too', () => {
  const state = new State();
  state.load({ key: 'k', low: 0, high: 0, name: 'old', value: '1' });
  const keyed = stateAt(state, 0);
  assert.strictEqual(keyed.delete('old'), true);
  assert.strictEqual(keyed.delete('old'), false);
  keyed.set('new', 1);
  keyed.delete('new'); // the database never knew it
  state.keep();
  const writes = [];
  state.collect((key, ...write) => writes.push([key.text, ...write]));
  assert.deepStrictEqual(writes, [['k', 'old', null]]);
});

/* ---- windows ---- */

test('time sweeps away empty windows and what had its time, and plain values stay', () => {
  const state = new State();
  for (let i = 0; i < 100; i++) stateAt(state, 0, `k${i}`).window('w', '10s').add(1);
  stateAt(state, 0).set('plain', 1);
  stateAt(state, 0).set('leased', 1, { ttl: '59s' });
  state.keep();
  const loaded = reloaded(state);
  for (const one of [state, loaded]) {
    stateAt(one, 60, 'other').counter('n').add(1);
    one.keep();
    for (let i = 0; i < 20; i++) one.sweep(10);
    assert.strictEqual(one.size, 2);
  }
  let deleted = 0;
  loaded.collect((key, name, json) => (deleted += json === null));
  assert.strictEqual(deleted, 101);
});

test('keys that leave memory take their entries along, and write nothing', () => {
  const state = new State();
  const hashes = [[1, 2], [1, 3], [2, 2], [0xffffffff, 0xffffffff]];
  for (const [i, [low, high]] of hashes.entries()) state.load({ key: `k${i}`, low, high, name: 'n', value: `${i}` });
  const evicted = Buffer.alloc(16);
  [1, 2, 0xffffffff, 0xffffffff].forEach((word, i) => evicted.writeUInt32LE(word, 4 * i));
  state.evict(evicted);
  assert.strictEqual(state.size, 2);
  const found = hashes.map(([low, high], i) => state.at(`k${i}`, low, high, 0).get('n'));
  assert.deepStrictEqual(found, [undefined, 1, 2, undefined]);
  assert.strictEqual(state.collect(() => {}), 0);
  state.load({ key: 'k0', low: 1, high: 2, name: 'n', value: '7' });
  assert.strictEqual(state.at('k0', 1, 2, 0).counter('n').add(1), 8);
});

test('above the cap, what was not used for long is forgotten', () => {
  const state = new State({ entriesMax: 1000 });
  for (let i = 0; i < 5000; i++) {
    stateAt(state, 0, `k${i}`).counter('n').add(1);
    stateAt(state, 0, 'busy').counter('n').add(1);
    state.keep();
    state.sweep(2);
  }
  assert.strictEqual(state.size, 1000);
  assert.strictEqual(state.forgotten, 4001);
  assert.strictEqual(stateAt(state, 0, 'busy').counter('n').value, 5000);
});

test("a switch's runaway clock does not move windows", async () => {
  const main = (e, { state }) => state.set('sum', state.window('w', '10s').add(1));
  const bench = new Bench({ main });
  const ns = (ms) => BigInt(START + ms) * 1000000n;
  await bench.send(event(0), event(1000, { last: ns(86400e3) }));
  const { writes } = await bench.send(event(2000, { last: ns(1900) }));
  assert.strictEqual(writes.find(({ name }) => name === 'sum').value, 3);
});

test('a batch that no schema describes is refused', () => {
  const bytes = batch([event(0)]);
  bytes.writeUInt32LE(99, 8 + 24);
  assert.throws(() => new Bench({ main: () => {} }).runner.run(bytes), /no schema/);
  assert.ok(schemas.has(1));
});
