#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SIGHUP while events flow: a function with new settings takes over and no event is lost or doubled;
a configuration with an error in it changes nothing; a trigger that is taken out stops its function."""
import concurrent.futures
import json
import os
import signal
import sys
import time

import harness
from harness import SOURCE4
from lab import network

# Each waits until the server has ended it, or is there for a moment.
CONNECT = """
import socket, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30):
        pass
"""
SYN, RATE = 20000, 5000
RELOADS = 3


def test(checker):
    with harness.Path().start() as path:
        replaced_while_sending(checker, path)
        bad_file_changes_nothing(checker, path)
        function_is_removed(checker, path)
        strangers_have_other_limits(checker, path)


def replaced_while_sending(checker, path):
    workers = {worker_pid(path)}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", SYN, ports="1-2000", rate=RATE)
        for number in range(RELOADS):
            time.sleep(0.8)
            reload(path, functions={"sum": {"batch": 100 + number}})
            workers |= network.wait_for(lambda: {worker_pid(path)} - workers - {0}, 10, "the new worker")
        sending.result()
    checker.equal(f"SYN segments summed, function replaced {RELOADS} times", SYN,
                  path.settle(SOURCE4, "syn", SYN, 30))
    checker.equal("workers over time", RELOADS + 1, len(workers))


def bad_file_changes_nothing(checker, path):
    before = worker_pid(path)
    reload(path, triggers={"1": "sun"}, expect="netlambda_reload_failures_total")
    checker.equal("worker after a bad file", before, worker_pid(path))
    log = (path.lab.directory / "server.log").read_text()
    checker.that('triggers.1: no function named "sun" (did you mean "sum"?)' in log, "the log says what is wrong")
    path.send("syn", 100, ports="1-100", rate=1000)
    checker.equal("SYN segments summed after it", SYN + 100, path.settle(SOURCE4, "syn", SYN + 100))


def function_is_removed(checker, path):
    reload(path, triggers={})
    network.wait_for(lambda: not functions(path), 10, "the function to go")
    path.send("syn", 50, ports="1-50", rate=1000)
    network.wait_for(lambda: path.server.metrics()["netlambda_events_unrouted_total"] >= 50, 10,
                     "events without a function")
    checker.equal("SYN segments summed without a trigger", SYN + 100, path.sum(SOURCE4, "syn"))


def strangers_have_other_limits(checker, path):
    turned_away = 'netlambda_control_turned_away_total{cause="machine-rate"}'
    before = path.server.metrics()[turned_away]
    connect(path, 3)
    network.wait_for(lambda: path.server.metrics()["netlambda_control_accepted_total"] >= 4, 10, "three strangers")
    checker.equal("strangers turned away before", before, path.server.metrics()[turned_away])
    reload(path, tls={**path.server.config["tls"], "limits": {"machine": {"burst": 1, "every": "24h"}}})
    connect(path, 3)
    network.wait_for(lambda: path.server.metrics()[turned_away] >= before + 2, 10, "strangers to be turned away")
    checker.equal("of three strangers, where one is allowed, turned away", before + 2,
                  path.server.metrics()[turned_away])


def connect(path, count):
    """Connections of one that has no certificate, from where no agent was ever believed."""
    path.lab.run_in("lambda", [sys.executable, "-c", CONNECT, harness.SERVER_IP, str(harness.PORT), str(count)])


def reload(path, *, expect="netlambda_reloads_total", **changes):
    before = path.server.metrics()[expect]
    path.server.config_path.write_text(json.dumps({**path.server.config, **changes}, indent=2) + "\n")
    os.kill(path.server.process.pid, signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()[expect] > before, 10, expect)


def functions(path):
    return path.server.json("/v1/functions")["functions"]


def worker_pid(path):
    return next((pid for f in functions(path) if f["name"] == "sum" for pid in f["worker_pids"]), 0)


if __name__ == "__main__":
    harness.main(test)
