// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* For tests/unit/engine/test_escape.c: what a function tries that wants out, and what it needs to work. */

const childProcess = require('node:child_process');
const crypto = require('node:crypto');
const dgram = require('node:dgram');
const dns = require('node:dns/promises');
const events = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const zlib = require('node:zlib');
const { Worker } = require('node:worker_threads');

function connected(options) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(options);
    socket.on('connect', () => resolve(socket.destroy()));
    socket.on('error', reject);
  });
}

function sent(port, host = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', reject);
    socket.send('x', port, host, (error) => {
      socket.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

const escapes = {
  secret: ({ secret }) => fs.readFileSync(secret),
  database: ({ database }) => fs.readFileSync(database),
  home: () => fs.readFileSync('/root/.bashrc'),
  packages: () => fs.readdirSync('/var/lib/dpkg'),
  environ: ({ server }) => fs.readFileSync(`/proc/${server}/environ`),
  neighbours: ({ server }) => fs.readdirSync(`/proc/${server}`),
  kernel: () => fs.readFileSync('/proc/kallsyms'),
  sysctl: () => fs.readFileSync('/proc/sys/kernel/osrelease'),
  playground: ({ playground }) => fs.writeFileSync(playground, 'x'),
  code: ({ code }) => fs.appendFileSync(code, '//'),
  mode: ({ code }) => fs.chmodSync(code, 0o666),
  tcp: ({ tcp }) => connected({ port: tcp, host: '127.0.0.1' }),
  fetch: ({ tcp }) => fetch(`http://127.0.0.1:${tcp}/`, { signal: AbortSignal.timeout(100) }).catch((error) => {
    if (error.name !== 'TimeoutError') throw error; // whoever listens says nothing
  }),
  udp: ({ udp }) => sent(udp),
  unix: ({ unix }) => connected({ path: unix }),
  signal: ({ server }) => process.kill(server, 0),
  shell: () => childProcess.execSync('true', { stdio: 'ignore' }),
  addon: () => {
    const folder = fs.readdirSync('/usr/lib').find((name) => fs.existsSync(`/usr/lib/${name}/libm.so.6`));
    const written = `${os.tmpdir()}/escape-${process.pid}.node`;
    fs.copyFileSync(`/usr/lib/${folder}/libm.so.6`, written);
    try {
      process.dlopen({ exports: {} }, written);
    } catch (error) {
      if (!/self-register/.test(error.message)) throw error; // it was loaded
    } finally {
      fs.unlinkSync(written);
    }
  },
};

/* Up to a number that no worker may have. They are stopped before they take anything. */
async function forkWithoutEnd() {
  const children = [];
  try {
    while (children.length < 300) {
      const child = childProcess.spawn(process.execPath, { stdio: 'ignore' });
      if (child.pid === undefined) throw (await events.once(child, 'error'))[0];
      child.kill('SIGSTOP');
      children.push(child);
    }
  } finally {
    await Promise.all(children.map((child) => child.kill('SIGKILL') && events.once(child, 'exit')));
  }
}

/* What would do harm if it succeeded: not to be tried without isolation. */
const harmful = {
  forks: () => forkWithoutEnd(),
  shadow: () => fs.readFileSync('/etc/shadow'),
  kill: () => process.kill(1, 'SIGKILL') && new Promise((resolve) => { setTimeout(resolve, 100); }),
  killAll: () => process.kill(-1, 0),
  root: () => process.setuid(0),
  groups: () => process.setgroups([0]),
  outside: () => fs.mkdirSync('/var/escaped', { recursive: true }),
  limits: () => fs.writeFileSync('/proc/self/oom_score_adj', '-1000'),
  priority: () => os.setPriority(-20),
  inspector: () => process.debugPort && childProcess.execFileSync('/usr/bin/env'),
};

const needs = {
  files: () => {
    fs.writeFileSync('/tmp/file', 'x');
    if (fs.readFileSync('/tmp/file', 'utf8') !== 'x') throw new Error('not what was written');
    fs.rmSync('/tmp/file');
  },
  neighbour: () => fs.readFileSync('sum.js'), // in the folder, which is where one is
  memory: () => process.memoryUsage().rss > 0 || Promise.reject(new Error('no memory?')),
  processors: () => os.cpus() && os.availableParallelism() > 0 && os.totalmem() > 0,
  user: () => os.userInfo().username === 'function' || Promise.reject(new Error(os.userInfo().username)),
  random: () => crypto.randomBytes(16),
  digest: () => crypto.createHash('sha256').update('x').digest('hex'),
  compress: () => new Promise((resolve, reject) => {
    zlib.gzip('x', (error) => (error ? reject(error) : resolve()));
  }),
  thread: () => new Promise((resolve, reject) => {
    new Worker('require("node:worker_threads").parentPort.postMessage(1)', { eval: true })
      .on('message', resolve).on('error', reject);
  }),
  child: () => childProcess.execFileSync(process.execPath, ['-e', '0']),
  zone: () => {
    if (!new Date(0).toLocaleString('en', { timeZone: 'Asia/Tokyo' }).includes('9:00')) throw new Error('no zones');
  },
  watch: () => fs.watch('/tmp').close(),
  wasm: () => new WebAssembly.Module(Buffer.from('0061736d01000000', 'hex')),
  socketpair: () => childProcess.spawnSync(process.execPath, ['--version'], { stdio: 'pipe' }),
};

async function got(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(20000) });
  if (await answer.text() !== 'ok') throw new Error('not what the host says');
}

/* Where the network is allowed: `tcp` at two hosts. */
const reached = {
  address: ({ tcp }) => got(`http://127.0.0.1:${tcp}/`),
  name: ({ tcp }) => got(`http://localhost:${tcp}/`),
};

/* And nothing else. */
const strayed = {
  port: ({ other }) => connected({ port: other, host: '127.0.0.1' }),
  portOfName: ({ other }) => connected({ port: other, host: 'localhost' }),
  host: ({ tcp }) => connected({ port: tcp, host: '127.0.0.2' }),
  outside: ({ tcp }) => connected({ port: tcp, host: '192.0.2.1' }),
  outside6: ({ tcp }) => connected({ port: tcp, host: '2001:db8::1' }),
  name: ({ tcp }) => connected({ port: tcp, host: 'host.example' }),
  udp: () => sent(53, '192.0.2.1'),
  lookup: () => new dns.Resolver({ timeout: 100, tries: 1 }).resolve4('host.example'),
};

/* Each process makes others, and none ends. Only where their number has a limit. */
function bomb() {
  if (!/^Max processes +(\d{1,3}) /m.test(fs.readFileSync('/proc/self/limits', 'utf8'))) throw new Error('no limit');
  const source = `const fork = () => require('node:child_process')
    .spawn(process.execPath, process.execArgv, { stdio: 'ignore' }).on('error', () => {});
    setInterval(fork, 1);`;
  setInterval(() => childProcess.spawn(process.execPath, ['-e', source], { stdio: 'ignore' }).on('error', () => {}), 1);
  return new Promise(() => {});
}

async function attempt(attempts, { config, state }) {
  for (const [name, fn] of Object.entries(attempts)) {
    try {
      await fn(config);
      state.set(name, 'done');
    } catch (error) {
      state.set(name, String(error.cause?.code ?? error.code ?? error).slice(0, 60));
    }
  }
}

module.exports = {
  escape: (event, context) => attempt(escapes, context),
  break_out: (event, context) => attempt(harmful, context),
  need: (event, context) => attempt(needs, context),
  reach: (event, context) => attempt(reached, context),
  stray: (event, context) => attempt(strayed, context),
  bomb,
};
