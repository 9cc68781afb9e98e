// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* State is by target: where sources are forged, none of them sends much. */
module.exports = {
  main(event, { state, config, alert }) {
    const { srcip, syn } = event.data;
    if (syn === 0) return;

    const total = state.window('syn', config.window).add(syn);
    const sources = state.distinct('sources', config.window, { cap: config.sources + 1 }).add(srcip);
    if (total > config.syn && sources > config.sources && state.once('alerted', config.holdDown)) {
      alert({
        severity: 'high',
        title: 'Distributed SYN flood suspected',
        category: 'Attempted Denial of Service',
        srcip: null,
        data: { syn: total, window: config.window, sources: `more than ${config.sources}` },
      });
    }
  },
};
