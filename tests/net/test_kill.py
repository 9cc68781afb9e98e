#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of the function's worker and of the server while events flow: the sums still equal."""
import concurrent.futures
import time

import harness
from harness import SOURCE4
from lab import network

SYN, RATE = 30000, 5000
ROUNDS = 3


def test(checker):
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "worker", kill_worker)
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "server", kill_server)


def killed_while_sending(checker, path, what, kill):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", SYN, ports="1-2000", rate=RATE)
        for _ in range(ROUNDS):
            time.sleep(1)
            kill(path)
        sending.result()
    checker.equal(f"SYN segments summed, {what} killed {ROUNDS} times", SYN,
                  path.settle(SOURCE4, "syn", SYN, 30))


def worker_pid(path):
    functions = path.server.json("/v1/functions")
    for function in functions["functions"]:
        if function["name"] == "sum":
            return next(iter(function["worker_pids"]), 0)
    return 0


def kill_worker(path):
    harness.kill_9(network.wait_for(lambda: worker_pid(path), 10, "a worker"))


def kill_server(path):
    path.server.kill()
    path.server.start()


if __name__ == "__main__":
    harness.main(test)
