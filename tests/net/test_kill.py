#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of the function's worker, of the server and of the agent while events flow: the sums still equal.

usage: test_kill.py [--seconds N] [--seed N]

The agent has --pin: what the kernel counted waits for the next one. What a killed one had taken and not yet sent is gone
with it, and its successor says how much that is at most: records of a port, to each of which comes one SYN segment. So

    sent - what was said to be lost at most <= summed <= sent

With --seconds, one or the other is killed at random for so long; the check does without.
"""
import argparse
import concurrent.futures
import contextlib
import os
import random
import re
import signal
import subprocess
import time

import harness
from harness import SOURCE4
from lab import network

SYN, RATE = 20000, 5000
AT_REST, UNHEARD, IN_TRAFFIC = 1000, 5000, 10000
ROUNDS = 3
PIECE = 10  # seconds, in which no port comes twice
PORTS = f"1-{PIECE * RATE}"
LOST = re.compile(r"port_records_at_most=(\d+)")


class PinnedAgent:
    """The path's agent with --pin, in a file system that outlives it, since a process of ours holds it."""

    def __init__(self, path):
        self.agent = path.agent
        self.path = path.lab.directory / path.agent.log
        holder = path.lab.start("s1", ["unshare", "--mount", "sh", "-c",
                                       "mount -t bpf bpf /sys/fs/bpf && echo mounted && exec sleep infinity"],
                                "pins.log", stdout=subprocess.PIPE)
        if holder.stdout.readline() != b"mounted\n":
            raise network.LabError(f"no BPF file system: {holder.log.read_text()}")
        self.wrapper = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--"]
        self.start()

    def start(self):
        """Does not wait until it counts: if there was one before, a program is attached already."""
        self.said_before = len(self.log())
        self.agent.start("--pin", wrapper=self.wrapper)

    def kill(self):
        self.agent.kill()

    def log(self):
        return self.path.read_text() if self.path.exists() else ""

    def is_counting(self):
        if self.agent.process.poll() is not None:
            raise network.LabError(f"the agent ended with {self.agent.process.returncode}")
        return "counting id=" in self.log()[self.said_before:]

    def lost_at_most(self):
        """What each says of the one before it, which it does before it counts."""
        network.wait_for(self.is_counting, 30, "the agent to count")
        return sum(map(int, LOST.findall(self.log())))


@contextlib.contextmanager
def pinned_path():
    with harness.Path() as path:
        path.server.start()
        yield path, PinnedAgent(path)


def test(checker, seed):
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "worker", kill_worker)
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "server", kill_server)
    with pinned_path() as (path, agent):
        agent_killed_at_rest(checker, path, agent)
        agent_killed_unheard(checker, path, agent)
        agent_killed_in_traffic(checker, path, agent, seed)


def killed_while_sending(checker, path, what, kill):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", SYN, ports="1-2000", rate=RATE)
        for _ in range(ROUNDS):
            time.sleep(1)
            kill(path)
        sending.result()
    checker.equal(f"SYN segments summed, {what} killed {ROUNDS} times", SYN,
                  path.settle(SOURCE4, "syn", SYN, 30))


def agent_killed_at_rest(checker, path, agent):
    """It has nothing, and nobody collects what comes until there is another."""
    for sent in (AT_REST, 2 * AT_REST):
        path.send("syn", AT_REST, ports=f"1-{AT_REST}", rate=RATE)
        if sent > AT_REST:
            agent.start()
        checker.equal("SYN segments summed, the agent killed at rest", sent, path.settle(SOURCE4, "syn", sent))
        agent.kill()
    agent.start()


def agent_killed_unheard(checker, path, agent):
    """What it has and cannot send, since the server stands still, is gone, and its successor says so."""
    before, lost_before = path.sum(SOURCE4, "syn"), agent.lost_at_most()
    os.kill(path.server.process.pid, signal.SIGSTOP)
    path.send("syn", UNHEARD, ports=f"1-{UNHEARD}", rate=RATE)
    agent.kill()
    os.kill(path.server.process.pid, signal.SIGCONT)
    agent.start()
    check_sum(checker, path, before + UNHEARD, agent, lost_before, "the agent killed unheard")


def agent_killed_in_traffic(checker, path, agent, seed):
    before, lost_before = path.sum(SOURCE4, "syn"), agent.lost_at_most()
    chance = random.Random(seed)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", IN_TRAFFIC, ports=PORTS, rate=RATE)
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.2, 0.6))
            kill_agent(agent, chance)
        sending.result()
    check_sum(checker, path, before + IN_TRAFFIC, agent, lost_before, f"the agent killed {ROUNDS} times, seed {seed}")


def check_sum(checker, path, sent, agent, lost_before, when):
    """No more than what is said lacks, and nothing is there twice."""
    lost = agent.lost_at_most() - lost_before
    path.settle(SOURCE4, "syn", sent - lost, 60)
    summed = wait_for_rest(path)
    is_right = sent - lost <= summed <= sent
    checker.that(is_right, f"SYN segments summed, {when}: {summed} of {sent}, {lost} said to be lost at most")
    if not is_right:
        path.show_logs()


def wait_for_rest(path):
    """The sum, when nothing is added any more."""
    summed = path.sum(SOURCE4, "syn")
    while True:
        time.sleep(1)
        before, summed = summed, path.sum(SOURCE4, "syn")
        if before == summed:
            return summed


def kill_agent(agent, chance):
    agent.kill()
    time.sleep(chance.uniform(0, 0.3))
    agent.start()


def send_pieces(path, pieces):
    for _ in range(pieces):
        path.send("syn", PIECE * RATE, ports=PORTS, rate=RATE)


def killed_at_random(checker, seconds, seed):
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    pieces, kills = -(-seconds // PIECE), {kill_worker: 0, kill_server: 0, kill_agent: 0}
    with pinned_path() as (path, agent), concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(send_pieces, path, pieces)
        while not sending.done():
            time.sleep(chance.uniform(0.05, 3))
            kill = chance.choice([kill_worker, kill_worker, kill_server, kill_agent, kill_agent])
            kill(*((agent, chance) if kill == kill_agent else (path,)))
            kills[kill] += 1
        sending.result()
        what = ", ".join(f"{count} times {kill.__name__.split('_')[1]}" for kill, count in kills.items())
        check_sum(checker, path, pieces * PIECE * RATE, agent, 0, f"killed {what}")


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
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = harness.take_seed() if options.seed is None else options.seed
    if options.seconds > 0:
        harness.main(lambda checker: killed_at_random(checker, options.seconds, seed))
    harness.main(lambda checker: test(checker, seed))


if __name__ == "__main__":
    main()
