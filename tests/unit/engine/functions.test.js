// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* The functions that we ship, on traffic as the agent would report it. */

const assert = require('node:assert');
const { test } = require('node:test');

const { Bench, fromText } = require('./harness.js');

const START = 1763884800000; // milliseconds
const ATTACKER = '10.0.0.3';
const CLIENT = '10.0.0.2';
const WEB = '10.0.0.1';

const port = (ms, srcip, dstip, dstport, counters) => ({
  id: 1,
  ms: START + ms,
  srcip,
  dstip,
  dstport,
  protocol: counters.udp ? 17 : 6,
  ...counters,
});

/* `total` bytes by `seconds`, in cumulative updates each 200 ms. */
async function transfer(bench, { total, seconds, from = 0, ...flow }) {
  const steps = seconds * 5;
  for (let i = 1; i <= steps; i++) {
    const size = Math.round((total * i) / steps);
    await bench.send({ id: 2, ms: START + from + i * 200, srcip: CLIENT, dstip: WEB, protocol: 6, size, ...flow });
  }
}

test('a large transfer is one heavy hitter, however long it lasts', async () => {
  const bench = Bench.shipped('heavy-hitter');
  await transfer(bench, { total: 600e6, seconds: 60, srcport: 40000, dstport: 5201 });
  assert.deepStrictEqual(bench.titles(), ['Heavy hitter']);
  assert.ok(bench.alerts[0].data.bytes > 20e6);
});

test('the same volume over a long time is none', async () => {
  const bench = Bench.shipped('heavy-hitter');
  await transfer(bench, { total: 60e6, seconds: 60, srcport: 40000, dstport: 5201 });
  assert.deepStrictEqual(bench.titles(), []);
});

test('a transfer over many connections is one heavy hitter', async () => {
  const bench = Bench.shipped('heavy-hitter');
  for (let i = 0; i < 8; i++) {
    await transfer(bench, { total: 4e6, seconds: 1, from: i * 1000, srcport: 40000 + i, dstport: 80 });
  }
  assert.deepStrictEqual(bench.titles(), ['Heavy hitter']);
});

test('a lost update costs no volume, an overtaken one adds none', async () => {
  const bench = Bench.shipped('heavy-hitter');
  const flow = { id: 2, srcip: CLIENT, dstip: WEB, srcport: 1, dstport: 2, protocol: 6 };
  await bench.send({ ...flow, ms: START, size: 1e6 }, { ...flow, ms: START + 1000, size: 19e6 });
  await bench.send({ ...flow, ms: START + 1000, size: 18e6 });
  assert.deepStrictEqual(bench.titles(), []);
  await bench.send({ ...flow, ms: START + 1200, size: 20.5e6 });
  assert.strictEqual(bench.alerts[0].data.bytes, 20.5e6);
});

test('a new incarnation counts from its own start', async () => {
  const flow = { id: 2, srcip: CLIENT, dstip: WEB, srcport: 1, dstport: 2, protocol: 6 };
  const named = Bench.shipped('heavy-hitter');
  await named.send({ ...flow, ms: START, size: 12e6, first: 1 }, { ...flow, ms: START + 1, size: 11e6, first: 2 });
  assert.strictEqual(named.alerts[0].data.bytes, 23e6);
  const unnamed = Bench.shipped('heavy-hitter');
  await unnamed.send({ ...flow, ms: START, size: 19e6 }, { ...flow, ms: START + 1, size: 2e6 });
  assert.strictEqual(unnamed.alerts[0].data.bytes, 21e6);
});

test('an ended flow is forgotten', async () => {
  const bench = Bench.shipped('heavy-hitter');
  const flow = { id: 2, srcip: CLIENT, dstip: WEB, srcport: 1, dstport: 2, protocol: 6 };
  await bench.send({ ...flow, ms: START, size: 1e6 });
  const { writes } = await bench.send({ ...flow, ms: START + 1000, size: 2e6, ended: 1 });
  assert.ok(writes.some(({ name, value }) => name === '6 1 2' && value === undefined));
});

test('nmap -sS is one SYN scan and nothing else', async () => {
  const bench = Bench.shipped('port-scan');
  for (let p = 1; p <= 1000; p++) await bench.send(port(p * 2, ATTACKER, WEB, p, { syn: 1 + (p % 2) }));
  assert.deepStrictEqual(bench.titles(), ['TCP SYN scan']);
  assert.strictEqual(bench.alerts[0].dstport, null);
});

test('a slow SYN scan is found, too', async () => {
  const bench = Bench.shipped('port-scan');
  for (let p = 1; p <= 60; p++) await bench.send(port(p * 1000, ATTACKER, WEB, p, { syn: 1 }));
  assert.deepStrictEqual(bench.titles(), ['TCP SYN scan']);
});

test('a sweep over many hosts is a scan', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 400; i++) {
    await bench.send(port(i * 10, ATTACKER, `10.1.${i >> 8}.${i & 255}`, 22, { syn: 1 }));
  }
  assert.deepStrictEqual(bench.titles(), ['TCP SYN scan']);
});

test('nmap -sU is one UDP scan and nothing else', async () => {
  const bench = Bench.shipped('port-scan');
  for (let p = 1; p <= 600; p++) await bench.send(port(p * 4, ATTACKER, WEB, p, { udp: 1 }));
  assert.deepStrictEqual(bench.titles(), ['UDP scan']);
});

test('hping3 on one port is one flood and nothing else', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 50; i++) await bench.send(port(i * 200, ATTACKER, WEB, 80, { syn: 1000 }));
  assert.deepStrictEqual(bench.titles(), ['SYN flood suspected']);
  assert.strictEqual(bench.alerts[0].severity, 'high');
});

test('a client that opens 100 connections a second raises nothing', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 300; i++) await bench.send(port(i * 200, CLIENT, WEB, 80, { syn: 20, rst: 3 }));
  assert.deepStrictEqual(bench.titles(), []);
});

test('a client that completes 2000 connections a second raises nothing', async () => {
  const bench = Bench.shipped('port-scan');
  // The last fifth of each period's handshakes is completed in the next.
  for (let i = 0; i < 100; i++) {
    await bench.send(port(i * 200, CLIENT, WEB, 80, { syn: 400, completed: i === 0 ? 320 : 400 }));
  }
  assert.deepStrictEqual(bench.titles(), []);
});

test('a flood beside honest connections of the same source is found', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 50; i++) {
    await bench.send(port(i * 200, ATTACKER, WEB, 80, { syn: 400, completed: 300 }));
  }
  assert.deepStrictEqual(bench.titles(), ['SYN flood suspected']);
  assert.ok(bench.alerts[0].data.halfOpen > 1000);
});

test('a flood that pretends to complete is found by its sheer number', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 50; i++) {
    await bench.send(port(i * 200, ATTACKER, WEB, 80, { syn: 2000, completed: 2000 }));
  }
  assert.deepStrictEqual(bench.titles(), ['SYN flood suspected']);
  assert.strictEqual(bench.alerts[0].data.halfOpen, 0);
});

test('a very slow scan is found by the ports that refuse', async () => {
  const scan = async (counters) => {
    const bench = Bench.shipped('port-scan');
    for (let p = 1; p <= 30; p++) await bench.send(port(p * 20e3, ATTACKER, WEB, p, counters));
    return bench.titles();
  };
  assert.deepStrictEqual(await scan({ syn: 1, refused: 1 }), ['TCP SYN scan']);
  assert.deepStrictEqual(await scan({ syn: 1 }), []);
});

test('refusals of what was not asked are not believed', async () => {
  const bench = Bench.shipped('port-scan');
  for (let p = 1; p <= 300; p++) await bench.send(port(p * 10, CLIENT, WEB, p, { refused: 1 }));
  assert.deepStrictEqual(bench.titles(), []);
});

test('a host that answers a scan with RST is no attacker', async () => {
  const bench = Bench.shipped('port-scan');
  for (let p = 1; p <= 1000; p++) await bench.send(port(p * 2, WEB, ATTACKER, 30000 + p, { rst: 1 }));
  assert.deepStrictEqual(bench.titles(), []);
});

test('a second scan after the hold-down is a second alert', async () => {
  const bench = Bench.shipped('port-scan', { holdDown: '60s' });
  for (const from of [0, 30e3, 200e3]) {
    for (let p = 1; p <= 100; p++) await bench.send(port(from + p * 2, ATTACKER, WEB, p, { syn: 1 }));
  }
  assert.deepStrictEqual(bench.titles(), ['TCP SYN scan', 'TCP SYN scan']);
});

test('a scan leaves no state behind for ever', async () => {
  const bench = Bench.shipped('port-scan');
  for (let i = 0; i < 200; i++) await bench.send(port(i, `10.2.0.${i}`, WEB, 1, { syn: 1 }));
  const before = bench.runner.state.size;
  for (let i = 0; i < 400; i++) await bench.send(port(3600e3 + i, CLIENT, WEB, 80, { syn: 1 }));
  assert.ok(before >= 400, `${before} entries`);
  assert.ok(bench.runner.state.size < 10, `${bench.runner.state.size} entries`);
});

test('a flood from forged sources is found by its target', async () => {
  const bench = Bench.shipped('syn-flood');
  for (let i = 0; i < 2000; i++) {
    await bench.send(port(i, `10.3.${i >> 8}.${i & 255}`, WEB, 80, { syn: 1 }));
  }
  assert.deepStrictEqual(bench.titles(), ['Distributed SYN flood suspected']);
  assert.strictEqual(bench.alerts[0].srcip, null);
});

test('a crowd that completes its handshakes is no flood', async () => {
  const bench = Bench.shipped('syn-flood');
  for (let i = 0; i < 8000; i++) {
    await bench.send(port(i, `10.4.${i >> 8}.${i & 255}`, WEB, 80, { syn: 1, completed: 1 }));
  }
  // Some are completed in the next period only.
  for (let i = 0; i < 4000; i++) {
    await bench.send(port(10e3 + i, `10.5.${i >> 8}.${i & 255}`, WEB, 80, { syn: 1 }));
    if (i >= 300) {
      const j = i - 300;
      await bench.send(port(10e3 + i, `10.5.${j >> 8}.${j & 255}`, WEB, 80, { completed: 1 }));
    }
  }
  assert.deepStrictEqual(bench.titles(), []);
});

test('a flood within a crowd is found', async () => {
  const bench = Bench.shipped('syn-flood');
  for (let i = 0; i < 4000; i++) {
    await bench.send(port(i, `10.4.${i >> 8}.${i & 255}`, WEB, 80, { syn: 1, completed: 1 }));
    await bench.send(port(i, `10.6.${i >> 8}.${i & 255}`, WEB, 80, { syn: 1 }));
  }
  assert.deepStrictEqual(bench.titles(), ['Distributed SYN flood suspected']);
});

test('a flood from one source is left to port-scan', async () => {
  const bench = Bench.shipped('syn-flood');
  for (let i = 0; i < 50; i++) await bench.send(port(i * 200, ATTACKER, WEB, 80, { syn: 1000 }));
  assert.deepStrictEqual(bench.titles(), []);
});

test("the thesis's heavy hitter is found by what the text shows, and what is small is not", async () => {
  const { main } = fromText('heavy-hitter-detection');
  const key = ['srcip', 'dstip', 'srcport', 'dstport', 'protocol'];
  for (const [total, titles] of [[2e9, ['Heavy hitter']], [0.9e9, []]]) {
    const bench = new Bench({ main, key });
    await transfer(bench, { total, seconds: 30, srcport: 40000, dstport: 5201, first: BigInt(START) * 1000000n });
    assert.deepStrictEqual(bench.titles(), titles);
  }
});

test("the thesis's port scans are found by what the text shows", async () => {
  const bench = new Bench({ main: fromText('port-scan: thresholds').main, key: ['srcip'] });
  for (let i = 0; i < 300; i++) {
    await bench.send(port(i, ATTACKER, WEB, 1 + i, { syn: 1 }));
    await bench.send(port(i, ATTACKER, WEB, 1 + i, { udp: 1 }));
    await bench.send(port(i, WEB, ATTACKER, 40000, { rst: 1 }));
    if (i % 3 === 0) await bench.send(port(i, CLIENT, WEB, 80, { syn: 2 }));
  }
  assert.deepStrictEqual(bench.titles(), ['Many udp', 'Many syn', 'Many rst']);
  assert.deepStrictEqual(bench.alerts.map(({ data }) => data.count), [101, 201, 201]);
});
