#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Version 2 over a bad network, and with ends that are killed: what was sent is summed, each once."""
import concurrent.futures
import contextlib
import random
import time

import harness
from harness import PATIENCE, SOURCE4
from lab import network

SYN, RATE = 8000, 5000


def test(checker):
    seed = harness.take_seed()
    with harness.Path(relay=seed).start() as path:
        for case in (bad_network, cut_connection, moving_agent, silent_udp, renewed_certificate,
                     killed_server):
            path.relay.set(loss=0, duplicate=0, delay=0, corrupt=0, tcp=True, udp=True)
            case(checker, path)
        checker.equal("incarnations", 1, path.switch()["epoch"])
    with harness.Path(relay=seed, tls_grace="1s").start() as path:
        grace_is_over(checker, path)
    with harness.Path().start() as path:
        killed_agent(checker, path)


def send(path, count=SYN, ports="1-2000"):
    path.send("syn", count, ports=ports, rate=RATE)


@contextlib.contextmanager
def sending(path, count=SYN):
    """Sends while its block does something to the network."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(send, path, count)
        yield
        done.result()


def settled(checker, path, what):
    sent = path.sent_total
    checker.equal(f"{what}: SYN segments summed", sent, path.settle(SOURCE4, "syn", sent, PATIENCE))


def wait(condition, what):
    network.wait_for(condition, PATIENCE, what, pause=0.1)


def session(path):
    return path.switch().get("session") or {}


def bad_network(checker, path):
    """Loss, duplicates, reordering and damage at once, each way."""
    path.relay.set(loss=0.05, duplicate=0.05, delay=0.2, corrupt=0.05)
    send(path)
    settled(checker, path, "a bad network")
    counts = path.relay.counts()
    for what in ("lost", "duplicated", "delayed", "corrupted"):
        checker.that(counts[what] > 0, f"datagrams {what}: {counts[what]}")
    refused = path.server.metrics()['netlambda_link_refused_total{cause="unsealed"}']
    checker.that(refused > 0, f"damaged datagrams refused: {refused:.0f}")


def cut_connection(checker, path):
    """Without its control connection the agent's events go on; then there is another session."""
    before = path.switch()["sessions"]
    path.relay.set(tcp=False)
    path.relay.cut()
    wait(lambda: session(path).get("connected") is False, "the connection to be gone")
    send(path, 1000)
    settled(checker, path, "without a control connection")
    checker.equal("sessions meanwhile", before, path.switch()["sessions"])
    path.relay.set(tcp=True)
    wait(lambda: session(path).get("connected"), "another connection")
    send(path, 1000)
    settled(checker, path, "connected again")
    checker.equal("sessions", before + 1, path.switch()["sessions"])


def moving_agent(checker, path):
    """The agent's address changes, as behind a NAT that forgets."""
    before = path.switch()["address_changes"]
    with sending(path):
        for _ in range(3):
            time.sleep(0.4)
            path.relay.rebind()
    settled(checker, path, "changes of address")
    wait(lambda: session(path).get("address_validated"), "the new address to be believed")
    changes = path.switch()["address_changes"] - before
    checker.that(changes > 0, f"changes of address that the server saw: {changes}")


def silent_udp(checker, path):
    """A firewall that lets no datagram through for a while."""
    with sending(path):
        time.sleep(0.3)
        path.relay.set(udp=False)
        time.sleep(1.5)
        path.relay.set(udp=True)
    settled(checker, path, "no datagram for a while")


def renewed_certificate(checker, path):
    """A new certificate is taken while events flow, and none of them notices."""
    before = path.switch()
    with sending(path):
        time.sleep(0.3)
        path.authority.renew(1, path.authority.directory / "switch-1.pem")
        wait(lambda: path.switch()["serial"] != before["serial"], "a session with the new certificate")
    settled(checker, path, "a new certificate")
    checker.that(session(path).get("connected"), "the session has a connection")


def killed_server(checker, path):
    """kill -9 of the server, on a bad network."""
    path.relay.set(loss=0.03, duplicate=0.03, delay=0.1, corrupt=0.01)
    chance = random.Random(path.relay.seed)
    with sending(path):
        for _ in range(3):
            time.sleep(chance.uniform(0.1, 0.8))
            path.server.kill()
            path.server.start()
    settled(checker, path, "server killed 3 times")


def grace_is_over(checker, path):
    """Without a connection for longer than that the session ends; what waits is sent in the next."""
    wait(lambda: session(path).get("connected"), "a session")
    path.relay.set(tcp=False)
    path.relay.cut()
    wait(lambda: path.switch().get("session") is None, "the session to end")
    send(path, 1000)
    time.sleep(0.5)
    checker.equal("after the time of grace: SYN segments summed", 0, path.sum(SOURCE4, "syn"))
    path.relay.set(tcp=True)
    settled(checker, path, "with the next session")


def killed_agent(checker, path):
    """kill -9 of the agent: nothing of what was summed is lost or summed again, whenever it was."""
    for _ in range(2):
        send(path, 2000)
        settled(checker, path, "before the agent is killed")
        path.agent.kill()
        path.agent.start()
    sure = path.sent_total
    with sending(path):
        time.sleep(0.7)
        path.agent.kill()
        path.agent.start()
    wait(lambda: path.switch()["epoch"] == 4 and session(path).get("connected"), "the fourth incarnation")
    send(path, 2000, ports="3001-3500")
    path.agent.stop()  # which ends when all that it counted is processed
    found = path.sum(SOURCE4, "syn")
    checker.that(sure + 2000 <= found <= path.sent_total,
                 f"killed while it counts: of {path.sent_total} SYN segments {found} summed, "
                 f"at least {sure + 2000}")


if __name__ == "__main__":
    harness.main(test)
