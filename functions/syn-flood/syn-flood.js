// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* State is by target: where sources are forged, none of them sends much. */
module.exports = {
  main(event, context) {
    if (event['event-type'] === 'target') ofTarget(event.data, context);
    else ofPort(event.data, context);
  },
};

/* The switch has counted all sources, and tells at once; also when there are too many to tell of each. */
function ofTarget({ syn, completed, sources }, context) {
  const halfOpen = syn - completed;
  if (halfOpen >= context.config.halfOpen && sources > context.config.sources) {
    raise(context, { syn, halfOpen, sources });
  }
}

function ofPort({ srcip, syn, completed }, context) {
  const { state, config } = context;
  if (syn + completed === 0) return;

  const halfOpen = state.window('open', config.window).add(syn - completed);
  const asked = state.window('syn', config.window).add(syn);
  if (syn === 0) return;

  const sources = state.distinct('sources', config.window, { cap: config.sources + 1 }).add(srcip);
  const isMuch = halfOpen >= config.halfOpen || asked >= config.syn;
  if (isMuch && sources > config.sources) raise(context, { syn: asked, halfOpen, sources: `more than ${config.sources}` });
}

function raise({ state, config, alert }, data) {
  if (!state.once('alerted', config.holdDown)) return;
  alert({
    severity: 'high',
    title: 'Distributed SYN flood suspected',
    category: 'Attempted Denial of Service',
    srcip: null,
    dstport: null,
    data,
  });
}
