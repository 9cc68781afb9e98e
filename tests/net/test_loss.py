#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The server throws away 1, 3 and 5 % of the datagrams (thesis 6.2.2): of the acknowledged events none
is lost and none counted twice."""
import harness
from harness import SOURCE4

SYN = 24000  # to 3000 ports: hundreds of acknowledged transactions


def test(checker):
    for protocol, percent in ((2, 1), (2, 5), (1, 1), (1, 3), (1, 5)):
        with harness.Path(protocol).start("--drop-rate", str(percent / 100)) as path:
            with_loss(checker, path, f"version {protocol}, {percent} % loss")


def with_loss(checker, path, how):
    path.send("syn", SYN, ports="1-3000", rate=6000)
    checker.equal(f"{how}: SYN segments summed", SYN, path.settle(SOURCE4, "syn", SYN, 30))
    dropped = path.server.metrics()["netlambda_simulated_drops_total"]
    checker.that(dropped > 0, f"{how}: the server did drop datagrams: {dropped:.0f}")


if __name__ == "__main__":
    harness.main(test)
