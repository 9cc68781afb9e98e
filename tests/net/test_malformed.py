#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Version 1: datagrams that the parser refuses are counted by cause and change nothing; the next good one passes."""
import contextlib
import struct
import subprocess
import sys

import harness
from harness import PATIENCE, SERVER_IP
from lab import network

PORT_PAYLOAD = struct.pack("!7I", 0x0A400002, 0x0A400009, 80, 6, 0, 1, 0)


def transaction(sequence, *events, version=1, count=None):
    return struct.pack("!BIIB", version, 9, sequence, len(events) if count is None else count) + b"".join(events)


def event(payload=PORT_PAYLOAD, event_id=1, flag=1, length=None):
    return struct.pack("!IIB", 9 + len(payload) if length is None else length, event_id, flag) + payload


GOOD = transaction(1, event())
# Cause, as /metrics names it: datagrams with that fault. What does not begin with a 1 is not taken for
# version 1.
FAULTS = {
    "short": (b"\x01", GOOD[:-1], GOOD[:12]),
    "long": (GOOD + bytes(1500 - len(GOOD)),),
    "bad-sequence": (transaction(0, event()), transaction(0x80000000, event())),
    # A first count byte of 0 is the published implementation's form, which has three more.
    "bad-count": (transaction(1, count=0) + bytes(3),),
    "bad-length": (transaction(1, event(length=3)),),
    "bad-flag": (transaction(1, event(flag=7)),),
    "mixed-flags": (transaction(1, event(), event(flag=0)),),
    "unknown-event": (transaction(1, event(event_id=77)),),
    "bad-payload": (transaction(1, event(struct.pack("!7I", 1, 2, 70000, 6, 0, 1, 0))),),
    "trailing": (GOOD + b"\x01",),
}

# Sends hexadecimal datagrams from standard input, and prints what is answered to each within a moment.
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 5005))
s.settimeout(float(sys.argv[2]))
for line in sys.stdin:
    s.send(bytes.fromhex(line.strip()))
    try:
        print(s.recv(100).hex())
    except TimeoutError:
        print('-')
"""


def exchange(path, datagrams, patience):
    """Sends datagrams from s1's namespace; the answers, None where there was none."""
    done = subprocess.run(
        ["nsenter", f"--net=/run/netns/{path.lab.full('s1')}", sys.executable, "-c", SEND, SERVER_IP,
         str(patience)],
        input="".join(datagram.hex() + "\n" for datagram in datagrams), capture_output=True, text=True,
        timeout=2 * PATIENCE, check=True)
    return [None if line == "-" else bytes.fromhex(line) for line in done.stdout.splitlines()]


def malformed_by_cause(path):
    return {name.split('"')[1]: value for name, value in path.server.metrics().items()
            if name.startswith("netlambda_version1_malformed_total{")}


def malformed_since(path, before):
    grown = {name: count - before.get(name, 0) for name, count in malformed_by_cause(path).items()}
    return {name: count for name, count in grown.items() if count}


def test(checker):
    with harness.Path(protocol=1) as path:
        path.server.start()
        for cause, datagrams in FAULTS.items():
            before = malformed_by_cause(path)
            answers = exchange(path, datagrams, 0.05)
            with contextlib.suppress(network.LabError):
                network.wait_for(lambda: sum(malformed_since(path, before).values()) >= len(datagrams), 5, cause)
            counted = malformed_since(path, before)
            checker.equal(f"{cause}: counted by cause", {cause: len(datagrams)}, counted)
            checker.equal(f"{cause}: answers", [None] * len(datagrams), answers)
        checker.equal("sums after all of them", {}, path.sums())
        checker.equal("the answer to a good one", [b"ACK\n" + struct.pack("!I", 1)], exchange(path, [GOOD], PATIENCE))
        checker.equal("its SYN is summed", 1, path.settle("10.64.0.2", "syn", 1))
        checker.equal("the answer to its resend", [b"ACK\n" + struct.pack("!I", 1)], exchange(path, [GOOD], PATIENCE))
        checker.equal("which is not summed again", 1, path.settle("10.64.0.2", "syn", 1))


if __name__ == "__main__":
    harness.main(test)
