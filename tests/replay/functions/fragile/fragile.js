// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* Fails on port 13, and counts the other ones that were asked. */
module.exports = {
  main(event, context) {
    if (event.data.dstport === 13) throw new Error('unlucky');
    context.state.counter('asked').add(event.data.syn);
  },
};
