// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* Functions for tests/unit/engine/test_engine.c. `data.syn` carries a number, `data.udp` an order. */

const ORDERS = {
  exit: 1,
  throws: 2,
  hang: 3,
  loop: 4,
  garbage: 5,
  throwAfterWrite: 6,
  memory: 7,
};

const fs = require('node:fs');

function obey(order, context) {
  switch (order) {
    case ORDERS.exit:
      process.exit(3);
      break;
    case ORDERS.throws:
      throw new Error('as told');
    case ORDERS.hang:
      return new Promise(() => {});
    case ORDERS.loop:
      for (;;);
    case ORDERS.garbage:
      fs.writeSync(3, 'this is no frame at all');
      for (;;);
    case ORDERS.memory:
      throw new Error(`got ${Array.from({ length: 20 }, () => Buffer.alloc(100 << 20)).length}`);
    case ORDERS.throwAfterWrite:
      context.state.counter('sum').add(1000000);
      context.alert({ title: 'must not be seen' });
      throw new Error('after a write');
    default:
      return undefined;
  }
}

module.exports = {
  /* Adds syn up by source and, as text, keeps the order in which numbers came. */
  main(event, context) {
    const { syn, udp } = event.data;
    const waits = obey(udp, context);
    if (waits) return waits;
    context.state.counter('sum').add(syn);
    context.state.set('last', syn);
    return undefined;
  },

  /* As main; where there is no room it says so, and does without. */
  spared(event, context) {
    try {
      module.exports.main(event, context);
    } catch (error) {
      if (error.name !== 'StateFull') throw error;
      context.alert({ title: error.message });
    }
  },

  count(event, context) {
    context.state.counter('syn').add(event.data.syn);
  },

  window(event, context) {
    context.state.window('syn', '10s').add(event.data.syn);
  },

  /* As main, for sources whose events carry 0, 1, 2 ... in `syn`: keeps what came out of that order. */
  ordered(event, context) {
    const { syn, udp } = event.data;
    const { state } = context;
    const waits = obey(udp, context);
    if (waits) return waits;
    const next = state.get('last') === undefined ? 0 : state.get('last') + 1;
    if (syn !== next) state.set('odd', `${syn} instead of ${next}`);
    state.counter('sum').add(1);
    state.set('last', syn);
    return undefined;
  },

  /* The first event of source 10.0.0.3 fails; the others are as in main. */
  stuck(event, context) {
    if (event.data.srcip === '10.0.0.3' && event.data.syn === 0) throw new Error('stuck');
    return module.exports.main(event, context);
  },

  /*
   * For sources whose events carry rising numbers in `syn`: counts them by source, whatever the key is, and keeps what
   * came out of order.
   */
  rising(event, { state }) {
    const { srcip, syn } = event.data;
    const last = state.get(`last ${srcip}`);
    if (syn <= (last ?? 0)) state.set('odd', `${syn} after ${last}`);
    state.counter(srcip).add(1);
    state.set(`last ${srcip}`, syn);
  },

  /* As main, with many events at once. Those that shall throw are said to have failed. */
  async mainBatch(events, context) {
    for (const event of events) {
      const own = context.of(event);
      if (event.data.udp === ORDERS.throws) own.fail('Error: as told');
      else await module.exports.main(event, own);
    }
  },

  async slow(event, context) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    return module.exports.main(event, context);
  },

  alerts(event, context) {
    context.alert({ severity: 'high', title: 'first', category: 'test', data: { syn: event.data.syn } });
    context.alert({ title: 'second', srcip: null, dstport: 99 });
  },

  /* Says what it sees of its surroundings. */
  surroundings(event, context) {
    context.state.set('seen', {
      env: Object.keys(process.env).sort(),
      fds: fs.readdirSync('/proc/self/fd').filter((fd) => Number(fd) < 4).length,
      extraFds: fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => fd > 3 && isFile(fd)),
      status: /NoNewPrivs:\s*(\d)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
      group: /^(\d+) \(.*\) \S+ \d+ \1 /.test(fs.readFileSync('/proc/self/stat', 'utf8')),
    });
  },

  prints(event) {
    console.log(`told ${event.data.syn}\u001b[31m`);
    console.error('x'.repeat(5000));
  },
};

/* A file, or a socket that is not ours: what Node opens for itself is neither. */
function isFile(fd) {
  try {
    const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
    return target.startsWith('/') && !target.startsWith('/dev/') && !target.startsWith('/proc/');
  } catch {
    return false;
  }
}
