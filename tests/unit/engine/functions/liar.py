# SPDX-License-Identifier: BSD-2-Clause
"""A worker for tests/unit/engine/test_liar.c, whose results are not to be believed; how, its handler's name says."""

import os
import struct

HELLO, SCHEMA, STATE, START, BATCH, DROP, EVICT = range(1, 8)
READY, RESULT = 64, 65
COLLECTED = 1
FAILED, SKIPPED = 1, 2
ORDERED = 2  # ORDER_THROW


def receive(size):
    data = b''
    while len(data) < size:
        more = os.read(3, size - len(data))
        if not more:
            raise SystemExit(0)
        data += more
    return data


def send(kind, payload=b''):
    frame = struct.pack('<IB3x', len(payload), kind) + payload + bytes(-len(payload) % 8)
    while frame:
        frame = frame[os.write(3, frame) :]


def text(data):
    return struct.pack('<I', len(data)) + data + b'\0'


def send_result(count, exceptions=(), writes=(), flags=COLLECTED):
    parts = [struct.pack('<III', count, flags, len(exceptions))]
    for index, kind, reason in exceptions:
        parts.append(struct.pack('<IB', index, kind) + (text(reason) if kind == FAILED else b''))
    parts.append(struct.pack('<II', 0, len(writes)))
    for key_hash, key, name, value in writes:
        parts.append(struct.pack('<Q', key_hash) + text(key) + text(name) + b'\0' + text(value))
    send(RESULT, b''.join(parts))


class Texts:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def number(self, form):
        value = struct.unpack_from('<' + form, self.data, self.at)[0]
        self.at += struct.calcsize('<' + form)
        return value

    def text(self):
        size = self.number('I')
        self.at += size + 1
        return self.data[self.at - size - 1 : self.at - 1]


# event id -> the record's size, and where `udp` is, which is the order
schemas = {}


def note_schema(payload):
    reader = Texts(payload)
    event_id, _, size, count = reader.number('I'), reader.text(), reader.number('H'), reader.number('H')
    orders = [reader_field[1] for reader_field in (read_field(reader) for _ in range(count)) if reader_field[0] == b'udp']
    schemas[event_id] = (size, orders[0] if orders else None)


def read_field(reader):
    name, _, offset, _ = reader.text(), reader.text(), reader.number('H'), reader.number('H')
    return name, offset


def read_batch(payload):
    """Of each event its key's hash and its order."""
    count, at = struct.unpack_from('<I', payload)[0], 8
    for _ in range(count):
        key_hash, event_id = struct.unpack_from('<Q16xI', payload, at)
        size, order = schemas[event_id]
        yield key_hash, struct.unpack_from('<I', payload, at + 40 + order)[0]
        at += 40 + size + -size % 8


def skips(events):
    send_result(len(events), [(i, SKIPPED, b'') for i, (_, order) in enumerate(events) if order == ORDERED])


def overtakes(events):
    send_result(len(events), [(i, FAILED, b'as told') for i, (_, order) in enumerate(events) if order == ORDERED])


def floods(events):
    for key_hash, _ in events:
        send_result(1, writes=[(key_hash, b'10.0.0.3', b'much', b'"' + b'x' * (4 << 20) + b'"')])


def rambles(events):
    exceptions, failed = [], set()
    for i, (key_hash, order) in enumerate(events):
        if key_hash in failed:
            exceptions.append((i, SKIPPED, b''))
        elif order == ORDERED:
            exceptions.append((i, FAILED, b'\xff' * (1 << 20)))
            failed.add(key_hash)
    send_result(len(events), exceptions)


lie = None
while True:
    size, kind = struct.unpack('<IB3x', receive(8))
    payload = receive(size + -size % 8)[:size]
    if kind == HELLO:
        hello = Texts(payload, 2)
        hello.text(), hello.text()
        lie = globals()[hello.text().decode().rpartition('.')[2]]
    elif kind == SCHEMA:
        note_schema(payload)
    elif kind == START:
        send(READY)
    elif kind == BATCH:
        batch = list(read_batch(payload))
        if batch:
            lie(batch)
        else:
            send_result(0)
