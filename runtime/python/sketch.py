# SPDX-License-Identifier: BSD-2-Clause
"""
How many distinct values there were, of any number of them, in a fixed amount of memory: HyperLogLog
(Flajolet et al. 2007), one for each part of a window. The estimate is that of Ertl (2017, algorithm 6),
which needs no correction for small or large counts. Its standard error is 1.04 / sqrt(REGISTERS), 3.25 %.
"""

import math
import re
import zlib

INDEX_BITS = 10
REGISTERS = 1 << INDEX_BITS
RANK_MAX = 32 - INDEX_BITS + 1
RANK_ONE = ord('a') - 1

_PARTS = re.compile('[0-9]+|[a-w]')


def hash_text(text):
    """The CRC-32 of its UTF-8, mixed by MurmurHash3's finalizer: the same in all runtimes."""
    value = zlib.crc32(text.encode('utf-8', 'replace'))
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return value ^ (value >> 16)


def registers_text(registers):
    """In a text: each register's letter ("a" is 1), and how many zeros there are in front of it."""
    parts, zeros = [], 0
    for rank in registers:
        if rank == 0:
            zeros += 1
            continue
        if zeros > 0:
            parts.append(str(zeros))
        parts.append(chr(RANK_ONE + rank))
        zeros = 0
    return ''.join(parts)


def read_registers(text):
    registers, at = bytearray(REGISTERS), 0
    for part in _PARTS.findall(text):
        if part < 'a':
            at += int(part)
        else:
            registers[at] = ord(part) - RANK_ONE
            at += 1
    return registers


def _sigma(x):
    if x == 1:
        return math.inf
    z, power, y, before = x, x, 1.0, math.nan
    while z != before:
        power *= power
        before = z
        z += power * y
        y += y
    return z


def _tau(x):
    if x in (0, 1):
        return 0
    z, root, y, before = 1 - x, x, 1.0, math.nan
    while z != before:
        root = math.sqrt(root)
        before = z
        y *= 0.5
        z -= (1 - root) * (1 - root) * y
    return z / 3


def _estimate(counts):
    """`counts`: how many registers have each rank."""
    z = REGISTERS * _tau(1 - counts[RANK_MAX] / REGISTERS)
    for rank in range(RANK_MAX - 1, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    return math.floor((0.5 / math.log(2)) * REGISTERS * (REGISTERS / z) + 0.5)


def _unite(parts):
    """The largest rank of each register, and how many there are of each."""
    there = [part for part in parts if part]
    union = bytearray(map(max, zip(*there))) if there else bytearray(REGISTERS)
    return union, [union.count(rank) for rank in range(RANK_MAX + 1)]


class Sketch:
    def __init__(self, parts):
        self._take([None] * parts)

    @classmethod
    def from_json(cls, parts, texts):
        """[[age, text], ...]"""
        sketch = cls(parts)
        for age, text in texts:
            sketch._parts[age] = read_registers(text)
        sketch._take(sketch._parts)
        return sketch

    def to_json(self):
        texts = [[age, registers_text(part or b'')] for age, part in enumerate(self._parts)]
        return [[age, text] for age, text in texts if text]

    def is_empty(self):
        return self._counts[0] == REGISTERS

    def _take(self, parts):
        self._parts = parts  # registers by age, the newest part's first; None: nothing was seen in that part
        self._union, self._counts = _unite(parts)
        self._known = None  # the union's estimate

    def advance(self, steps, undo):
        """The parts become older."""
        parts, union, counts = self._parts, self._union, self._counts

        def back():
            self._parts, self._union, self._counts, self._known = parts, union, counts, None

        undo.append(back)
        self._take([None] * steps + parts[: len(parts) - steps])

    def add(self, age, text, undo):
        """True if that changed anything."""
        value = hash_text(text)
        index, rest = value >> (32 - INDEX_BITS), value & ((1 << (32 - INDEX_BITS)) - 1)
        rank = RANK_MAX - rest.bit_length()
        part = self._parts[age]
        if part is None:
            part = self._parts[age] = bytearray(REGISTERS)
        before, united = part[index], self._union[index]
        if rank <= before:
            return False
        self._put(part, index, rank, max(rank, united))
        undo.append(lambda: self._put(part, index, before, united))
        return True

    def _put(self, part, index, rank, united):
        part[index] = rank
        if united == self._union[index]:
            return
        self._counts[self._union[index]] -= 1
        self._counts[united] += 1
        self._union[index] = united
        self._known = None

    def value(self, parts):
        """Of the newest `parts` parts."""
        if parts < len(self._parts):
            return _estimate(_unite(self._parts[: max(parts, 0)])[1])
        if self._known is None:
            self._known = _estimate(self._counts)
        return self._known
