# SPDX-License-Identifier: BSD-2-Clause
"""
Calls: events whose handler's return value somebody waits for. Such an event is alone in its batch, and its
key and its data may stand behind its record as text.
"""

import json

from event import HEADER, Event
from frames import Reader
from windows import dumps

REPLY_MAX = 1 << 20  # characters of JSON


class Call:
    def __init__(self, key, text):
        self.has_data = text != ''  # else its record says that, and its key
        self.key = key
        self.data = json.loads(text) if text else None
        self.reply = None  # JSON


def read_call(payload, at, schemas):
    """Of a BATCH payload that has one event, at `at`."""
    schema = schemas[HEADER.unpack_from(payload, at)[3]]
    reader = Reader(payload[at + HEADER.size + schema.stride :])
    return Call(reader.text(), reader.text())


class CalledEvent(Event):
    __slots__ = ()

    def __init__(self, place, data):
        super().__init__(*place)
        self._data = data

    @property
    def data(self):
        return self._data


def reply_text(value):
    """What a handler returned as JSON; None: nothing."""
    if value is None:
        return None
    text = dumps(value)
    if len(text) > REPLY_MAX:
        raise ValueError(f'returned {len(text)} characters of JSON, {REPLY_MAX} at most')
    return text
