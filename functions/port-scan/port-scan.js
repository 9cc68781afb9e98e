// SPDX-License-Identifier: BSD-2-Clause
'use strict';

const SCAN = 'Detection of a Network Scan';
const DENIAL = 'Attempted Denial of Service';

/* State is by source. RST is not looked at: the host that is scanned sends it, too. */
module.exports = {
  main(event, { state, config, alert }) {
    const { dstip, dstport, syn, udp } = event.data;
    const raise = (title, severity, category, rest) => {
      if (state.once(title, config.holdDown)) alert({ title, severity, category, ...rest });
    };

    if (syn > 0) {
      const ports = state.distinct(`tcp ${dstip}`, config.window).add(dstport);
      const hosts = state.distinct('hosts', config.window, { cap: config.hosts + 1 }).add(dstip);
      if (ports > config.tcpPorts) raise('TCP SYN scan', 'medium', SCAN, { dstport: null, data: { ports } });
      else if (hosts > config.hosts) raise('TCP SYN scan', 'medium', SCAN, { dstip: null, data: { hosts } });
    }
    if (udp > 0) {
      const ports = state.distinct(`udp ${dstip}`, config.window).add(dstport);
      if (ports > config.udpPorts) raise('UDP scan', 'medium', SCAN, { dstport: null, data: { ports } });
    }
    if (syn >= config.flood.burst) {
      const total = state.window(`syn ${dstip} ${dstport}`, config.flood.window).add(syn);
      if (total > config.flood.syn) raise('SYN flood suspected', 'high', DENIAL, { data: { syn: total } });
    }
  },
};
