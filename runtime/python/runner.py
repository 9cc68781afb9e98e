# SPDX-License-Identifier: BSD-2-Clause
"""
Runs batches: decodes, calls the function event by event, and writes the result. Knows nothing of pipes;
worker.py gives it payloads and sends what it returns.
"""

import json
import struct
import sys
import traceback
import types

from event import HEADER, Context, Event, event_time_ms
from frames import RESULT, frame, name_bytes, text_bytes, u8_bytes, u32_bytes
from state import State

BATCH_CHANGES_MAX = 1 << 20  # characters of JSON, after which a batch ends early
MESSAGE_MAX = 500  # characters
SWEEP_LEAST = 32  # entries looked at after each batch

KEPT, DELETED = u8_bytes(0), u8_bytes(1)

_batch = struct.Struct('<II')  # count, position


def message_of(error):
    try:
        text = f'{type(error).__name__}: {error}'
    except Exception:
        text = type(error).__name__
    return text.replace('\0', '?')[:MESSAGE_MAX]


def freeze(value):
    """A JSON value that cannot be changed: dicts become read-only, lists tuples."""
    if isinstance(value, dict):
        return types.MappingProxyType({name: freeze(member) for name, member in value.items()})
    return tuple(map(freeze, value)) if isinstance(value, list) else value


class Runner:
    """`hello`: the HELLO frame as a dict; `schemas`: {event id: Schema}; `main`: the function."""

    def __init__(self, hello, schemas, main, state=None):
        self.state = State() if state is None else state
        self._schemas = schemas
        self._main = main
        self._key_readers = {
            schema.id: [schema.reader(name) or (lambda record, at: '') for name in hello['key']]
            for schema in schemas.values()
        }
        self._config = freeze(json.loads(hello['config']))
        self._constants = {
            'function-name': hello['name'],
            'timeout': f'{hello["timeout_ms"] / 1000:g}',
            'runtime': f'python{sys.version_info.major}.{sys.version_info.minor}',
            'memory-limit': f'{hello["memory_mb"]}Mi',
        }
        self._told = 0
        self._position = 0  # events done since the start, modulo 2^32

    def _open_state(self, payload, at, schema):
        record = at + HEADER.size
        key = '|'.join(str(reader(payload, record)) for reader in self._key_readers[schema.id])
        return self.state.at(key, event_time_ms(payload, at, schema))

    def run(self, payload):
        """
        BATCH payload -> RESULT frame. A batch that was sent before the engine knew that an earlier one ended
        early is not run: its position says so.
        """
        count, position = _batch.unpack_from(payload)
        if position != self._position:
            count = 0
        done, at, failure, alerts = 0, _batch.size, None, []
        while done < count and self.state.change_size < BATCH_CHANGES_MAX:
            number, _, _, _, size, _ = HEADER.unpack_from(payload, at)
            schema = self._schemas.get(number)
            if schema is None or schema.record_size != size:
                raise ValueError('an event that no schema describes')
            failure = self._call(payload, at, schema, done, alerts)
            if failure is not None:
                break
            done += 1
            at += HEADER.size + size
        self._position = (self._position + done) & 0xFFFFFFFF
        if done > 0:
            self._sweep()
        return self._result(done, failure, alerts)

    def _call(self, payload, at, schema, index, alerts):
        """Runs one event; why it failed, or None."""
        context = Context(self._constants, self._config, self._open_state, (payload, at, schema))
        try:
            self._main(Event(payload, at, schema), context)
        except Exception as error:
            context.close()
            self.state.rollback()
            traceback.print_exc()
            return message_of(error)
        self.state.keep()
        for text in context.close():
            alerts.append((index, text))
            self.state.change_size += len(text)
        return None

    def _sweep(self):
        self.state.sweep(SWEEP_LEAST)
        forgotten = self.state.forgotten
        if forgotten >= self._told * 2 and forgotten != self._told:
            self._told = forgotten
            print(
                f'state is full: {forgotten} of the entries longest unused were forgotten since the start',
                file=sys.stderr,
            )

    def _result(self, done, failure, alerts):
        parts = [u32_bytes(done), u8_bytes(failure is not None)]
        if failure is not None:
            parts.append(text_bytes(failure))
        writes = list(self.state.collect())
        parts.append(u32_bytes(len(writes)))
        for key, name, text in writes:
            parts += (name_bytes(key), name_bytes(name))
            parts += (DELETED,) if text is None else (KEPT, text_bytes(text))
        parts.append(u32_bytes(len(alerts)))
        for index, text in alerts:
            parts += (u32_bytes(index), text_bytes(text))
        return frame(RESULT, parts)
