# SPDX-License-Identifier: BSD-2-Clause
"""What the dissector's tests share: vectors out of the documents, captures, and what tshark shows."""
import re
import struct
import subprocess
import sys

VECTOR = re.compile(r"^\*\*([\w-]+)\*\*(?:, `([\w-]+)`)?: ?.*?\n(?:\n```\n(.*?)```\n)?", re.M | re.S)


def octets(text):
    """The octets of annotated hex (docs/protocol-1.md 9)."""
    result = b""
    for line in text.splitlines():
        for octet, times in re.findall(r"\b([0-9a-f]{2})\b(?: x (\d+))?", line.split("  ")[0]):
            result += bytes.fromhex(octet) * int(times or 1)
    return result


def vectors_of(section):
    """[(name, error or None, octets)]"""
    return [(name, error, octets(text or "")) for name, error, text in VECTOR.findall(section)]


def frame(payload, source, destination):
    """The payload in Ethernet, IPv4 and UDP; tshark checks no checksum."""
    udp = struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    return bytes(12) + b"\x08\x00" + ip + udp


def write_capture(path, frames):
    with open(path, "wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, data in enumerate(frames):
            capture.write(struct.pack("<IIII", number, 0, len(data), len(data)) + data)


def dissect(root, capture, fields, *options):
    """A list of {field: [values]}, one a frame."""
    command = ["tshark", "-n", "-X", f"lua_script:{root}/deploy/wireshark/netlambda.lua", *options,
               "-r", str(capture), "-T", "fields", "-E", "separator=|", "-E", "aggregator=,"]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0 or "Lua" in run.stderr:
        sys.exit(f"tshark failed: {run.stderr}")
    return [{field: values.split(",") for field, values in zip(fields, line.split("|")) if values}
            for line in run.stdout.splitlines()]


def compare(name, found, expected):
    """Messages for the fields that differ."""
    for field, values in expected.items():
        shown = found.get(field)
        if shown != values:
            yield f"{name}: {field}: found {shown}, expected {values}"
