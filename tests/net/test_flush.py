#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SIGTERM to the agent: what it has counted still reaches the function, and XDP is detached."""
import harness
from harness import SOURCE4

SYN, DATA = 3000, 2000


def test(checker):
    with harness.Path().start() as path:
        path.send("syn", SYN, ports="1-500", rate=100000)
        path.send("udp", DATA, ports="53", source_ports="1024-1123", payload=40, rate=100000)
        checker.equal("the agent's exit code after SIGTERM", 0, path.agent.stop())
        checker.that(not path.lab.xdp_attached("s1", "port"), "the XDP program is detached")
        checker.equal("SYN segments summed", SYN, path.settle(SOURCE4, "syn", SYN))
        checker.equal("packets summed", SYN + DATA, path.settle(SOURCE4, "packets", SYN + DATA))
        checker.equal("the server's exit code after SIGTERM", 0, path.server.stop())


if __name__ == "__main__":
    harness.main(test)
