// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* For tests/unit/engine/test_calls.c: counts calls by key, and answers. */

module.exports = {
  async main(event, { state }) {
    const { said } = event.data.body ?? {};
    const calls = state.counter('calls').add(1);
    if (said === 'throw') throw new Error('as told');
    if (said === 'exit') process.exit(3);
    if (said === 'nothing') return undefined;
    if (said === 'endless') return 'x'.repeat(2 << 20);
    return { type: event['event-type'], calls, said: said ?? event.data.syn };
  },

  async mainBatch(events, context) {
    const replies = [];
    for (const event of events) replies.push(await module.exports.main(event, context.of(event)));
    return replies[0];
  },
};
