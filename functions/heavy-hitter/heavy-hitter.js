// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* State is by source and destination, so that a transfer over many connections counts as one. */
module.exports = {
  main(event, { state, config, alert }) {
    const { srcport, dstport, protocol, size, first, ended } = event.data;
    const flow = `${protocol} ${srcport} ${dstport}`;
    const volume = state.window('volume', config.window).add(state.growth(flow, size, first));

    if (ended) state.delete(flow);
    if (volume > config.bytes && state.once('alerted', config.holdDown)) {
      alert({
        severity: 'medium',
        title: 'Heavy hitter',
        category: 'Traffic volume',
        data: { bytes: volume, window: config.window, threshold: config.bytes },
      });
    }
  },
};
