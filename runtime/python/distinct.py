# SPDX-License-Identifier: BSD-2-Clause
"""
The distinct values of a window, as windows.py has it. Up to `cap` values are remembered as they are, so
that the count is exact, and nobody who chooses values can make it smaller; more of them are counted by
a sketch as well. The count is the larger of the two.
"""

import math

from sketch import Sketch
from windows import BUCKETS, bucket_of, dumps, text_of

CAP = 256  # unless the function asks for another ...
CAP_MAX = 4096  # ... up to this


class Distinct:
    def __init__(self, length, cap=None):
        cap = CAP if cap is None else cap
        if not (isinstance(cap, int) and 0 < cap <= CAP_MAX):
            raise ValueError(f'distinct: expected a cap from 1 to {CAP_MAX}, found {cap!r}')
        self.length = length
        self.cap = cap
        self.newest = -math.inf
        self.seen = {}  # value -> the newest bucket it was seen in
        self.sketch = None  # since there were more than `cap`

    @classmethod
    def from_json(cls, value):
        distinct = cls(value['$distinct'], value['cap'])
        distinct.newest = -math.inf if value['at'] is None else value['at']
        for age, *values in value['seen']:
            for text in values:
                distinct.seen[text] = distinct.newest - age
        if 'sketch' in value:
            distinct.sketch = Sketch.from_json(BUCKETS, value['sketch'])
        return distinct

    def to_text(self):
        by_age = {}
        for text, bucket in self.seen.items():
            age = self.newest - bucket
            by_age.setdefault(age, [age]).append(text)
        at = None if self.newest == -math.inf else self.newest
        value = {'$distinct': self.length, 'cap': self.cap, 'at': at, 'seen': list(by_age.values())}
        if self.sketch:
            value['sketch'] = self.sketch.to_json()
        return dumps(value)

    def size(self):
        """Roughly, characters of its text."""
        return 64 + 16 * len(self.seen) + (8192 if self.sketch else 0)

    def fits(self, length, cap=None):
        return self.length == length and self.cap == (CAP if cap is None else cap)

    def _advance(self, bucket, undo):
        newest, seen, sketch = self.newest, self.seen, self.sketch
        gone = [(text, seen_in) for text, seen_in in seen.items() if seen_in <= bucket - BUCKETS]

        def back():
            seen.update(gone)
            self.newest, self.sketch = newest, sketch

        undo.append(back)
        for text, _ in gone:
            del seen[text]
        self.newest = bucket
        if not sketch:
            return
        sketch.advance(min(bucket - newest, BUCKETS), undo)
        if sketch.is_empty():
            self.sketch = None

    def _begin_sketch(self, undo):
        sketch = Sketch(BUCKETS)
        for text, bucket in self.seen.items():
            sketch.add(self.newest - bucket, text, undo)
        undo.append(lambda: setattr(self, 'sketch', None))
        self.sketch = sketch

    def _note(self, text, bucket, undo):
        seen = self.seen
        before = seen.get(text)
        if (len(seen) >= self.cap) if before is None else (before >= bucket):
            return False
        seen[text] = bucket
        undo.append(lambda: seen.pop(text) if before is None else seen.__setitem__(text, before))
        return True

    def add(self, now, undo, value):
        """True if that changed anything."""
        text = text_of(value)
        bucket = bucket_of(now, self.length)
        if bucket <= self.newest - BUCKETS:
            return False
        advances = bucket > self.newest
        if advances:
            self._advance(bucket, undo)
        if not self.sketch and len(self.seen) >= self.cap and text not in self.seen:
            self._begin_sketch(undo)
        notes = self._note(text, bucket, undo)
        sketches = bool(self.sketch) and self.sketch.add(self.newest - bucket, text, undo)
        return advances or notes or sketches

    def _exact(self, bucket):
        if bucket <= self.newest:
            return len(self.seen)
        return sum(seen_in > bucket - BUCKETS for seen_in in self.seen.values())

    def value(self, now):
        bucket = bucket_of(now, self.length)
        exact = self._exact(bucket)
        if not self.sketch:
            return exact
        return max(exact, self.sketch.value(BUCKETS - max(0, bucket - self.newest)))

    def expired(self, now):
        return bucket_of(now, self.length) > self.newest + 2 * BUCKETS
