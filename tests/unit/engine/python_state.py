# SPDX-License-Identifier: BSD-2-Clause
"""The Python runtime's state against tests/state/cases.json, which every runtime's is held to."""

import json
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../..')
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'runtime/python'))

from state import State, StateFull  # noqa: E402

START = 1763884800000  # milliseconds

OPERATIONS = {
    'get': lambda state, name: state.get(name),
    'set': lambda state, name, value, options=None: state.set(name, value, **(options or {})) and None,
    'delete': lambda state, name: state.delete(name),
    'counter.add': lambda state, name, amount=1, options=None: state.counter(name, **(options or {})).add(amount),
    'counter.value': lambda state, name: state.counter(name).value,
    'window.add': lambda state, name, length, amount: state.window(name, length).add(amount),
    'window.value': lambda state, name, length: state.window(name, length).value,
    'distinct.add': lambda state, name, length, value, cap=None: state.distinct(name, length, cap).add(value),
    'distinct.value': lambda state, name, length, cap=None: state.distinct(name, length, cap).value,
    'top.add': lambda state, name, k, length, *what: state.top(name, k, length).add(*what),
    'top.value': lambda state, name, k, length: state.top(name, k, length).value,
    'growth': lambda state, *args: state.growth(*args),
    'once': lambda state, *args: state.once(*args),
}


def fill(value, i):
    """ "$i" is the round's number, and text with it inside is text."""
    if value == '$i':
        return i
    return value.replace('$i', str(i)) if isinstance(value, str) else value


def normal(value):
    """The order in which distinct values are kept says nothing."""
    if isinstance(value, dict) and '$distinct' in value:
        value['seen'] = sorted([age, *sorted(seen)] for age, *seen in value['seen'])
    return value


class Store:
    def __init__(self):
        self.rows = {}

    def take(self, state):
        for key, name, text in list(state.collect()):
            if text is None:
                self.rows.pop((key.text, name), None)
            else:
                self.rows[key.text, name] = text

    def load(self, state=None):
        state = State() if state is None else state
        for (key, name), text in self.rows.items():
            state.load(key, 0, name, text)
        return state

    def values(self):
        return {(key, name): normal(json.loads(text)) for (key, name), text in self.rows.items()}


class Conformance(unittest.TestCase):
    def operate(self, keyed, i, operation, args, *expected):
        args = [fill(arg, i) for arg in args]
        if expected == ('FAILS',):
            with self.assertRaises((TypeError, ValueError, StateFull)):
                OPERATIONS[operation](keyed, *args)
            return
        found = OPERATIONS[operation](keyed, *args)
        if expected:
            self.assertEqual((found,), expected, (operation, args))

    def run_event(self, state, event):
        state.full = event.get('full', False)
        keyed = state.at(event.get('key', '7'), 0, START + event['at'] * 1000)
        for i in range(event.get('times', 1)):
            for operation in event['do']:
                self.operate(keyed, i, *operation)
        keyed.close()
        if event.get('fails'):
            state.rollback()
        else:
            state.keep()

    def play(self, events, commits, restarts, evicts):
        """A commit after each event, a new worker after each, all leave memory and come back, or one commit at the end."""
        store, state = Store(), State()
        for event in events:
            self.run_event(state, event)
            if commits:
                store.take(state)
            if restarts:
                state = store.load()
            if evicts:
                state.evict([0])  # the hash of all
                self.assertEqual(len(state), 0)
                store.load(state)
        store.take(state)
        return store.values()

    def test_the_cases_of_all_runtimes(self):
        with open(os.path.join(ROOT, 'tests/state/cases.json'), encoding='utf-8') as file:
            cases = json.load(file)
        for case in cases:
            stored = {(key, name): normal(value) for key, names in case['stored'].items() for name, value in names.items()}
            for how in ((False, False, False), (True, False, False), (True, True, False), (True, False, True)):
                with self.subTest(case['name'], how=how):
                    self.assertEqual(self.play(case['events'], *how), stored)


if __name__ == '__main__':
    unittest.main()
