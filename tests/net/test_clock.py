#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The clocks of server and switch are set an hour back, and the server's ahead, while the switch sends: sums and windows count
every event once all the same, a hold-down holds, and the session goes on."""
import contextlib
import json
import sqlite3
import struct

import harness
from harness import BUILD, SOURCE4, Shell
from lab import network

SYN = 500
HOUR = 3600
CODE = """module.exports = {
  main({ data: { syn } }, { state, alert }) {
    const sum = state.counter('sum').add(syn);
    const recent = state.window('recent', '30m').add(syn);
    state.set('both', { sum, recent });
    if (state.once('alerted', '10m')) alert({ title: 'Seen' });
    state.set('leased', sum, { ttl: '2h' });
  },
};
"""


class Clock:
    """The time of day of a program that is started by `wrapper`."""

    def __init__(self, path, name):
        self.file = path.lab.directory / f"clock-{name}"
        self.set(0)
        self.wrapper = ("env", f"LD_PRELOAD={BUILD}/tests/net/libclock_shim.so", f"CLOCK_SHIM={self.file}")

    def set(self, seconds):
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


def test(checker):
    path = harness.Path()
    server, agent = Clock(path, "server"), Clock(path, "agent")
    path.server.config["triggers"] = {}
    path.server.config_path.write_text(json.dumps(path.server.config))
    with path:
        path.server.start(wrapper=server.wrapper)
        path.agent.start(wrapper=agent.wrapper)
        shell = Shell(path)
        shell("deploy", "clocks", "-f", shell.write("clocks/clocks.js", CODE), "--trigger", "event:port", "--key", "srcip")
        sent = 0
        for seconds in ((0, 0), (-HOUR, 0), (0, -HOUR), (HOUR, 0), (0, 0)):
            server.set(seconds[0])
            agent.set(seconds[1])
            path.send("syn", SYN, ports="1-50", rate=5000)
            sent += SYN
            found = settle(path, sent)
            checker.equal(f"sum and window with clocks that are off by {seconds} s", (sent, sent), (found["sum"], found["recent"]))
        switch = path.switch()
        checker.equal("sessions of the switch, and events that it lost", (1, 0), (switch["sessions"], lost(switch)))
        found = shell.json("describe", "clocks")
        checker.equal("alerts, failures, dead letters", (1, 0, 0), tuple(found[n] for n in ("alerts", "failures", "dead_letters")))
        checker.equal("health", 200, path.server.get("/healthz")[0])


def lost(switch):
    return sum(lane.get("lost", 0) for lane in switch.get("lanes", []))


def settle(path, expected):
    network.wait_for(lambda: both(path)["sum"] >= expected, 20, "the events", pause=0.1)
    return both(path)


def both(path):
    with contextlib.closing(sqlite3.connect(f"file:{path.server.config['store']}?mode=ro", uri=True, timeout=harness.PATIENCE)) as database:
        row = database.execute("SELECT value FROM state WHERE function = 'clocks' AND key = ? AND name = 'both'",
                               (SOURCE4,)).fetchone()
    return json.loads(row[0]) if row else {"sum": 0, "recent": 0}


if __name__ == "__main__":
    harness.main(test)
