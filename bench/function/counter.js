// SPDX-License-Identifier: BSD-2-Clause
'use strict';

const late = []; // of each event, in us

function percentile(sorted, fraction) {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)];
}

/* What the benchmark runs: the least that a function with state does, and one without. */
module.exports = {
  count(event, context) {
    context.state.counter('syn').add(event.data.syn);
  },

  look(event) {
    if (event.data.syn > 1e9) throw new Error('too many');
  },

  /*
   * A count that notes how long after it was due each event got here: `udp` holds the lower half of the
   * monotonic clock's microseconds. The event with `rst` set ends a load and reports.
   */
  late(event, context) {
    const [seconds, ns] = process.hrtime();
    late.push((seconds * 1e6 + Math.floor(ns / 1e3) - event.data.udp) >>> 0);
    module.exports.count(event, context);
    if (event.data.rst === 0) return;
    late.sort((a, b) => a - b);
    const data = { p50: percentile(late, 0.5), p99: percentile(late, 0.99), p999: percentile(late, 0.999) };
    context.alert({ title: 'latency', data });
    late.length = 0;
  },
};
