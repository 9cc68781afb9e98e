// SPDX-License-Identifier: BSD-2-Clause
'use strict';

const SCAN = 'Detection of a Network Scan';
const DENIAL = 'Attempted Denial of Service';

/* State is by source. RST is not looked at: the host that is scanned sends it, too; `refused` is. */
module.exports = {
  main(event, { state, config, alert }) {
    const { dstip, dstport, syn, udp, completed, refused } = event.data;
    const raise = (title, severity, category, rest) => {
      if (state.once(title, config.holdDown)) alert({ title, severity, category, ...rest });
    };

    if (syn > 0) {
      const ports = state.distinct(`tcp ${dstip}`, config.window).add(dstport);
      const hosts = state.distinct('hosts', config.window, { cap: config.hosts + 1 }).add(dstip);
      if (ports > config.tcpPorts) raise('TCP SYN scan', 'medium', SCAN, { dstport: null, data: { ports } });
      else if (hosts > config.hosts) raise('TCP SYN scan', 'medium', SCAN, { dstip: null, data: { hosts } });
    }
    if (syn > 0 && refused > 0) {
      const { ports, window } = config.refused;
      const closed = state.distinct(`refused ${dstip}`, window).add(dstport);
      if (closed > ports) raise('TCP SYN scan', 'medium', SCAN, { dstport: null, data: { refused: closed } });
    }
    if (udp > 0) {
      const ports = state.distinct(`udp ${dstip}`, config.window).add(dstport);
      if (ports > config.udpPorts) raise('UDP scan', 'medium', SCAN, { dstport: null, data: { ports } });
    }
    if (syn + completed >= config.flood.burst) {
      const { halfOpen, syn: most, window } = config.flood;
      const open = state.window(`open ${dstip} ${dstport}`, window).add(syn - completed);
      const asked = state.window(`syn ${dstip} ${dstport}`, window).add(syn);
      if (open > halfOpen || asked > most) {
        raise('SYN flood suspected', 'high', DENIAL, { data: { syn: asked, halfOpen: open } });
      }
    }
  },
};
