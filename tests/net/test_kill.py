#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of the function's worker and of the server while events flow: the sums still equal.

usage: test_kill.py [--seconds N] [--seed N]

With --seconds, one or the other is killed at random for so long; the check does without.
"""
import argparse
import concurrent.futures
import random
import time

import harness
from harness import SOURCE4
from lab import network

SYN, RATE = 30000, 5000
ROUNDS = 3
PIECE = 10  # seconds


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


def send_pieces(path, pieces):
    for _ in range(pieces):
        path.send("syn", PIECE * RATE, ports="1-2000", rate=RATE)


def killed_at_random(checker, seconds, seed):
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    count, kills = -(-seconds // PIECE) * PIECE * RATE, 0
    with harness.Path().start() as path, concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(send_pieces, path, count // (PIECE * RATE))
        while not sending.done():
            time.sleep(chance.uniform(0.05, 3))
            chance.choice([kill_worker, kill_worker, kill_server])(path)
            kills += 1
        sending.result()
        checker.equal(f"SYN segments summed, {kills} kills", count, path.settle(SOURCE4, "syn", count, 60))


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if options.seconds > 0:
        harness.main(lambda checker: killed_at_random(checker, options.seconds, options.seed))
    harness.main(test)


if __name__ == "__main__":
    main()
