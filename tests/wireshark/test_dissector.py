#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs tshark with deploy/wireshark/netlambda.lua over the vectors of docs/protocol-1.md 9, as a capture:
what the document accepts must be shown field by field, what it refuses must show the error's name.

usage: test_dissector.py SOURCE_ROOT        Exits 77 (skipped) where tshark with Lua is missing.
"""
import pathlib
import re
import shutil
import sys
import tempfile

from dissecting import compare, dissect, frame, octets, vectors_of, write_capture

PORT = 5000

# What tshark must show of the accepted ones: all values of a field, in order.
EXPECTED = {
    "port-v4": {"switch": ["7"], "sequence": ["1"], "count": ["1"], "event.id": ["1"],
                "event.ack": ["1"], "srcip": ["10.0.0.3"], "dstip": ["10.0.0.1"], "dstport": ["80"],
                "protocol": ["6"], "udp": ["0"], "syn": ["42"], "rst": ["2"]},
    "flow-v4": {"sequence": ["0"], "event.ack": ["0"], "srcport": ["50000"], "dstport": ["80"],
                "count_packets": ["1000"], "size": ["4294967298"]},
    "port-v6": {"switch": ["4294967295"], "sequence": ["2147483647"], "srcip6": ["2001:db8::3"],
                "dstip6": ["2001:db8::1"], "dstport": ["53"], "protocol": ["17"], "udp": ["9"]},
    "flow-v6": {"srcip6": ["2001:db8::2"], "srcport": ["65535"], "dstport": ["22"],
                "count_packets": ["4294967295"], "size": ["1250999896491"]},
    "port-completed-v4": {"event.length": ["45"], "syn": ["42"], "rst": ["2"], "completed": ["40"],
                          "refused": ["1"]},
    "port-refused-v6": {"event.length": ["69"], "srcip6": ["2001:db8::3"], "dstport": ["23"],
                        "completed": ["0"], "refused": ["4294967295"]},
    "source-v4": {"event.id": ["3"], "srcip": ["10.0.0.3"], "packets": ["100"], "size": ["6000"],
                  "shed": ["7"], "syn": ["90"], "udp": ["10"], "completed": ["5"], "hosts": ["3"], "ports": ["98"],
                  "ended": ["0"]},
    "target-v6": {"event.id": ["4"], "dstip6": ["2001:db8::1"], "packets": ["4294967296"],
                  "shed": ["4294967295"], "syn": ["4294967295"], "sources": ["7108"], "ports": ["1"], "ended": ["1"]},
    "interface": {"ifindex": ["3"], "packets": ["1000000"], "size": ["1000000000"], "not_ip": ["5"],
                  "malformed": ["4"], "flow_shed": ["3"], "port_shed": ["2"]},
    "two-events": {"count": ["2"], "event.id": ["2", "1"], "event.length": ["37", "61"],
                   "dstport": ["0", "65535"], "srcip": ["10.0.0.2"], "srcip6": ["fe80::1"]},
    "count-u32": {"switch": ["7"], "count": ["1"], "syn": ["42"], "rst": ["2"]},
}


def read_vectors(document):
    """[(name, error or None, octets)] of sections 9.1 and 9.2."""
    section = document[document.index("### 9.1"):document.index("### 9.3")]
    return vectors_of(section)


def read_acks(document):
    section = document[document.index("### 9.3"):]
    return [octets(text) for text in re.findall(r"```\n(.*?)```", section, re.S)]


FIELDS = sorted({field for fields in EXPECTED.values() for field in fields} | {"error", "ack"})


def dissected(root, capture, *options):
    """A list of {field: [values]} of netlambda's fields, one a frame."""
    shown = dissect(root, capture, ["netlambda." + field for field in FIELDS], *options)
    return [{name.removeprefix("netlambda."): values for name, values in each.items()} for each in shown]


def check(root, vectors, acks, directory):
    capture = directory / "vectors.pcap"
    write_capture(capture, [frame(data, 40000, PORT) for _, _, data in vectors]
                  + [frame(data, PORT, 40000) for data in acks])
    shown = dissected(root, capture, "-d", f"udp.port=={PORT},netlambda")
    if len(shown) != len(vectors) + len(acks):
        yield f"{len(shown)} frames are shown, expected {len(vectors) + len(acks)}"
        return
    for (name, error, data), found in zip(vectors, shown):
        if not data:
            continue  # tshark calls no dissector for an empty UDP payload
        yield from compare(name, found, {"error": [error]} if error else EXPECTED[name])
        if not error and "error" in found:
            yield f"{name}: refused as {found['error']}, expected to be accepted"
    yield from compare("acknowledgement", shown[-2], {"ack": ["16909060"]})
    yield from compare("published acknowledgement", shown[-1], {"ack": ["0"]})


def check_heuristic(root, vectors, directory):
    """On a port that nobody named: what is accepted is recognized, what is foreign is left alone."""
    capture = directory / "heuristic.pcap"
    good = [(name, data) for name, error, data in vectors if not error]
    foreign = [b"\x01" * 60, b"HTTP/1.1 200 OK\r\n", bytes(64)]
    write_capture(capture, [frame(data, 40001, 40002) for _, data in good]
                  + [frame(data, 40001, 40002) for data in foreign])
    shown = dissected(root, capture, "--enable-heuristic", "netlambda_udp")
    for (name, _), found in zip(good, shown):
        yield from compare(f"{name}, any port", found, EXPECTED[name])
    for found in shown[len(good):]:
        if found:
            yield f"foreign datagram: shown as {found}"


def main():
    root = pathlib.Path(sys.argv[1])
    if not shutil.which("tshark"):
        print("skipped: there is no tshark")
        return 77
    document = (root / "docs/protocol-1.md").read_text(encoding="utf-8")
    vectors, acks = read_vectors(document), read_acks(document)
    if {name for name, error, _ in vectors if not error} != set(EXPECTED) or len(acks) != 2:
        sys.exit("docs/protocol-1.md has other vectors than this test knows")
    with tempfile.TemporaryDirectory() as directory:
        wrong = list(check(root, vectors, acks, pathlib.Path(directory)))
        wrong += check_heuristic(root, vectors, pathlib.Path(directory))
    print("\n".join(wrong) or f"{len(vectors)} vectors and {len(acks)} acknowledgements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
