# SPDX-License-Identifier: BSD-2-Clause
"""
Runs batches: decodes, calls the function event by event, and writes results. Knows nothing of pipes;
worker.py gives it payloads and sends what it yields.
"""

import json
import struct
import sys
import traceback
import types

from event import HEADER, Context, Event, event_time_ms
from frames import RESULT, frame, name_bytes, text_bytes, u8_bytes, u32_bytes, u64_bytes
from state import State

CHANGES_MAX = 1 << 20  # characters of JSON, after which a result is due
MESSAGE_MAX = 500  # characters
SWEEP_LEAST = 32  # entries looked at with each result
PARTITIONS = 16
COLLECT = 1  # of a batch and of a result: with what has changed
FAILED, SKIPPED = u8_bytes(1), u8_bytes(2)

KEPT, DELETED = u8_bytes(0), u8_bytes(1)

_batch = struct.Struct('<II')  # count, flags


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


class Part:
    """The events that one result covers."""

    def __init__(self):
        self.count = 0
        self.exceptions = []  # (index, reason, or None: not run)
        self.alerts = []  # (index, text)


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
        self._generations = [0] * PARTITIONS  # one more with each failure: what was sent before it is not run

    def drop(self, partitions):
        """Partitions that another worker has now: bit p."""
        for partition in range(PARTITIONS):
            if partitions >> partition & 1:
                self._generations[partition] = 0
        self.state.drop(partitions)

    def _open_state(self, payload, at, schema):
        record = at + HEADER.size
        key = '|'.join(str(reader(payload, record)) for reader in self._key_readers[schema.id])
        return self.state.at(key, HEADER.unpack_from(payload, at)[0], event_time_ms(payload, at, schema))

    def run(self, payload):
        """BATCH payload -> RESULT frames."""
        left, flags = _batch.unpack_from(payload)
        at, part = _batch.size, Part()
        for _ in range(left):
            if self.state.change_size >= CHANGES_MAX:
                yield self._result(part, True)
                part = Part()
            key_hash, _, _, number, _, _, _, generation = HEADER.unpack_from(payload, at)
            schema = self._schemas.get(number)
            if schema is None:
                raise ValueError('an event that no schema describes')
            partition = key_hash >> 60
            if generation != self._generations[partition]:
                part.exceptions.append((part.count, None))
            else:
                self._run_event(payload, at, schema, part, partition)
            part.count += 1
            at += HEADER.size + schema.stride
        if part.count > 0 or flags & COLLECT:
            yield self._result(part, flags & COLLECT)

    def _run_event(self, payload, at, schema, part, partition):
        """What was sent of its partition behind an event that fails is not to be run: it is sent again."""
        failure = self._call(payload, at, schema, part.count, part.alerts)
        if failure is not None:
            self._generations[partition] = self._generations[partition] + 1 & 0xFF
            part.exceptions.append((part.count, failure))

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

    def _result(self, part, collects):
        """A RESULT of the events since the last one. Failures and alerts do not wait for their changes."""
        collected = collects or part.alerts or any(reason is not None for _, reason in part.exceptions)
        if part.count > 0:
            self._sweep()
        parts = [u32_bytes(part.count), u32_bytes(COLLECT if collected else 0), u32_bytes(len(part.exceptions))]
        for index, reason in part.exceptions:
            parts.append(u32_bytes(index))
            parts += (SKIPPED,) if reason is None else (FAILED, text_bytes(reason))
        parts.append(u32_bytes(len(part.alerts)))
        for index, text in part.alerts:
            parts += (u32_bytes(index), text_bytes(text))
        writes = list(self.state.collect()) if collected else []
        parts.append(u32_bytes(len(writes)))
        for key, name, text in writes:
            parts += (u64_bytes(key.hash), name_bytes(key.text), name_bytes(name))
            parts += (DELETED,) if text is None else (KEPT, text_bytes(text))
        return frame(RESULT, parts)
