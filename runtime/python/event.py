# SPDX-License-Identifier: BSD-2-Clause
"""What a function is called with: an event and a context, in Kubeless's form. Both belong to one call."""

import json
import re
import struct
from types import GenericAlias

from records import time_text
from windows import dumps

# In front of each record: hash of the key, time, sequence, event id, switch, epoch, index, generation.
HEADER = struct.Struct('<QQQIIIHBx')
SKEW_MS = 60e3  # how far a record's own time may run ahead of its event's
ALERTS_MAX = 64  # an event
ALERT_MAX = 64 << 10  # characters of JSON
SEVERITIES = ('critical', 'high', 'medium', 'low', 'info')


class Event:
    """event['data'] and the other members that Kubeless gives; the header and record stay in the frame."""

    __slots__ = ('_bytes', '_at', '_schema', '_data')
    __class_getitem__ = classmethod(GenericAlias)  # Event[HttpData], in annotations

    def __init__(self, payload, at, schema):
        self._bytes = payload
        self._at = at
        self._schema = schema
        self._data = None

    @property
    def data(self):
        if self._data is None:
            self._data = self._schema.decode(self._bytes, self._at + HEADER.size)
        return self._data

    def __getitem__(self, name):
        if name == 'data':
            return self.data
        _, time_ns, sequence, number, switch, epoch, index, _ = HEADER.unpack_from(self._bytes, self._at)
        if name == 'event-id':  # unique: switch, transaction, place in it; or switch, epoch, lane, sequence
            return f'{switch}-{sequence}-{index}' if epoch == 0 else f'{switch}-{epoch}-{index}-{sequence}'
        if name == 'event-type':
            return self._schema.name
        if name == 'event-time':
            return time_text(time_ns)
        if name == 'event-namespace':
            return f'switch/{switch}'
        if name == 'extensions':
            place = {'index': index} if epoch == 0 else {'epoch': epoch, 'lane': index}
            return {'event-number': number, 'switch': switch, **place, 'sequence': sequence}
        raise KeyError(name)

    @staticmethod
    def keys():
        return ['data', 'event-id', 'event-type', 'event-time', 'event-namespace', 'extensions']

    def __repr__(self):
        return repr(dict(self))


def event_time_ms(sent_ns, last_ns):
    """The event's time for windows: the record's own, unless a switch's clock runs away."""
    sent, last = sent_ns / 1e6, last_ns / 1e6
    return last if last > 0 and (sent == 0 or last <= sent + SKEW_MS) else sent


def _is_text(value, most):
    return isinstance(value, str) and len(value) <= most


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535


def check_alert(alert):
    """The alert with its defaults, or an exception that says what is wrong with it."""
    checked = {'severity': 'medium', 'category': 'Network anomaly', **alert}
    if checked['severity'] not in SEVERITIES:
        raise TypeError(f'alert: severity: expected one of {", ".join(SEVERITIES)}, found {checked["severity"]!r}')
    if not checked.get('title') or not _is_text(checked['title'], 256):
        raise TypeError('alert: title: expected a text of 1 to 256 characters')
    if not _is_text(checked['category'], 256):
        raise TypeError('alert: category: expected a text')
    if not isinstance(checked.get('data', {}), dict):
        raise TypeError('alert: data: expected a dict')
    # None means none; what is absent is the event's own.
    for name in ('srcip', 'dstip'):
        if checked.get(name) is not None and not _is_text(checked[name], 63):
            raise TypeError(f'alert: {name}: found {checked[name]!r}')
    for name in ('srcport', 'dstport', 'protocol'):
        if checked.get(name) is not None and not _is_number(checked[name]):
            raise TypeError(f'alert: {name}: found {checked[name]!r}')
    return checked


# An escaped zero in JSON text, which the server refuses, behind what are escaped backslashes.
_ZERO = re.compile(r'(?<!\\)((?:\\\\)*)\\u0000')


def _check_integer(digits):
    """The server reads integers into 64 bits."""
    if not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f'alert: data: {digits} is too large')


def alert_text(alert):
    text = _ZERO.sub(r'\1?', dumps(check_alert(alert)))
    json.loads(text, parse_int=_check_integer)
    if len(text) > ALERT_MAX:
        raise ValueError(f'alert: {len(text)} characters of JSON')
    return text


class Context:
    """
    `constants`: what never changes, as context['function-name'] and so on, and `config`;
    `open_state(bytes, at, schema)` gives the state of the event's key.
    """

    __slots__ = ('config', 'failure', '_constants', '_open_state', '_place', '_state', '_alerts', '_open')

    def __init__(self, constants, config, open_state, place):
        self.config = config
        self._constants = constants
        self._open_state = open_state
        self._place = place
        self._state = None
        self._alerts = []
        self._open = True
        self.failure = None  # an exception or a text

    def __getitem__(self, name):
        return self._constants[name]

    def keys(self):
        return self._constants.keys()

    def _check_open(self):
        if not self._open:
            raise RuntimeError('the event is over: wait for what you start')

    @property
    def state(self):
        if self._state is None or not self._open:
            self._check_open()
            self._state = self._open_state(*self._place)
        return self._state

    def alert(self, alert=None, **parts):
        """As alert({'title': ...}), or alert(title=...)."""
        self._check_open()
        if len(self._alerts) >= ALERTS_MAX:
            raise ValueError(f'alert: more than {ALERTS_MAX} for one event')
        self._alerts.append(alert_text({**(alert or {}), **parts}))

    def fail(self, reason):
        """The event fails; of a batch handler's events, this one."""
        self._check_open()
        if self.failure is None:
            self.failure = reason if isinstance(reason, Exception) else str(reason)

    @staticmethod
    def log(*what):
        print(*what)

    def close(self):
        """The event is over. Gives its alerts, as texts."""
        self._open = False
        if self._state is not None:
            self._state.close()
        return self._alerts


class BatchContext:
    """What a batch handler is called with besides the events."""

    __slots__ = ('config', '_constants', '_contexts')

    def __init__(self, constants, config, events, contexts):
        self.config = config
        self._constants = constants
        self._contexts = {id(event): context for event, context in zip(events, contexts)}

    def __getitem__(self, name):
        return self._constants[name]

    def keys(self):
        return self._constants.keys()

    def of(self, event):
        """What main() would be called with: state, alert() and so on of one event."""
        context = self._contexts.get(id(event))
        if context is None:
            raise TypeError('of: expected one of the events')
        return context

    @staticmethod
    def log(*what):
        print(*what)
