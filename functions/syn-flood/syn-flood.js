// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* State is by target: where sources are forged, none of them sends much. */
module.exports = {
  main(event, { state, config, alert }) {
    const { srcip, syn, completed } = event.data;
    if (syn + completed === 0) return;

    const open = state.window('open', config.window).add(syn - completed);
    const asked = state.window('syn', config.window).add(syn);
    if (syn === 0) return;

    const sources = state.distinct('sources', config.window, { cap: config.sources + 1 }).add(srcip);
    const isMuch = open > config.halfOpen || asked > config.syn;
    if (isMuch && sources > config.sources && state.once('alerted', config.holdDown)) {
      alert({
        severity: 'high',
        title: 'Distributed SYN flood suspected',
        category: 'Attempted Denial of Service',
        srcip: null,
        data: { syn: asked, halfOpen: open, window: config.window, sources: `more than ${config.sources}` },
      });
    }
  },
};
