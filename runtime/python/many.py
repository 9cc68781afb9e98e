# SPDX-License-Identifier: BSD-2-Clause
"""
Batch handlers. All events that such a handler is called with succeed or fail together; what was done is
taken back, and the handler is called again, with those that may be all right after all.
"""

import sys
import traceback

from event import BatchContext, Context

ALERTS_MAX = 4096  # that a result can hold; an event has 64 at most
SIZE_MAX = 8 << 20  # likewise, characters of changes and alerts
OPEN, DONE, FAILED, SKIPPED = range(4)  # what becomes of an event


def print_reason(reason):
    if isinstance(reason, Exception):
        traceback.print_exception(reason)
    else:
        print(reason, file=sys.stderr)


class Occurrence:
    """An event of a batch."""

    __slots__ = ('place', 'partition', 'generation', 'fate', 'reason', 'alerts')

    def __init__(self, place, partition, generation):
        self.place = place  # (payload, at, schema)
        self.partition = partition
        self.generation = generation
        self.fate = OPEN
        self.reason = None  # why it failed: an exception or a text
        self.alerts = ()


class Many:
    """
    `constants`, `config` and `open_state` as Context has them; `make_event(place)`; `settle(value)` takes what the
    function returned, and waits for it.
    """

    def __init__(self, main, state, generations, constants, config, open_state, make_event, settle):
        self._main = main
        self._state = state
        self._generations = generations
        self._constants = constants
        self._config = config
        self._open_state = open_state
        self._make_event = make_event
        self._settle = settle

    def run(self, occurrences):
        """
        Runs some events. A generator: it yields None before each call of the function, and events as they have
        their fate, in order and before the next call.
        """
        for occurrence in occurrences:
            if occurrence.generation != self._generations[occurrence.partition]:
                occurrence.fate = SKIPPED
        yield from self._run_some(occurrences, occurrences)

    def _run_some(self, all_, some):
        """Of all, some that follow each other, and those before them have their fate."""
        while chosen := [occurrence for occurrence in some if occurrence.fate == OPEN]:
            yield None
            reason, failed = self._call(chosen)
            if reason is None and not failed:
                break
            if failed:
                self._mark_failed(all_, failed)
            elif len(chosen) == 1:
                chosen[0].reason = reason
                self._mark_failed(all_, chosen)
            else:
                middle = some.index(chosen[len(chosen) // 2])
                yield from self._run_some(all_, some[:middle])
                yield from self._run_some(all_, some[middle:])
                return
        yield from some

    def _call(self, chosen):
        """(why all have failed, or which). If neither, they are done."""
        events = [self._make_event(occurrence.place) for occurrence in chosen]
        contexts = [
            Context(self._constants, self._config, self._open_state, occurrence.place) for occurrence in chosen
        ]
        reason = None
        try:
            self._settle(self._main(events, BatchContext(self._constants, self._config, events, contexts)))
        except Exception as error:
            reason = error
        alerts = [context.close() for context in contexts]
        if len(chosen) > 1 and reason is None and not self._fits(alerts):
            reason = 'too much at once'
        for occurrence, context in zip(chosen, contexts):
            occurrence.reason = context.failure
        failed = [occurrence for occurrence in chosen if occurrence.reason is not None]
        if reason is not None or failed:
            self._state.rollback()
            return reason, failed
        self._state.keep()
        for occurrence, texts in zip(chosen, alerts):
            occurrence.fate, occurrence.alerts = DONE, texts
        return None, ()

    def _fits(self, alerts):
        """Alerts and changes of one call go into one result."""
        texts = [text for some in alerts for text in some]
        return len(texts) <= ALERTS_MAX and self._state.event_size + sum(map(len, texts)) <= SIZE_MAX

    def _mark_failed(self, all_, failed):
        """What is behind them in their partitions is not to be run: the engine sends it again."""
        for occurrence in failed:
            partition = occurrence.partition
            if occurrence.fate != OPEN:
                continue
            occurrence.fate = FAILED
            self._generations[partition] = occurrence.generation + 1 & 0xFF
            print_reason(occurrence.reason)
            for later in all_[all_.index(occurrence) + 1 :]:
                if later.partition == partition:
                    later.fate = SKIPPED
