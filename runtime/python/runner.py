# SPDX-License-Identifier: BSD-2-Clause
"""
Runs batches: decodes, calls the function event by event, and writes results. Knows nothing of pipes;
worker.py gives it payloads and sends what it yields.
"""

import itertools
import json
import re
import struct
import sys
import types

import many
from call import CalledEvent, read_call, reply_text
from event import HEADER, Context, Event, event_time_ms
from fault import message_of
from frames import RESULT, frame, name_bytes, text_bytes, u8_bytes, u32_bytes, u64_bytes
from loop import Loop
from many import Many, Occurrence
from state import State

CHANGES_MAX = 1 << 20  # characters of JSON, after which a result is due
ALERTS_DUE = 4000  # of the 4096 that a result can hold; an event has 64 at most
MANY_MAX = 4096  # events that a batch handler is called with
BATCH_HANDLER = re.compile('(Batch|_batch)$')  # the name of one
SWEEP_LEAST = 32  # entries looked at with each result
PARTITIONS = 16
COLLECT = 1  # of a batch and of a result: with what has changed
REPLY = 2  # of a batch: what its only event's handler returns is wanted; of a result: here it is
FULL = 4  # of a batch: what would make the state larger is to be refused
FAILED, SKIPPED = u8_bytes(1), u8_bytes(2)

KEPT, DELETED = u8_bytes(0), u8_bytes(1)

_batch = struct.Struct('<II')  # count, flags
_hash_and_time = struct.Struct('<QQ')  # of an event's header


def freeze(value):
    """A JSON value that cannot be changed: dicts become read-only, lists tuples."""
    if isinstance(value, dict):
        return types.MappingProxyType({name: freeze(member) for name, member in value.items()})
    return tuple(map(freeze, value)) if isinstance(value, list) else value


class Part:
    """The events that one result covers."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.count = 0
        self.exceptions = []  # (index, reason, or None: not run)
        self.alerts = []  # (index, text)


class Runner:
    """`hello`: the HELLO frame as a dict; `schemas`: {event id: Schema}; `main`: the function."""

    def __init__(self, hello, schemas, main, state=None, loop=None):
        self.state = State() if state is None else state
        self._loop = Loop() if loop is None else loop
        self._schemas = schemas
        self._main = main
        self._folder = hello['dir']
        self._key_readers = {schema.id: schema.key_reader(hello['key']) for schema in schemas.values()}
        self._config = freeze(json.loads(hello['config']))
        self._constants = {
            'function-name': hello['name'],
            'timeout': f'{hello["timeout_ms"] / 1000:g}',
            'runtime': f'python{sys.version_info.major}.{sys.version_info.minor}',
            'memory-limit': f'{hello["memory_mb"]}Mi',
        }
        self._called = None  # of the event that runs, if somebody waits for what its handler returns
        self._told = 0
        self._generations = [0] * PARTITIONS  # one more with each failure: what was sent before it is not run
        self._many = None  # for a batch handler
        if BATCH_HANDLER.search(hello['handler']):
            shared = (self._constants, self._config, self._open_state, self._event, self._settle)
            self._many = Many(main, self.state, self._generations, *shared)

    def drop(self, partitions):
        """Partitions that another worker has now: bit p."""
        for partition in range(PARTITIONS):
            if partitions >> partition & 1:
                self._generations[partition] = 0
        self.state.drop(partitions)

    def _open_state(self, payload, at, schema):
        key_hash, sent_ns = _hash_and_time.unpack_from(payload, at)
        key, last_ns = self._key_readers[schema.id](payload, at + HEADER.size)
        if self._called is not None and self._called.has_data:
            key = self._called.key
        return self.state.at(key, key_hash, event_time_ms(sent_ns, last_ns))

    def run(self, payload):
        """BATCH payload -> RESULT frames."""
        _, flags = _batch.unpack_from(payload)
        self.state.full = flags & FULL != 0
        part, events = Part(), self._read(payload)
        self._called = read_call(payload, _batch.size, self._schemas) if flags & REPLY else None
        yield from self._run_many(events, part) if self._many else self._run_each(events, part)
        if part.count > 0 or flags & COLLECT:
            yield self._result(part, flags & COLLECT)

    def _is_due(self, part, alerts_due):
        """Each result covers an event: changes of batches before this one go with its first."""
        is_large = self.state.change_size >= CHANGES_MAX or len(part.alerts) >= alerts_due
        return is_large and part.count > 0

    def _read(self, payload):
        """Each event's (payload, place, schema), partition and generation."""
        count, _ = _batch.unpack_from(payload)
        at = _batch.size
        for _ in range(count):
            key_hash, _, _, number, _, _, _, generation = HEADER.unpack_from(payload, at)
            schema = self._schemas.get(number)
            if schema is None:
                raise ValueError('an event that no schema describes')
            yield (payload, at, schema), key_hash >> 60, generation
            at += HEADER.size + schema.stride

    def _run_each(self, events, part):
        """What was sent of its partition behind an event that fails is not to be run: it is sent again."""
        for place, partition, generation in events:
            if self._is_due(part, ALERTS_DUE):
                yield self._result(part, True)
            if generation != self._generations[partition]:
                part.exceptions.append((part.count, None))
            elif (reason := self._call(place, part)) is not None:
                self._generations[partition] = generation + 1 & 0xFF
                part.exceptions.append((part.count, message_of(reason, self._folder)))
                many.print_reason(reason)
            part.count += 1

    def _run_many(self, events, part):
        while chunk := [Occurrence(*event) for event in itertools.islice(events, MANY_MAX)]:
            for occurrence in self._many.run(chunk):
                if occurrence is not None:
                    self._tell(occurrence, part)
                elif self._is_due(part, 1):
                    yield self._result(part, True)

    def _tell(self, occurrence, part):
        if occurrence.fate == many.FAILED:
            part.exceptions.append((part.count, message_of(occurrence.reason, self._folder)))
        elif occurrence.fate == many.SKIPPED:
            part.exceptions.append((part.count, None))
        self._keep_alerts(occurrence.alerts, part)
        part.count += 1

    def _keep_alerts(self, texts, part):
        for text in texts:
            part.alerts.append((part.count, text))
            self.state.change_size += len(text)

    def _event(self, place):
        if self._called is None or not self._called.has_data:
            return Event(*place)
        return CalledEvent(place, self._called.data)

    def _settle(self, value):
        """What a handler returned: awaited, if it is to be, and kept, if somebody waits for it."""
        value = self._loop.result_of(value)
        if self._called is not None:
            self._called.reply = reply_text(value)

    def _call(self, place, part):
        """Runs one event; why it failed, or None."""
        context = Context(self._constants, self._config, self._open_state, place)
        try:
            self._settle(self._main(self._event(place), context))
        except Exception as error:
            context.fail(error)
        texts = context.close()
        if context.failure is not None:
            self.state.rollback()
            return context.failure
        self.state.keep()
        self._keep_alerts(texts, part)
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
        reply = None if part.exceptions or self._called is None else self._called.reply
        flags = (COLLECT if collected else 0) | (0 if reply is None else REPLY)
        parts = [u32_bytes(part.count), u32_bytes(flags), u32_bytes(len(part.exceptions))]
        for index, reason in part.exceptions:
            parts.append(u32_bytes(index))
            parts += (SKIPPED,) if reason is None else (FAILED, text_bytes(reason))
        parts.append(u32_bytes(len(part.alerts)))
        for index, text in part.alerts:
            parts += (u32_bytes(index), text_bytes(text))
        part.clear()
        writes = list(self.state.collect()) if collected else []
        parts.append(u32_bytes(len(writes)))
        for key, name, text in writes:
            parts += (u64_bytes(key.hash), name_bytes(key.text), name_bytes(name))
            parts += (DELETED,) if text is None else (KEPT, text_bytes(text))
        if reply is not None:
            parts.append(text_bytes(reply))
        return frame(RESULT, parts)
