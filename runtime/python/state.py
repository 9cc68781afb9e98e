# SPDX-License-Identifier: BSD-2-Clause
"""
A function's state: entries by (key, name), all in memory. An event's changes are taken back if the
event fails; the others go to the database with the batch's result. An entry is read from its JSON when
it is first used. What time has emptied is swept away bit by bit, and there is a cap, above which the
entry that was not used for longest (of a few looked at) is forgotten.
"""

import json
import math
import re

from distinct import Distinct
from top import Top
from windows import Growth, Once, Window, check_amount, dumps, parse_length

ENTRIES_MAX = 400_000
VALUE_MAX = 64 << 10  # characters of JSON
EVENT_CHANGES_MAX = 8 << 20  # characters of JSON that one event may set
NAME_MAX = 128  # characters
SHORT = 64  # characters of JSON that what is there may always have
CHANGE_SIZE = 128  # characters by which one change of a live object may lengthen its text
CANDIDATES = 8  # entries compared to find one to forget

_CLASSES = {'$window': Window, '$distinct': Distinct, '$top': Top, '$growth': Growth, '$once': Once}
_LIVE = re.compile(r'\{"(\$[a-z]+)":')


class StateFull(Exception):
    """The function keeps as much as it may: what would make its state larger is refused."""

    def __init__(self, name):
        super().__init__(f'state: "{name}" cannot grow: the function keeps as much as it may (state_bytes)')


class Key:
    """A key and all that is known of it; its hash says its partition."""

    __slots__ = ('text', 'hash', 'names')

    def __init__(self, text, key_hash):
        self.text = text
        self.hash = key_hash
        self.names = {}  # name -> Entry


_LEASED = re.compile(r'\{"\$ttl":([0-9.]+),"at":(-?[0-9]+),"value":(.*)\}', re.DOTALL)


class Lease:
    """How long a plain value or a counter lasts: it is gone when it was not changed for `ttl` (milliseconds)."""

    __slots__ = ('ttl', 'at')

    def __init__(self, ttl, at):
        self.ttl = ttl
        self.at = at

    def is_over(self, now):
        return now - self.at >= self.ttl

    def renewed(self, now, ttl=None):
        """From a change on; one that is late does not shorten it."""
        return Lease(self.ttl if ttl is None else ttl, max(self.at, math.floor(now)))


class Entry:
    __slots__ = ('key', 'name', 'json', 'live', 'lease', 'stored', 'changed', 'gone', 'used', 'place')

    def __init__(self, key, name, text, stored):
        self.key = key
        self.name = name
        self.json = text  # its value, or None while only `live` holds it
        self.live = None  # one of _CLASSES, or a counter's number
        self.lease = None  # it lasts for ever
        self.stored = stored  # the database has a row of it
        self.changed = False  # it is in the list of what changed
        self.gone = False
        self.used = 0
        self.place = 0  # in the sweeper's ring

    def is_over(self, now):
        return self.lease is not None and self.lease.is_over(now)

    def row(self):
        """Its value with its lease: what is stored."""
        if self.lease is None:
            return self.text()
        return f'{{"$ttl":{self.lease.ttl},"at":{self.lease.at},"value":{self.text()}}}'

    def unwrap(self):
        """Takes a lease out of what was stored."""
        match = _LEASED.fullmatch(self.json)
        if match:
            self.lease = Lease(json.loads(match[1]), int(match[2]))
            self.json = match[3]
        return self

    def text(self):
        """Its value as JSON."""
        live = self.live
        if live is None:
            return self.json
        if type(live) is int:
            return str(live)
        return dumps(live) if isinstance(live, float) else live.to_text()

    def restore(self):
        """Its JSON as the object that it was, or None if it is a plain value."""
        match = _LIVE.match(self.json)
        kind = _CLASSES.get(match[1]) if match else None
        return kind.from_json(json.loads(self.json)) if kind else None

    def counter_value(self):
        value = self.live
        if value is None:
            try:
                value = json.loads(self.json or '0')
            except RecursionError:
                value = None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f'state: "{self.name}" holds something else than a counter')
        return value


class State:
    def __init__(self, entries_max=ENTRIES_MAX):
        self._keys = {}  # text -> Key, of those that have entries
        self._fresh = {}  # likewise, of those that have none and that the event may have at hand
        self._ring = []  # all entries, to be swept through
        self._hand = 0
        self._changed = []  # entries, in the order in which they first changed
        self.undo = []  # functions, to be called from the last to the first
        self._now = -math.inf  # the newest event time
        self._use = 0
        self._made = 0  # entries since the last sweep
        self._entries_max = entries_max
        self.full = False  # nothing may make it larger
        self.forgotten = 0  # entries given up for the cap
        self.change_size = 0  # rough: characters of JSON that have changed since collect()
        self._change_size_before = 0

    def __len__(self):
        return len(self._ring)

    def _key(self, text, key_hash):
        """One object a key, whoever looks at it: of some events that run together several may have the same."""
        key = self._keys.get(text) or self._fresh.get(text)
        if key is None:
            key = self._fresh[text] = Key(text, key_hash)
        return key

    def load(self, key, key_hash, name, text):
        """A committed row."""
        self._put(Entry(self._keys.get(key) or Key(key, key_hash), name, text, True).unwrap())

    def drop(self, partitions):
        """Forgets partitions (bit p), which another worker has now."""

        self._forget(lambda entry: partitions >> (entry.key.hash >> 60) & 1)

    def evict(self, hashes):
        """Forgets keys by their hashes: they are in the database, and come back."""
        gone = set(hashes)
        self._forget(lambda entry: entry.key.hash in gone)

    def _forget(self, is_gone):
        for entry in [entry for entry in self._ring if is_gone(entry)]:
            self._remove(entry)
        self._changed = [entry for entry in self._changed if not is_gone(entry)]

    def at(self, key, key_hash, now):
        """The state of one key, for one event."""
        self._now = max(self._now, now)
        self._use += 1
        return KeyedState(self, self._key(key, key_hash), now)

    @property
    def event_size(self):
        """Rough: characters of JSON that the event has changed."""
        return self.change_size - self._change_size_before

    def keep(self):
        """The event's changes stay."""
        if self._fresh:
            self._fresh.clear()
        if self.undo:
            self.undo.clear()
        self._change_size_before = self.change_size

    def rollback(self):
        """The event's changes are taken back."""
        while self.undo:
            self.undo.pop()()
        self._fresh.clear()
        self.change_size = self._change_size_before

    def collect(self):
        """Gives (Key, name, JSON or None) for all that changed since the last time."""
        for entry in self._changed:
            entry.changed = False
            if entry.gone and not entry.stored:
                continue
            yield entry.key, entry.name, None if entry.gone else entry.row()
            entry.stored = not entry.gone
        self._changed.clear()
        self.change_size = self._change_size_before = 0

    def sweep(self, least):
        """
        Looks at some entries, to delete those that time has emptied, and keeps to the cap. Between events
        only. It looks at more than were made, so it comes round.
        """
        for _ in range(min(least + 2 * self._made, len(self._ring))):
            if not self._ring:
                break
            entry = self._step()
            if self._is_expired(entry):
                self._drop(entry)
        self._made = 0
        while len(self._ring) > self._entries_max:
            oldest = min((self._step() for _ in range(CANDIDATES)), key=lambda entry: entry.used)
            self._drop(oldest)
            self.forgotten += 1

    def find(self, key, name):
        entry = key.names.get(name)
        if entry:
            entry.used = self._use
        return entry

    def claim(self, key, name):
        """The entry, made if there is none."""
        found = self.find(key, name)
        if found:
            return found
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX or '\0' in name:
            raise TypeError(f'state: expected a name of 1 to {NAME_MAX} characters, found {name!r}')
        entry = Entry(key, name, None, False)
        entry.used = self._use
        self._put(entry)
        self._made += 1
        self.undo.append(lambda: self._remove(entry))
        return entry

    @staticmethod
    def _admit(found, name, length):
        """A value of so many characters may be kept there, or this raises. `found`: the entry, or None."""
        if not found or not (found.stored or found.changed) or length > max(SHORT, len(found.text() or '')):
            raise StateFull(name)

    def admit_live(self, entry):
        """Before a live object is changed: one that nobody knows of yet stays so."""
        if self.full and not (entry.stored or entry.changed):
            raise StateFull(entry.name)

    def _empty(self, entry):
        """What was there is over: nothing is."""
        self._save(entry)
        entry.json = entry.live = entry.lease = None

    def live(self, key, now, name, kind, *args):
        """The entry's live object: a new one, of `args`, if it holds none or one that was made of others."""
        entry = self.claim(key, name)
        if entry.is_over(now):
            self._empty(entry)
        live = entry.live
        if live is None and entry.json is not None:
            live = entry.live = entry.restore()
        if isinstance(live, kind) and live.fits(*args):
            return entry
        if live is not None or entry.json is not None:
            if not isinstance(live, kind):
                raise TypeError(f'state: "{name}" holds something else than a {kind.__name__.lower()}')
            self.undo.append(lambda: setattr(entry, 'live', live))
        entry.live = kind(*args)
        return entry

    def set_json(self, key, now, name, text, ttl):
        """`ttl`: None, it stays."""
        if self.full:
            self._admit(self.find(key, name), name, len(text))
        entry = self.claim(key, name)
        self._save(entry)
        entry.lease = None if ttl is None else Lease(ttl, math.floor(now))
        entry.json, entry.live = text, None
        self.change_size += len(text)
        if self.event_size > EVENT_CHANGES_MAX:
            raise ValueError('state: one event changes too much')

    def count(self, key, now, name, amount, ttl):
        """`ttl`: None, as it was."""
        if self.full:
            self._admit(self.find(key, name), name, 0)
        entry = self.claim(key, name)
        if entry.is_over(now):
            self._empty(entry)
        value = entry.counter_value() + amount
        self._save(entry)
        if entry.lease is not None:
            entry.lease = entry.lease.renewed(now, ttl)
        elif ttl is not None:
            entry.lease = Lease(ttl, math.floor(now))
        entry.json, entry.live = None, value
        self.change_size += 16
        return value

    def delete(self, key, now, name):
        entry = self.find(key, name)
        if not entry:
            return False
        is_over = entry.is_over(now)
        self._save(entry)
        self._remove(entry)

        def back():
            entry.gone = False
            self._put(entry)

        self.undo.append(back)
        return not is_over

    def live_changed(self, entry):
        """The entry's live object has changed, and knows how to take that back."""
        self.change_size += CHANGE_SIZE if entry.changed else entry.live.size()
        if not entry.changed:
            self._save(entry)
        entry.json = None

    def _save(self, entry):
        before, live, lease, first = entry.json, entry.live, entry.lease, not entry.changed

        def back():
            entry.json, entry.live, entry.lease = before, live, lease
            if first:
                entry.changed = False
                self._changed.pop()

        self.undo.append(back)
        if first:
            self._note(entry)

    def _note(self, entry):
        entry.changed = True
        self._changed.append(entry)

    def _put(self, entry):
        key = entry.key
        if not key.names:
            self._keys[key.text] = key
        key.names[entry.name] = entry
        entry.place = len(self._ring)
        self._ring.append(entry)

    def _remove(self, entry):
        key = entry.key
        if key.names.get(entry.name) is not entry:
            return
        del key.names[entry.name]
        if not key.names:
            del self._keys[key.text]
            self._fresh[key.text] = key
        entry.gone = True
        moved = self._ring.pop()
        if moved is not entry:
            self._ring[entry.place] = moved
            moved.place = entry.place

    def _drop(self, entry):
        self._remove(entry)
        if not entry.changed:
            self._note(entry)

    def _is_expired(self, entry):
        if entry.lease is not None:
            return entry.lease.is_over(self._now)
        live = entry.live
        if live is None and entry.json[2:3] == '$':
            live = entry.restore()
        return isinstance(live, tuple(_CLASSES.values())) and live.expired(self._now)

    def _step(self):
        """The next entry of an endless round. There must be one."""
        self._hand = self._hand + 1 if self._hand + 1 < len(self._ring) else 0
        return self._ring[self._hand]


class Counter:
    __slots__ = ('_keyed', '_name', '_ttl')

    def __init__(self, keyed, name, ttl):
        self._keyed = keyed
        self._name = name
        self._ttl = ttl

    def add(self, amount=1):
        keyed = self._keyed
        return keyed.opened().count(keyed.place, keyed.now, self._name, check_amount(amount), self._ttl)

    @property
    def value(self):
        entry = self._keyed.opened().find(self._keyed.place, self._name)
        return 0 if entry is None or entry.is_over(self._keyed.now) else entry.counter_value()


class Live:
    """What window(), distinct() and top() give. `what`: its name, its class, and what it is made of."""

    def __init__(self, keyed, *what):
        keyed.opened()
        self._keyed = keyed
        self._what = what

    def _entry(self):
        """Made when it is first used."""
        return self._keyed.opened().live(self._keyed.place, self._keyed.now, *self._what)

    def change(self, *what):
        """Gives the live object, changed."""
        state, entry = self._keyed.opened(), self._entry()
        state.admit_live(entry)
        if entry.live.add(self._keyed.now, state.undo, *what):
            state.live_changed(entry)
        return entry.live

    def add(self, what):
        return self.change(what).value(self._keyed.now)

    @property
    def value(self):
        return self._entry().live.value(self._keyed.now)


class Ranking(Live):
    def add(self, value, amount=1):
        return self.change(value, amount).sum(self._keyed.now, value)


class KeyedState:
    """context.state: what a function sees of its state while one event runs."""

    __slots__ = ('_state', 'place', 'now')

    def __init__(self, state, key, now):
        self._state = state
        self.place = key  # the Key
        self.now = now

    @property
    def key(self):
        return self.place.text

    def close(self):
        """The event is over: a thread that was left behind must not touch another event's state."""
        self._state = None

    def opened(self):
        if self._state is None:
            raise RuntimeError('the event is over: wait for what you start')
        return self._state

    def get(self, name):
        """A copy: changing it changes nothing, set() does."""
        entry = self.opened().find(self.place, name)
        return None if entry is None or entry.is_over(self.now) else json.loads(entry.text())

    def set(self, name, value, ttl=None):
        text = dumps(value)
        if len(text) > VALUE_MAX:
            raise ValueError(f'state: "{name}" is {len(text)} characters of JSON')
        if _LIVE.match(text):
            raise TypeError(f'state: "{name}": a first member that begins with "$" is reserved')
        self.opened().set_json(self.place, self.now, name, text, None if ttl is None else parse_length(ttl))
        return value

    def delete(self, name):
        return self.opened().delete(self.place, self.now, name)

    def counter(self, name, ttl=None):
        self.opened()
        return Counter(self, name, None if ttl is None else parse_length(ttl))

    def window(self, name, length):
        return Live(self, name, Window, parse_length(length))

    def distinct(self, name, length, cap=None):
        return Live(self, name, Distinct, parse_length(length), cap)

    def top(self, name, k, length=None):
        return Ranking(self, name, Top, 0 if length is None else parse_length(length), k)

    def growth(self, name, value, incarnation=''):
        return self._ask(name, Growth, (), (value, str(incarnation)))

    def once(self, name, length):
        return self._ask(name, Once, (parse_length(length),), ())

    def _ask(self, name, kind, made, what):
        """What answers once, as it changes."""
        state = self.opened()
        entry = state.live(self.place, self.now, name, kind, *made)
        state.admit_live(entry)
        answer, changed = entry.live.ask(self.now, state.undo, *what)
        if changed:
            state.live_changed(entry)
        return answer
