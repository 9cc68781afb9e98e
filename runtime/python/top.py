# SPDX-License-Identifier: BSD-2-Clause
"""
The values with the largest sums: Space-Saving (Metwally et al. 2005), one for each part of a window,
or a single one without. A part has a fixed number of slots; a value that finds none free takes that of
the smallest sum, and that sum is what its own may be too large by. So no sum is too large by more than
the part's total / slots, and that adds up over the parts to the window's total / slots.
"""

import math

from windows import BUCKETS, bucket_of, check_amount, dumps, text_of

TOP_MAX = 50
SLOTS_MIN = 32
SLOTS_EACH = 4  # of the values that are asked for


class Part:
    def __init__(self):
        self._places = {}  # value -> its slot
        self.values, self.sums, self.errors = [], [], []

    @classmethod
    def from_json(cls, flat):
        """[value, sum, error, value, sum, error, ...]"""
        part = cls()
        for value in zip(flat[::3], flat[1::3], flat[2::3]):
            part._append(*value)
        return part

    def to_json(self):
        return [member for slot in zip(self.values, self.sums, self.errors) for member in slot]

    def _append(self, value, amount, error):
        self._places[value] = len(self.values)
        self.values.append(value)
        self.sums.append(amount)
        self.errors.append(error)

    def _remove(self):
        del self._places[self.values.pop()]
        self.sums.pop()
        self.errors.pop()

    def _put(self, slot, value, amount, error):
        del self._places[self.values[slot]]
        self._places[value] = slot
        self.values[slot], self.sums[slot], self.errors[slot] = value, amount, error

    def smallest(self):
        """The first of the smallest sums."""
        return self.sums.index(min(self.sums))

    def find(self, value):
        return self._places.get(value)

    def add(self, value, amount, slots, undo):
        slot = self.find(value)
        if slot is None and len(self.values) < slots:
            self._append(value, amount, 0)
            undo.append(self._remove)
            return
        known = slot is not None
        if not known:
            slot = self.smallest()
        before = self.values[slot], self.sums[slot], self.errors[slot]
        undo.append(lambda: self._put(slot, *before))
        if known:
            self.sums[slot] += amount
        else:
            self._put(slot, value, before[1] + amount, before[1])


class Top:
    """`length`: 0, there is no window."""

    def __init__(self, length, k):
        if isinstance(k, bool) or not isinstance(k, int) or not 0 < k <= TOP_MAX:
            raise ValueError(f'top: expected a number of values from 1 to {TOP_MAX}, found {k!r}')
        self.length = length
        self.k = k
        self.newest = 0 if length == 0 else -math.inf  # a bucket's number
        self.parts = [None] * (1 if length == 0 else BUCKETS)  # by age: the newest first
        self._slots = max(SLOTS_EACH * k, SLOTS_MIN)

    @classmethod
    def from_json(cls, value):
        top = cls(value['$top'], value['k'])
        top.newest = -math.inf if value['at'] is None else value['at']
        for age, *flat in value['parts']:
            top.parts[age] = Part.from_json(flat)
        return top

    def to_text(self):
        parts = [[age, *part.to_json()] for age, part in enumerate(self.parts) if part]
        at = None if self.newest == -math.inf else self.newest
        return dumps({'$top': self.length, 'k': self.k, 'at': at, 'parts': parts})

    def size(self):
        return 64 + sum(32 * len(part.values) for part in self.parts if part)

    def fits(self, length, k):
        return self.length == length and self.k == k

    def _bucket(self, now):
        return 0 if self.length == 0 else bucket_of(now, self.length)

    def _advance(self, bucket, undo):
        newest, parts = self.newest, self.parts

        def back():
            self.newest, self.parts = newest, parts

        undo.append(back)
        steps = int(min(bucket - newest, len(parts)))
        self.parts = [None] * steps + parts[: len(parts) - steps]
        self.newest = bucket

    def _make_part(self, age, undo):
        parts = self.parts
        parts[age] = Part()
        undo.append(lambda: parts.__setitem__(age, None))

    def add(self, now, undo, value, amount):
        """True if that changed anything."""
        text, bucket = text_of(value), self._bucket(now)
        if check_amount(amount) < 0:
            raise ValueError(f'top: expected an amount of 0 or more, found {amount!r}')
        if amount == 0 or bucket <= self.newest - len(self.parts):
            return False
        if bucket > self.newest:
            self._advance(bucket, undo)
        age = self.newest - bucket
        if self.parts[age] is None:
            self._make_part(age, undo)
        self.parts[age].add(text, amount, self._slots, undo)
        return True

    def _in_window(self, now):
        """The parts that are in the window, with what a value can be at most that they do not have."""
        left = len(self.parts) - max(0, self._bucket(now) - self.newest)
        parts = [part for part in self.parts[: int(max(left, 0))] if part]
        return [(part, 0 if len(part.values) < self._slots else min(part.sums)) for part in parts]

    @staticmethod
    def _sum_of(text, parts):
        total, error = 0, 0
        for part, most in parts:
            slot = part.find(text)
            total += most if slot is None else part.sums[slot]
            error += most if slot is None else part.errors[slot]
        return {'value': text, 'sum': total, 'error': error}

    def sum(self, now, value):
        """The sum of one value, at most."""
        return self._sum_of(text_of(value), self._in_window(now))['sum']

    def value(self, now):
        """The `k` largest: of each, the true sum lies between sum - error and sum."""
        parts = self._in_window(now)
        texts = dict.fromkeys(text for part, _ in parts for text in part.values)
        sums = [self._sum_of(text, parts) for text in texts]
        return sorted(sums, key=lambda one: (-one['sum'], one['error']))[: self.k]

    def expired(self, now):
        return self.length > 0 and self._bucket(now) > self.newest + 2 * BUCKETS
