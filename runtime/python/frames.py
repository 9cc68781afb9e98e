# SPDX-License-Identifier: BSD-2-Clause
"""
The frames of the worker pipe (docs/functions.md): u32 length of the payload, u8 type, three zeros, the
payload, zeros up to a multiple of 8. Integers are little-endian; a text is a u32 length, UTF-8, and a zero
byte.
"""

import functools
import struct

VERSION = 4
FRAME_MAX = 16 << 20
HEADER_BYTES = 8

HELLO, SCHEMA, STATE, START, BATCH, DROP, EVICT = range(1, 8)
READY, RESULT, FAILED = range(64, 67)

_u8 = struct.Struct('<B')
_u16 = struct.Struct('<H')
_u32 = struct.Struct('<I')
_u64 = struct.Struct('<Q')


def aligned(length):
    return (length + 7) & ~7


class Splitter:
    """Cuts a stream of chunks into frames."""

    def __init__(self):
        self._bytes = bytearray()

    def feed(self, chunk):
        """Gives (type, payload) of each frame that is now complete."""
        self._bytes += chunk
        at = 0
        while len(self._bytes) - at >= HEADER_BYTES:
            (length,) = _u32.unpack_from(self._bytes, at)
            if length > FRAME_MAX:
                raise ValueError(f'a frame of {length} bytes')
            start = at + HEADER_BYTES
            end = start + aligned(length)
            if len(self._bytes) < end:
                break
            yield self._bytes[at + 4], bytes(self._bytes[start : start + length])
            at = end
        del self._bytes[:at]


class Reader:
    """Reads a payload from front to back."""

    def __init__(self, payload):
        self._bytes = payload
        self._at = 0

    def _take(self, form):
        (value,) = form.unpack_from(self._bytes, self._at)
        self._at += form.size
        return value

    def u8(self):
        return self._take(_u8)

    def u16(self):
        return self._take(_u16)

    def u32(self):
        return self._take(_u32)

    def u64(self):
        return self._take(_u64)

    def hashes(self):
        """All that is left."""
        return [self.u64() for _ in range((len(self._bytes) - self._at) // 8)]

    def text(self):
        end = self.u32() + self._at
        if end >= len(self._bytes):
            raise ValueError('a text runs over the end of its frame')
        text = self._bytes[self._at : end].decode()
        self._at = end + 1
        return text


def text_bytes(text):
    """A text as it stands in a frame. What UTF-8 has no form for (a lone surrogate) becomes "?"."""
    encoded = text.encode('utf-8', 'replace')
    return b'%b%b\0' % (_u32.pack(len(encoded)), encoded)


# For keys and names, which come again and again.
name_bytes = functools.lru_cache(maxsize=16384)(text_bytes)


def u8_bytes(value):
    return _u8.pack(value)


def u32_bytes(value):
    return _u32.pack(value)


def u64_bytes(value):
    return _u64.pack(value)


def frame(kind, parts):
    """One frame of a type, from its payload's parts."""
    payload = b''.join(parts)
    length = len(payload)
    return b'%b%b%b%b' % (_u32.pack(length), _u32.pack(kind), payload, bytes(aligned(length) - length))
