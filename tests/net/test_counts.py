#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the sender says it sent is what the function summed, packet for packet, IPv4 and IPv6."""
import harness
from harness import SOURCE4, SOURCE6

SYN, RST, UDP, DATA, ACK = 4000, 1500, 3000, 5000, 2000


def test(checker):
    with harness.Path().start() as path:
        for six, source in ((False, SOURCE4), (True, SOURCE6)):
            one_family(checker, path, six, source)
        checker.equal("packets the kernel saw on the port", path.sent_total, path.arrived())


def one_family(checker, path, six, source):
    family = "IPv6" if six else "IPv4"
    sent = [
        path.send("syn", SYN, six=six, ports="1-100", source_ports="40000-40003"),
        path.send("rst", RST, six=six, ports="1-50"),
        path.send("udp", UDP, six=six, ports="1000-1099"),
        path.send("udp", DATA, six=six, ports="5353", source_ports="50000-50099", payload=512),
        path.send("ack", ACK, six=six, ports="8080", payload=1000),
    ]
    packets = sum(part["packets"] for part in sent)
    checker.equal(f"{family} packets in all flows", packets, path.settle(source, "packets", packets))
    checker.equal(f"{family} bytes in all flows", sum(part["bytes"] for part in sent),
                  path.sum(source, "bytes"))
    # SYN: 100 ports from 4 ports; RST: 50 of the same, from the first; then one flow each.
    checker.equal(f"{family} flows", 400 + 100 + 100 + 1, path.sum(source, "flows"))
    checker.equal(f"{family} SYN segments", SYN, path.settle(source, "syn", SYN))
    checker.equal(f"{family} RST segments", RST, path.sum(source, "rst"))
    checker.equal(f"{family} empty UDP datagrams", UDP, path.sum(source, "udp"))


if __name__ == "__main__":
    harness.main(test)
