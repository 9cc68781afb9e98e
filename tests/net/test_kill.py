#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of the function's worker, of the server and of the agent while events flow: the sums still equal.

usage: test_kill.py [--seconds N] [--seed N] [--spool N]

The agent has --pin: what the kernel counted waits for the next one, and so does what a killed one had taken and not
sent, or sent and not heard of. So

    summed = sent

With --seconds, one or the other is killed at random for so long; the check does without. A function that was killed too
often stands still for up to half a minute then. For that the agent has room, unless --spool says otherwise. What it sheds it
declares, so then

    summed + declared as shed = sent
"""
import argparse
import concurrent.futures
import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import time

import harness
from harness import SOURCE4
from lab import network

SYN, RATE = 20000, 5000
AT_REST, UNHEARD, IN_TRAFFIC = 1000, 5000, 10000
ROUNDS = 3
PORT_LANE = 1  # of the protocol
PIECE = 10  # seconds, in which no port comes twice
PORTS = f"1-{PIECE * RATE}"
ROOM = 60 * RATE  # longer than a function stands still that was killed too often
LOST = re.compile(r"port_records_at_most=(\d+)")
WAITING = re.compile(r'events_waiting\{class="port"\} (\d+)')
RESUMED = re.compile(r"resumed incarnation .*?events=(\d+)")


class PinnedAgent:
    """The path's agent with --pin, in a file system that outlives it, since a process of ours holds it."""

    def __init__(self, path, *options):
        self.agent = path.agent
        self.options = options
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
        self.agent.start("--pin", *self.options, wrapper=self.wrapper)

    def kill(self):
        self.agent.kill()

    def log(self):
        return self.path.read_text() if self.path.exists() else ""

    def is_counting(self):
        if self.agent.process.poll() is not None:
            raise network.LabError(f"the agent ended with {self.agent.process.returncode}")
        return "counting id=" in self.log()[self.said_before:]

    def said(self, what):
        """What each says of the one before it, which it does before it counts."""
        network.wait_for(self.is_counting, 30, "the agent to count")
        return sum(map(int, what.findall(self.log())))

    def has_unsent(self):
        """Records of ports, by the statistics that it is asked for."""
        os.kill(self.agent.process.pid, signal.SIGUSR1)
        return any(map(int, WAITING.findall(self.log()[self.said_before:])))


@contextlib.contextmanager
def pinned_path(*options):
    with harness.Path() as path:
        path.server.start()
        yield path, PinnedAgent(path, *options)


def test(checker, seed):
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "worker", kill_worker)
    with harness.Path().start() as path:
        killed_while_sending(checker, path, "server", kill_server)
    with pinned_path("--flush-timeout", "1s") as (path, agent):
        agent_killed_at_rest(checker, path, agent)
        agent_killed_unheard(checker, path, agent)
        agent_killed_in_traffic(checker, path, agent, seed)
        agent_restarted(checker, path, agent)


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
    """What it has and cannot send, since the server stands still, its successor sends."""
    before, resumed_before = path.sum(SOURCE4, "syn"), agent.said(RESUMED)
    os.kill(path.server.process.pid, signal.SIGSTOP)
    path.send("syn", UNHEARD, ports=f"1-{UNHEARD}", rate=RATE)
    network.wait_for(agent.has_unsent, 60, "the agent to have what it cannot send")
    agent.kill()
    os.kill(path.server.process.pid, signal.SIGCONT)
    agent.start()
    check_sum(checker, path, before + UNHEARD, agent, "the agent killed unheard")
    resumed = agent.said(RESUMED) - resumed_before
    checker.that(resumed > 0, f"events that the next agent says it resumed: {resumed}")


def agent_killed_in_traffic(checker, path, agent, seed):
    before = path.sum(SOURCE4, "syn")
    chance = random.Random(seed)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", IN_TRAFFIC, ports=PORTS, rate=RATE)
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.2, 0.6))
            kill_agent(agent, chance)
        sending.result()
    check_sum(checker, path, before + IN_TRAFFIC, agent, f"the agent killed {ROUNDS} times, seed {seed}")


def agent_restarted(checker, path, agent):
    """As an upgrade does it: what cannot be sent in time waits for the next agent, too."""
    before = path.sum(SOURCE4, "syn")
    os.kill(path.server.process.pid, signal.SIGSTOP)
    path.send("syn", AT_REST, ports=f"1-{AT_REST}", rate=RATE)
    agent.agent.process.terminate()
    agent.agent.process.wait()
    os.kill(path.server.process.pid, signal.SIGCONT)
    agent.start()
    check_sum(checker, path, before + AT_REST, agent, "the agent restarted unheard")
    checker.equal("epoch, that is incarnation, of the last of many agents", 1, path.switch()["epoch"])


def declared(path):
    """Records of a port, each of one SYN segment, that the server has as lost: {cause: number}."""
    store = f"file:{path.server.config['store']}?mode=ro"
    with contextlib.closing(sqlite3.connect(store, uri=True, timeout=60)) as database:
        return dict(database.execute("SELECT cause, events FROM loss_sums WHERE stream & 255 = ?", (PORT_LANE,)))


def check_sum(checker, path, sent, agent, when, may_shed=False):
    """Nothing lacks, nothing is there twice, and no agent thinks that it lost anything."""
    path.settle(SOURCE4, "syn", sent - declared(path).get("spool-full", 0), 60)
    summed, lost = wait_for_rest(path), declared(path)
    shed = lost.get("spool-full", 0) if may_shed else 0
    checker.equal(f"SYN segments summed, {when}", sent - shed, summed)
    checker.equal("records of a port that were declared as lost", {"spool-full": shed} if shed else {}, lost)
    checker.equal("records of a port that agents said were lost at most", 0, agent.said(LOST))
    if summed != sent - shed:
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


def killed_at_random(checker, seconds, seed, spool):
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    pieces, kills = -(-seconds // PIECE), {kill_worker: 0, kill_server: 0, kill_agent: 0}
    with pinned_path("--spool", spool) as (path, agent), concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(send_pieces, path, pieces)
        while not sending.done():
            time.sleep(chance.uniform(0.05, 3))
            kill = chance.choice([kill_worker, kill_worker, kill_server, kill_agent, kill_agent])
            kill(*((agent, chance) if kill == kill_agent else (path,)))
            kills[kill] += 1
        sending.result()
        what = ", ".join(f"{count} times {kill.__name__.split('_')[1]}" for kill, count in kills.items())
        check_sum(checker, path, pieces * PIECE * RATE, agent, f"killed {what}", may_shed=spool < ROOM)


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
    parser.add_argument("--spool", type=int, default=ROOM)
    options = parser.parse_args()
    seed = harness.take_seed() if options.seed is None else options.seed
    if options.seconds > 0:
        harness.main(lambda checker: killed_at_random(checker, options.seconds, seed, options.spool))
    harness.main(lambda checker: test(checker, seed))


if __name__ == "__main__":
    main()
