#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs tshark with deploy/wireshark/netlambda.lua over the vectors of docs/protocol-2.md 12: packets,
unsealed and sealed, and control messages over a real TLS 1.3 connection with its key log.

usage: test_dissector_v2.py SOURCE_ROOT NETLAMBDA     Exits 77 (skipped) where tshark with Lua is missing.
"""
import pathlib
import re
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile

from dissecting import compare, dissect, frame, vectors_of, write_capture

PORT = 5005   # of the server; the other is the agent's
AGENT = 40000
TAG = bytes(16)  # of what is open
SCHEMAS = "netlambda.schemas:1:4,2:8"  # those of the document's vectors

# What tshark must show of the accepted packets: all values of a field, in order.
EXPECTED = {
    "ping": {"phase": ["0"], "session": ["0x0000000000000007"], "packet": ["0"], "frame.type": ["1"],
             "frame.length": ["0"]},
    "events": {"phase": ["1"], "packet": ["256"], "frame.type": ["2"], "lane": ["1"], "schema": ["1"],
               "events": ["2"], "events.sequence": ["5"], "record": ["0101010101010101", "0202020202020202"]},
    "greased": {"phase": ["0"], "reserved": ["0x0f"], "packet": ["1"], "frame.type": ["186", "1", "2"],
                "frame.reserved": ["0xff", "0xff", "0xfc"], "lane": ["1"], "record": ["0a0b0c0d"]},
    "shed": {"frame.type": ["3"], "lane": ["2"], "shed.cause": ["1"], "shed.sequence": ["10"],
             "shed.count": ["1000"]},
    "path-response": {"frame.type": ["7"], "path": ["0x0123456789abcdef"]},
    "answer": {"frame.type": ["4", "5", "6"], "ack.delay": ["250"], "ack.largest": ["10"],
               "ack.range": ["8-10", "5"], "processed.before": ["32"], "processed.limit": ["4128"],
               "path": ["0x0123456789abcdef"]},
}

# Records as an agent on a little-endian machine sends them: octets, and what is shown of them.
RECORDS = [
    (1, struct.pack("<16s16sHB5xQQ5I4x", bytes(10) + b"\xff\xff\x0a\0\0\3", bytes(10) + b"\xff\xff\x0a\0\0\1",
                    80, 6, 7, 8, 1, 42, 2, 40, 3),
     {"srcip": ["10.0.0.3"], "dstip": ["10.0.0.1"], "dstport": ["80"], "protocol": ["6"], "first": ["7"],
      "last": ["8"], "udp": ["1"], "syn": ["42"], "rst": ["2"], "completed": ["40"], "refused": ["3"]}),
    (2, struct.pack("<16s16sHHBBBxQQQQ", bytes.fromhex("20010db8") + bytes(11) + b"\2",
                    bytes.fromhex("20010db8") + bytes(11) + b"\3", 50000, 443, 6, 0x12, 1, 5, 6, 2**40, 2**41),
     {"srcip6": ["2001:db8::2"], "dstip6": ["2001:db8::3"], "srcport": ["50000"], "dstport": ["443"],
      "flags": ["0x12"], "ended": ["1"], "count_packets": [str(2**40)], "size": [str(2**41)]}),
    (3, struct.pack("<16sQQQQ5IB3x", bytes(10) + b"\xff\xff\x0a\0\0\3", 1, 2, 3, 4, 5, 6, 7, 8, 9, 1),
     {"srcip": ["10.0.0.3"], "packets": ["3"], "size": ["4"], "syn": ["5"], "udp": ["6"], "completed": ["7"],
      "hosts": ["8"], "ports": ["9"], "ended": ["1"]}),
    (4, struct.pack("<16sQQQQ5IB3x", bytes(15) + b"\1", 1, 2, 3, 4, 5, 6, 7, 8, 9, 0),
     {"dstip6": ["::1"], "sources": ["8"], "ports": ["9"], "ended": ["0"]}),
    (5, struct.pack("<I4xQQQQQQQ", 3, 1, 1000, 2000, 5, 4, 3, 2),
     {"ifindex": ["3"], "packets": ["1000"], "size": ["2000"], "not_ip": ["5"], "malformed": ["4"],
      "flow_shed": ["3"], "port_shed": ["2"]}),
]

FIELDS = sorted({field for fields in [*EXPECTED.values(), *(record[2] for record in RECORDS)]
                 for field in fields} | {"error", "sealed", "tag"})
CONTROL = ["type", "version_min", "version_max", "version", "boot", "epoch", "session", "before", "limit",
           "error", "datagram_max", "schema.event", "schema.octets", "schema.hash", "cipher"]


def section(document, number):
    begin = document.index(f"### {number}")
    end = document.find("\n### ", begin + 1)
    return document[begin:end if end > 0 else len(document)]


def dissected(root, capture, *options):
    shown = dissect(root, capture, ["netlambda." + field for field in FIELDS], *options)
    return [{name.removeprefix("netlambda."): values for name, values in each.items()} for each in shown]


def check_vectors(root, document, directory):
    up, down = vectors_of(section(document, "12.1")), vectors_of(section(document, "12.2"))
    # Whose first bits are not version 2's goes to the parser of version 1, which has its own names.
    up = [(name, "bad-version" if name == "fixed-bits" else error, data) for name, error, data in up]
    if {name for name, error, _ in up + down if not error} != set(EXPECTED):
        sys.exit("docs/protocol-2.md has other vectors than this test knows")
    capture = directory / "packets.pcap"
    write_capture(capture, [frame(data + TAG, AGENT, PORT) for _, _, data in up]
                  + [frame(data + TAG, PORT, AGENT) for _, _, data in down])
    shown = dissected(root, capture, "-d", f"udp.port=={PORT},netlambda", "-o", SCHEMAS)
    for (name, error, _), found in zip(up + down, shown, strict=True):
        yield from compare(name, found, {"error": [error]} if error else EXPECTED[name])
        if not error and "error" in found:
            yield f"{name}: refused as {found['error']}, expected to be accepted"


def events_packet(schema, record, count):
    body = struct.pack("!HHQ", schema, count, 0) + record * count
    return struct.pack("!BxxxxxxBQ", 0x80, 9, 1) + struct.pack("!BBH", 2, 1, len(body)) + body + TAG


def check_records(root, directory):
    capture = directory / "records.pcap"
    write_capture(capture, [frame(events_packet(schema, record, 1), AGENT, PORT)
                            for schema, (_, record, _) in enumerate(RECORDS)])
    schemas = ",".join(f"{number}:{len(record)}" for number, record, _ in RECORDS)
    shown = dissected(root, capture, "-d", f"udp.port=={PORT},netlambda", "-o", f"netlambda.schemas:{schemas}")
    for (number, _, expected), found in zip(RECORDS, shown, strict=True):
        yield from compare(f"record of event {number}", found, expected)
        if "error" in found:
            yield f"record of event {number}: refused as {found['error']}"


def check_heuristic(root, document, directory):
    """Open packets on any port, sealed ones on the server's, and what is foreign is left alone."""
    good = [(name, data) for name, error, data in vectors_of(section(document, "12.1")) if not error]
    sealed = good[0][1][:16] + b"\x55" * 60
    foreign = [b"\x80" + b"\x11" * 70, b"\x80" + bytes(171), bytes(64)]
    capture = directory / "heuristic.pcap"
    write_capture(capture, [frame(data + TAG, 40001, 40002) for _, data in good]
                  + [frame(sealed, AGENT, PORT)] + [frame(data, 40001, 40002) for data in foreign])
    shown = dissected(root, capture, "--enable-heuristic", "netlambda_udp", "-o", SCHEMAS)
    for (name, _), found in zip(good, shown):
        yield from compare(f"{name}, any port", found, EXPECTED[name])
    yield from compare("sealed", shown[len(good)], {"packet": ["0"], "sealed": ["55" * 44], "tag": ["55" * 16]})
    for found in shown[len(good) + 1:]:
        if found:
            yield f"foreign datagram: shown as {found}"


def check_decrypted(root, netlambda, document, directory):
    """The sealed PINGs of section 5.4: `netlambda decrypt` opens them, then they are shown."""
    sealed = re.findall(r"^\| (AES|ChaCha)\S+ \| 2\^22 \| `([0-9a-f]+)` \| `([0-9a-f]+)` \|$", document, re.M)
    if len(sealed) != 2:
        sys.exit("docs/protocol-2.md 5.4 has other vectors than this test knows")
    for number, (cipher, header, text) in enumerate(sealed):
        capture, log, opened = directory / "sealed.pcap", directory / "netlambda.log", directory / "opened.pcap"
        write_capture(capture, [frame(bytes.fromhex(header + text), AGENT, PORT)])
        log.write_text(f"NETLAMBDA_2 00000000000007 {number + 1:02x} {bytes(range(32)).hex()} {bytes(32).hex()}\n",
                       encoding="ascii")
        subprocess.run([netlambda, "decrypt", capture, "--key-log", log, "--write", opened], check=True,
                       capture_output=True)
        options = ["--enable-heuristic", "netlambda_udp"]
        yield from compare(f"{cipher}, sealed", dissected(root, capture, *options)[0],
                           {"packet": ["258"], "sealed": [text[:8]], "frame.type": None})
        yield from compare(f"{cipher}, decrypted", dissected(root, opened, *options)[0],
                           {"packet": ["258"], "frame.type": ["1"], "tag": ["00" * 16], "sealed": None})


# ---- the control channel ----

def segment(payload, source, destination, sequence, acknowledged):
    tcp = struct.pack("!HHIIBBHHH", source, destination, sequence, acknowledged, 0x50, 0x18, 65535, 0, 0)
    addresses = [bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])]
    if source < destination:
        addresses.reverse()
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, *addresses)
    return bytes(12) + b"\x08\x00" + ip + tcp + payload


def contexts(directory):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=server", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.keylog_filename = str(directory / "keys.log")
    server.load_cert_chain(certificate, key)
    for context in (client, server):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["netlambda/2"])
    return client, server


class Connection:
    """Both ends in memory; what they say to each other is kept as TCP segments."""

    def __init__(self, directory):
        self.segments, self.sequences, self.buffers, self.ends = [], [1, 1], [], []
        for i, context in enumerate(contexts(directory)):
            self.buffers.append((ssl.MemoryBIO(), ssl.MemoryBIO()))
            self.ends.append(context.wrap_bio(*self.buffers[i], server_side=i == 1))
        done = [False, False]
        while not all(done):
            for i in (0, 1):
                try:
                    self.ends[i].do_handshake()
                    done[i] = True
                except ssl.SSLWantReadError:
                    pass
                self.carry(i)

    def carry(self, sender):
        data, ports = self.buffers[sender][1].read(), (40010, 5006)
        if data:
            self.segments.append(segment(data, ports[sender], ports[1 - sender], self.sequences[sender],
                                         self.sequences[1 - sender]))
            self.sequences[sender] += len(data)
            self.buffers[1 - sender][0].write(data)

    def say(self, sender, message):
        self.ends[sender].write(message)
        self.carry(sender)


def check_control(root, document, directory):
    """HELLO and WELCOME, as the document has them; then a packet of their session, whose schemas are known."""
    messages = {name: data for name, _, data in vectors_of(section(document, "12.3"))}
    connection = Connection(directory)
    connection.say(0, messages["hello"][:9])
    connection.say(0, messages["hello"][9:])
    connection.say(1, messages["welcome"] + messages["refused"])
    record = RECORDS[0][1][:72]
    packet = events_packet(0, record, 1)
    packet = packet[:7] + b"\x07" + packet[8:]  # the WELCOME's session
    capture = directory / "control.pcap"
    write_capture(capture, connection.segments + [frame(packet, AGENT, PORT)])
    options = ["-o", f"tls.keylog_file:{directory / 'keys.log'}", "--enable-heuristic", "netlambda_udp"]
    shown = dissect(root, capture, ["netlambda_control." + field for field in CONTROL] + ["netlambda.record"], *options)
    found = [{name.split(".", 1)[1]: values for name, values in each.items()} for each in shown if each]
    hello, answers, events = found
    yield from compare("HELLO", hello, {
        "type": ["1"], "version_min": ["2"], "version_max": ["2"], "boot": ["0x0000000000000099"], "epoch": ["0"],
        "datagram_max": ["1472"], "schema.event": ["1"], "schema.octets": ["72"],
        "schema.hash": ["0x0123456789abcdef"]})
    yield from compare("WELCOME and REFUSED", answers, {
        "type": ["2", "3"], "version": ["2"], "session": ["0x0000000000000007"], "epoch": ["3"],
        "before": ["0", "5", "0", "9"], "limit": ["64", "261", "256", "73"], "datagram_max": ["8972"],
        "error": ["22"]})
    yield from compare("a packet of the session", events, {"record": [record.hex()]})


def main():
    root, netlambda = pathlib.Path(sys.argv[1]), sys.argv[2]
    if not shutil.which("tshark"):
        print("skipped: there is no tshark")
        return 77
    document = (root / "docs/protocol-2.md").read_text(encoding="utf-8")
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        wrong += check_vectors(root, document, directory)
        wrong += check_records(root, directory)
        wrong += check_heuristic(root, document, directory)
        wrong += check_decrypted(root, netlambda, document, directory)
        wrong += check_control(root, document, directory)
    print("\n".join(wrong) or "all is shown as it is")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
