# SPDX-License-Identifier: BSD-2-Clause
"""
What state can hold besides plain values; the Node.js runtime has the same, and keeps them in the same
JSON. Each is a pure data structure: time comes in as a parameter (event time, milliseconds), nothing
reads a clock. Each change appends a function to `undo` that takes it back. `to_text` is what the
database keeps: JSON whose first member names the class and begins with "$", which plain values may not.

A window of a length is cut into BUCKETS parts: it covers between 9/10 of its length and all of it. Its
end is the newest event time that it was told. An event that is late, but still in the window, counts
where it belongs; one that is older than the window counts nowhere.
"""

import json
import math
import re
import types

BUCKETS = 10
TEXT_MAX = 128  # characters of a value that is counted
GROWTH_IDLE_MS = 3600e3


def _plain(value):
    if isinstance(value, types.MappingProxyType):  # a part of context.config
        return dict(value)
    raise TypeError(f'a {type(value).__name__} is no JSON value')


# JSON text of a value. Made once: json.dumps() with options makes an encoder a call.
dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(',', ':'), default=_plain).encode


def bucket_of(now, length):
    """The number of the bucket that a time is in."""
    return math.floor(now * BUCKETS / length)


def check_amount(amount):
    if type(amount) is int and -(2**64) < amount < 2**64:  # what it is nearly always
        return amount
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not math.isfinite(amount):
        raise TypeError(f'expected a number, found {amount!r}')
    return amount


def text_of(value):
    """What values are told apart by."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else dumps(value)
    if len(text) > TEXT_MAX:
        raise ValueError(f'expected a value of at most {TEXT_MAX} characters, found {len(text)}')
    return text


class Window:
    def __init__(self, length):
        self.length = length
        self.newest = -math.inf  # a bucket's number: time / width
        self.sums = [0] * BUCKETS  # by age: the newest bucket's first

    @classmethod
    def from_json(cls, value):
        window = cls(value['$window'])
        window.newest = -math.inf if value['at'] is None else value['at']
        window.sums[: len(value['sums'])] = value['sums']
        return window

    def to_text(self):
        count = BUCKETS
        while count > 0 and self.sums[count - 1] == 0:
            count -= 1
        at = None if self.newest == -math.inf else self.newest
        return dumps({'$window': self.length, 'at': at, 'sums': self.sums[:count]})

    @staticmethod
    def size():
        return 160

    def fits(self, length):
        return self.length == length

    def _advance(self, bucket, undo):
        newest, sums = self.newest, self.sums

        def back():
            self.newest, self.sums = newest, sums

        undo.append(back)
        steps = int(min(bucket - newest, BUCKETS))
        self.sums = [0] * steps + sums[: BUCKETS - steps]
        self.newest = bucket

    def add(self, now, undo, amount):
        """True if that changed anything."""
        check_amount(amount)
        bucket = bucket_of(now, self.length)
        if amount == 0 or bucket <= self.newest - BUCKETS:
            return False
        if bucket > self.newest:
            self._advance(bucket, undo)
        age, sums = self.newest - bucket, self.sums
        before = sums[age]
        undo.append(lambda: sums.__setitem__(age, before))
        sums[age] += amount
        return True

    def value(self, now):
        """The sum over the window that ends now, or at the newest time that it knows."""
        left = BUCKETS - max(0, bucket_of(now, self.length) - self.newest)
        return sum(self.sums[: int(left)]) if left > 0 else 0

    def expired(self, now):
        return bucket_of(now, self.length) > self.newest + 2 * BUCKETS


class Growth:
    """
    How much a cumulative counter has grown since it was last told. The counter starts anew with each
    incarnation; a first sight counts in full. Where the sender has no name for the incarnation, a value
    below half of the last one is a new one, and a value a little smaller is an update that was overtaken.
    """

    def __init__(self):
        self.last = 0
        self.incarnation = ''
        self.at = 0

    @classmethod
    def from_json(cls, value):
        growth = cls()
        growth.last, growth.incarnation, growth.at = value['$growth'], value['of'], value['at']
        return growth

    def to_text(self):
        return dumps({'$growth': self.last, 'of': self.incarnation, 'at': self.at})

    @staticmethod
    def size():
        return 80

    @staticmethod
    def fits():
        return True

    def ask(self, now, undo, value, incarnation):
        """(the growth, true if that changed anything)"""
        check_amount(value)
        last, before, at = self.last, self.incarnation, self.at
        is_new = incarnation != before or (not incarnation and value < last / 2)
        grown = value if is_new else max(0, value - last)
        if grown == 0 and not is_new:
            return 0, False

        def back():
            self.last, self.incarnation, self.at = last, before, at

        undo.append(back)
        self.last, self.incarnation, self.at = value, incarnation, max(at, math.floor(now))
        return grown, True

    def expired(self, now):
        return now - self.at > GROWTH_IDLE_MS


class Once:
    """Says yes, and then no until it was not asked for `length`."""

    def __init__(self, length):
        self.length = length
        self.at = -math.inf

    @classmethod
    def from_json(cls, value):
        once = cls(value['$once'])
        once.at = -math.inf if value['at'] is None else value['at']
        return once

    def to_text(self):
        return dumps({'$once': self.length, 'at': None if self.at == -math.inf else self.at})

    @staticmethod
    def size():
        return 60

    def fits(self, length):
        return self.length == length

    def ask(self, now, undo):
        """(the answer, true if that changed anything); it is noted to a tenth of the length."""
        at = self.at
        fresh = now - at >= self.length
        if not fresh and now - at < self.length / BUCKETS:
            return False, False
        undo.append(lambda: setattr(self, 'at', at))
        self.at = math.floor(now)
        return fresh, True

    def expired(self, now):
        return now - self.at > 2 * self.length


_UNITS = {'ms': 1, 's': 1000, 'm': 60_000, 'h': 3_600_000, 'd': 86_400_000}
_LENGTH = re.compile(r'([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)')
_lengths = {}


def parse_length(length):
    """"10s", "500ms", "5m", "1h" or a number of milliseconds."""
    known = _lengths.get(length)
    if known is not None:
        return known
    match = _LENGTH.fullmatch(length) if isinstance(length, str) else None
    ms = float(match[1]) * _UNITS[match[2]] if match else length
    if isinstance(ms, bool) or not isinstance(ms, (int, float)) or not BUCKETS <= ms <= 366 * _UNITS['d']:
        raise ValueError(f'expected a length such as "10s", "5m" or "1h", found {length!r}')
    if ms == int(ms):
        ms = int(ms)
    if len(_lengths) < 1000:
        _lengths[length] = ms
    return ms
