// SPDX-License-Identifier: BSD-2-Clause
'use strict';

// Port events are increments: added up. An event processed twice, or not at all, shows in the sums.
function addPort(data, state) {
  const sum = state.get('port') || {events: 0, syn: 0, rst: 0, udp: 0};

  state.set('port', {
    events: sum.events + 1,
    syn: sum.syn + data.syn,
    rst: sum.rst + data.rst,
    udp: sum.udp + data.udp,
  });
}

// Flow events are cumulative: the newest of an incarnation stands for it. A smaller count is a new
// incarnation of the same flow, which starts on top of the one before.
function addFlow(data, state) {
  const name = `flow|${data.dstip}|${data.srcport}|${data.dstport}|${data.protocol}`;
  const last = state.get(name) || {baseCount: 0, baseSize: 0, count: 0, size: 0};
  const again = Number(data.count) < last.count;

  state.set(name, {
    baseCount: last.baseCount + (again ? last.count : 0),
    baseSize: last.baseSize + (again ? last.size : 0),
    count: Number(data.count),
    size: Number(data.size),
  });
}

module.exports = {
  main(event, context) {
    if (event.data.syn !== undefined)
      addPort(event.data, context.state);
    else
      addFlow(event.data, context.state);
  },
};
