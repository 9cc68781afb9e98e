#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Strangers and broken peers at the server's ports while a good agent works: nothing is lost, counters tell."""
import contextlib
import subprocess
import sys
import time

import harness
from harness import ENDPOINT, PATIENCE, PORT, SERVER_IP, SOURCE4
from lab import authority, daemons, network

RATE = 5000

# Both run in the switch's namespace, and say how much they did: strangers of the agent's own address.
FLOOD = """
import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
s.setblocking(False)
end, sent, answers = time.monotonic() + float(sys.argv[3]), 0, 0
random = os.urandom(1 << 16)
while time.monotonic() < end:
    for i in range(200):
        # Some look like version 2 and name sessions, some do not.
        head = b'\\x20' + bytes([i]) * 6 + b'\\0' if i % 2 else b''
        try:
            s.send(head + random[i * 97:i * 97 + i * 7 % 1200])
            sent += 1
        except BlockingIOError:
            pass
    try:
        while s.recv(2000):
            answers += 1
    except BlockingIOError:
        pass
print(sent, answers)
"""
CROWD = """
import os, socket, sys, time
crowd, closed = [], 0
for i in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    try:
        if i % 3 == 0:
            s.send(os.urandom(500))
        elif i % 3 == 1:
            s.send(b'\\x16\\x03\\x01\\x02\\x00\\x01')  # a handshake that begins and stays so
    except OSError:
        pass
    crowd.append(s)
print('up', flush=True)
end = time.monotonic() + float(sys.argv[4])
for s in crowd:
    try:
        s.settimeout(max(end - time.monotonic(), 0.01))
        while s.recv(1000):  # an alert, perhaps
            pass
        closed += 1
    except TimeoutError:
        pass
    except OSError:
        closed += 1
print(closed)
"""

STORM = """
import os, random, selectors, socket, sys, time
poll, begun, at_once = selectors.DefaultSelector(), [], 0
end = time.monotonic() + 60
print('up', flush=True)
poll.register(sys.stdin, selectors.EVENT_READ)
while time.monotonic() < end and not poll.select(0):
    s = socket.socket()
    s.setblocking(False)
    s.bind((f'10.77.{random.randrange(256)}.{random.randrange(1, 255)}', 0))
    s.connect_ex((sys.argv[1], int(sys.argv[2])))
    begun.append(s)
    at_once += 1
    if at_once % 3 == 0:
        try:
            begun[-30:][0].send(os.urandom(200))
        except OSError:
            pass
    if len(begun) > 700:
        begun.pop(0).close()
    if at_once % 20 == 0:
        time.sleep(0.001)
print(at_once)
"""
STRANGERS = "10.77.0.0/16"
# Asks for a session again and again, each time in the moment that it has one.
EAGER = """
import socket, ssl, sys
credentials, host, port = sys.argv[1:]
context = ssl.create_default_context(cafile=credentials)
context.load_cert_chain(credentials)
context.set_alpn_protocols(['netlambda/2'])
hello = bytes.fromhex('01000014 02020000 0000000000000099 0000000000000000')
WELCOME, BYE, SKIPPED = 2, 10, 128
welcomes = 0
with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as s:
    stream = s.makefile('rb')
    s.sendall(hello)
    while True:
        head = stream.read(4)
        body = stream.read(int.from_bytes(head[2:], 'big'))
        if head[0] == WELCOME:
            welcomes += 1
            s.sendall(hello)
        elif head[0] == BYE:
            print(welcomes, body[0])
            break
        elif head[0] < SKIPPED:
            print(welcomes, 'message', head[0])
            break
"""
HELLOS_AT_ONCE, BYE_BUSY = 20, 6


def test(checker):
    seed = harness.take_seed()
    with harness.Path(relay=seed).start() as path:
        attacks_with_what_was_sent(checker, path)
        flood(checker, path)
        crowd(checker, path)
        storm(checker, path)
        eager(checker, path)
        revoked(checker, path)
    with harness.Path() as path:
        wrong_certificates(checker, path)
        old_agent(checker, path)


def send(path, count=1000):
    path.send("syn", count, ports="1-500", rate=RATE)


def settled(checker, path, what):
    sent = path.sent_total
    checker.equal(f"{what}: SYN segments summed", sent, path.settle(SOURCE4, "syn", sent, PATIENCE))


def refused(path):
    return {name.split('"')[1]: value for name, value in path.server.metrics().items()
            if name.startswith("netlambda_link_refused_total{")}


def attacks_with_what_was_sent(checker, path):
    """What an attacker on the way can record is of no use, from wherever it is sent."""
    causes = {"replay": ("replayed", "too-old"), "again": ("replayed", "too-old"), "forge": ("unsealed",),
              "truncate": ("unsealed", "short"), "reflect": ("unsealed", "replayed", "unknown-session"),
              "mirror": ()}
    send(path, 4000)
    settled(checker, path, "before the attacks")
    for how, expected in causes.items():
        before, attacks = refused(path), path.relay.counts()["attacks"]
        attacks = path.relay.attack(how)["attacks"] - attacks
        checker.that(attacks > 0, f"{how}: datagrams sent: {attacks}")
        send(path)
        settled(checker, path, how)
        if expected:
            network.wait_for(lambda: sum(refused(path).values()) - sum(before.values()) >= attacks * 0.9,
                             PATIENCE, f"the server to refuse {how}")
        grown = {cause for cause, count in refused(path).items() if count > before.get(cause, 0)}
        checker.that(not expected or grown & set(expected), f"{how}: refused as {sorted(grown)}")
    checker.equal("answers to a stranger", 0, path.relay.counts()["answers_to_attacks"])
    checker.equal("sessions, incarnations", (1, 1), (path.switch()["sessions"], path.switch()["epoch"]))
    # A session that ended is no session.
    path.relay.cut()
    network.wait_for(lambda: path.switch()["sessions"] == 2, PATIENCE, "the next session")
    before = refused(path)["unknown-session"]
    path.relay.attack("again")
    network.wait_for(lambda: refused(path)["unknown-session"] > before, PATIENCE, "the old session's to be refused")
    send(path)
    settled(checker, path, "with what an ended session had sent")


def flood(checker, path):
    before, sent = sum(refused(path).values()), path.sent_total
    flooding = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{path.lab.full('s1')}", sys.executable, "-c", FLOOD, SERVER_IP,
         str(PORT), "2"], stdout=subprocess.PIPE, text=True)
    send(path, 8000)
    count, answers = map(int, flooding.communicate()[0].split())
    settled(checker, path, f"in a flood of {count} datagrams")
    checker.equal("answers to the flood", 0, answers)
    checker.that(count > 10000 and sum(refused(path).values()) > before + count / 10,
                 f"of the flood the server refused {sum(refused(path).values()) - before:.0f}; "
                 f"{path.sent_total - sent} SYN segments were counted meanwhile")


def crowd(checker, path):
    """Connections that say nothing, or rubbish, keep nobody away, and do not stay."""
    before = path.server.metrics()
    crowding = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{path.lab.full('s1')}", sys.executable, "-c", CROWD, SERVER_IP,
         str(PORT), "300", "30"], stdout=subprocess.PIPE, text=True)
    crowding.stdout.readline()
    handshakes = path.server.metrics()["netlambda_control_handshakes"]
    checker.that(handshakes <= 64, f"handshakes under way at once: {handshakes:.0f}")
    path.relay.cut()
    network.wait_for(lambda: (path.switch().get("session") or {}).get("connected"), PATIENCE,
                     "the agent to connect beside the crowd")
    send(path)
    settled(checker, path, "in a crowd of connections")
    checker.equal("connections of the crowd that the server closed", 300, int(crowding.communicate()[0]))
    after = path.server.metrics()
    for name in ('netlambda_control_turned_away_total{cause="machine-rate"}', "netlambda_control_accepted_total"):
        checker.that(after[name] > before[name], f"{name} rose by {after[name] - before[name]:.0f}")


def turned_away(path):
    return sum(value for name, value in path.server.metrics().items()
               if name.startswith("netlambda_control_turned_away_total{"))


def storm(checker, path):
    """Strangers of everywhere, as fast as they can: the agent, which was here before, needs no second attempt."""
    path.lab.run_in("s1", ["ip", "route", "add", "local", STRANGERS, "dev", "lo"])
    path.lab.run_in("lambda", ["ip", "route", "add", STRANGERS, "via", "10.63.0.1"])
    attempts, before = path.relay.counts()["connections"], turned_away(path)
    storming = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{path.lab.full('s1')}", sys.executable, "-c", STORM, SERVER_IP, str(PORT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    storming.stdout.readline()
    network.wait_for(lambda: turned_away(path) > before + 1000, PATIENCE, "strangers to be turned away")
    for _ in range(3):
        sessions = path.switch()["sessions"]
        path.relay.cut()
        network.wait_for(lambda sessions=sessions: path.switch()["sessions"] == sessions + 1, PATIENCE,
                         "the agent to connect in a storm of connections")
    send(path)
    settled(checker, path, "in a storm of connections")
    count = int(storming.communicate("end\n")[0])
    checker.equal(f"attempts of the agent at three connections in a storm of {count}", 3,
                  path.relay.counts()["connections"] - attempts)
    checker.that(turned_away(path) > before, f"connections turned away: {turned_away(path) - before:.0f}")


def eager(checker, path):
    """An agent with a good certificate that asks for sessions without end is sent away, and costs the others nothing."""
    before = path.server.metrics()
    said = path.lab.run_in("s1", [sys.executable, "-c", EAGER, path.authority.switch(2), SERVER_IP, PORT]).split()
    after = path.server.metrics()
    checker.that(int(said[0]) >= HELLOS_AT_ONCE, f"sessions of an eager agent: {said[0]}")
    checker.equal("its last word from the server", str(BYE_BUSY), said[1])
    name = 'netlambda_control_put_off_total{what="hello"}'
    checker.equal(name, before[name] + 1, after[name])
    send(path)
    settled(checker, path, "beside an eager agent")


def revoked(checker, path):
    """Who is revoked is out at once, also in the middle of what it sends."""
    path.authority.revoke(1)
    network.wait_for(lambda: path.switch().get("session") is None, PATIENCE, "the session to end")
    before = path.sum(SOURCE4, "syn")
    send(path)
    time.sleep(1)
    checker.equal("revoked: SYN segments summed", before, path.sum(SOURCE4, "syn"))
    network.wait_for(lambda: path.server.metrics()['netlambda_control_ended_total{cause="revoked"}'] >= 2, PATIENCE,
                     "the revoked agent to be refused again")
    checker.that(True, "revoked: refused when it comes back")


@contextlib.contextmanager
def agent_with(path, credentials):
    agent = daemons.Agent(path.lab, harness.BUILD, "s1", ["port"], ENDPOINT, credentials=credentials,
                          log=f"{credentials.name}.log")
    agent.start()
    try:
        yield agent
    finally:
        agent.kill()


def ended(path):
    """{cause: connections that ended}, of those that there are."""
    return {name.split('"')[1]: value for name, value in path.server.metrics().items()
            if name.startswith("netlambda_control_ended_total{") and value > 0}


def wrong_certificates(checker, path):
    """Whichever end finds out, there is no agent; the server refuses what it cannot believe as untrusted."""
    path.server.start()
    other = authority.Authority(path.lab.directory / "other", harness.BUILD)
    cases = {
        "of another CA": other.switch(1),
        "of a server": path.authority.server("198.51.100.7", to="another.pem"),
        "of another CA that believes ours": mixed(other.switch(2), path),
    }
    for what, credentials in cases.items():
        before = sum(ended(path).values())
        with agent_with(path, credentials):
            network.wait_for(lambda before=before: sum(ended(path).values()) > before, PATIENCE,
                             f"a connection to end: {what}")
        checker.equal(f"certificate {what}: agents believed", 0,
                      path.server.metrics()["netlambda_control_opened_total"])
    checker.equal("switches met", [], path.server.json("/v1/switches")["switches"])
    checker.that("untrusted" in ended(path), f"connections that ended: {ended(path)}")


def mixed(credentials, path):
    """Its own certificate and key, and our CA to believe in beside its own."""
    text = credentials.read_text() + (path.authority.directory / "ca/ca.pem").read_text()
    (path.lab.directory / "mixed.pem").write_text(text)
    (path.lab.directory / "mixed.pem").chmod(0o600)
    return path.lab.directory / "mixed.pem"


def old_agent(checker, path):
    """One of version 1 gets no answer; counter and log say what would give it one."""
    agent = daemons.Agent(path.lab, harness.BUILD, "s1", ["port"], ENDPOINT, log="old.log")
    agent.start()
    send(path, 200)
    network.wait_for(lambda: path.server.json("/v1/status")["version1_refused"] > 0, PATIENCE,
                     "datagrams of version 1 to be refused")
    log = (path.lab.directory / "server.log").read_text()
    checker.that('"version1": true' in log, "the server's log says what switches version 1 on")
    time.sleep(0.3)
    checker.equal("SYN segments of an agent of version 1", 0, path.sum(SOURCE4, "syn"))
    agent.kill()


if __name__ == "__main__":
    harness.main(test)
