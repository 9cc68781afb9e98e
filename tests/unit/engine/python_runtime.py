# SPDX-License-Identifier: BSD-2-Clause
"""The Python runtime: frames, records, what a function is called with, state and its windows."""

import asyncio
import contextlib
import contextvars
import copy
import io
import json
import os
import pickle
import re
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../..')
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'runtime/python'))

from frames import FAILED, Reader, Splitter, frame, text_bytes  # noqa: E402
from loop import Loop  # noqa: E402
from records import Schema, ip_text, time_text  # noqa: E402
from runner import Runner  # noqa: E402
from state import State  # noqa: E402

START = 1763884800000  # milliseconds

PORT = Schema(1, 'port', 72, [
    ('srcip', 'ip', 0, 16), ('dstip', 'ip', 16, 16), ('dstport', 'port', 32, 2), ('protocol', 'proto', 34, 1),
    ('first', 'time', 40, 8), ('last', 'time', 48, 8), ('udp', 'uint', 56, 4), ('syn', 'uint', 60, 4),
    ('rst', 'uint', 64, 4),
])


def address(text):
    return b'\0' * 10 + b'\xff\xff' + bytes(map(int, text.split('.')))


def event(ms=0, syn=0, srcip='10.0.0.3', last=0, number=1, key_hash=0, generation=0, epoch=0):
    record = struct.pack('=16s16sHB5xQQIIII', address(srcip), address('10.0.0.1'), 80, 6, 0, last, 0, syn, 0, 0)
    time_ns = (START + ms) * 1_000_000
    return struct.pack('<QQQIIIHBx', key_hash, time_ns, 5, number, 7, epoch, 2, generation) + record


class Bench:
    """One function with its state, from BATCH payloads to RESULT frames."""

    def __init__(self, main, key=('srcip',), config=None, handler='tested.main'):
        hello = {
            'name': 'tested', 'dir': '/nowhere', 'handler': handler, 'timeout_ms': 10000, 'memory_mb': 256, 'key': key,
            'config': json.dumps(config or {}),
        }
        self.runner = Runner(hello, {1: PORT}, main)

    @staticmethod
    def read(result_frame):
        (length,) = struct.unpack_from('<I', result_frame)
        assert len(result_frame) % 8 == 0 and len(result_frame) - 8 - length < 8
        reader = Reader(result_frame[8 : 8 + length])
        result = {'count': reader.u32(), 'collected': reader.u32() == 1, 'failures': [], 'skipped': []}
        for _ in range(reader.u32()):
            index = reader.u32()
            if reader.u8() == 1:
                result['failures'].append((index, reader.text()))
            else:
                result['skipped'].append(index)
        result['done'] = result['count'] - len(result['failures']) - len(result['skipped'])
        result['failure'] = result['failures'][0][1] if result['failures'] else None
        result['alerts'] = [(reader.u32(), json.loads(reader.text())) for _ in range(reader.u32())]
        result['writes'], result['hashes'] = {}, {}
        for _ in range(reader.u32()):
            key_hash, key, name = reader.u64(), reader.text(), reader.text()
            result['writes'][key, name] = None if reader.u8() == 1 else json.loads(reader.text())
            result['hashes'][key] = key_hash
        return result

    def run(self, *events, collects=True):
        """The results of one batch."""
        payload = struct.pack('<II', len(events), 1 if collects else 0) + b''.join(events)
        with contextlib.redirect_stderr(io.StringIO()):
            return [self.read(result) for result in self.runner.run(payload)]

    def send(self, *events):
        """The only one."""
        (result,) = self.run(*events)
        return result


def state_at(state, seconds, key='k'):
    return state.at(key, 0, START + seconds * 1000)


def collected(state):
    return [(key.text, name, text) for key, name, text in list(state.collect())]


class Frames(unittest.TestCase):
    def test_frames_come_whole_however_the_stream_is_cut(self):
        texts = ['one', 'zwei \U0001f40d', 'x' * 100000]
        stream = b''.join(frame(FAILED, [text_bytes(text)]) for text in texts)
        for size in (1, 3, 4, 5, 7, 4096, len(stream)):
            splitter, found = Splitter(), []
            for at in range(0, len(stream), size):
                for kind, payload in splitter.feed(stream[at : at + size]):
                    self.assertEqual(kind, FAILED)
                    found.append(Reader(payload).text())
            self.assertEqual(found, texts, f'cut into {size}')

    def test_a_frame_that_is_too_long_is_refused(self):
        for length in ((16 << 20) + 1, 0xFFFFFFFF):
            with self.assertRaisesRegex(ValueError, 'a frame of'):
                list(Splitter().feed(struct.pack('<II', length, 5)))

    def test_a_text_that_runs_over_its_frame_is_refused(self):
        with self.assertRaises(ValueError):
            Reader(struct.pack('<I', 100) + b'abcd').text()


class Records(unittest.TestCase):
    def test_a_record_is_a_dict_with_addresses_and_times_as_text(self):
        seen = []
        Bench(lambda e, context: seen.append(e['data'])).send(event(syn=3, last=1763884800_000000001))
        self.assertEqual(seen[0], {
            'srcip': '10.0.0.3', 'dstip': '10.0.0.1', 'dstport': 80, 'protocol': 6, 'first': '',
            'last': '2025-11-23T08:00:00.000000001Z', 'udp': 0, 'syn': 3, 'rst': 0,
        })

    def test_a_record_is_a_dict_of_all_fields_whatever_was_looked_at(self):
        decode = lambda: PORT.decode(event(syn=3, last=1763884800_000000001), 40)  # noqa: E731
        plain = {name: PORT.reader(name)(event(syn=3, last=1763884800_000000001), 40) for name in 'srcip dstip dstport protocol first last udp syn rst'.split()}
        names = list(plain)
        self.assertEqual(names[:2], ['srcip', 'dstip'])
        whole = {
            'dict': dict, '**': lambda d: {**d}, 'call': lambda d: (lambda **all_: all_)(**d), 'copy': copy.copy,
            'deepcopy': copy.deepcopy, '.copy': lambda d: d.copy(), 'json': lambda d: json.loads(json.dumps(d)),
            'pickle': lambda d: pickle.loads(pickle.dumps(d)), 'items': lambda d: dict(d.items()), '|': lambda d: d | {},
            '| d': lambda d: {} | d, 'zip': lambda d: dict(zip(d, d.values())), 'repr': lambda d: eval(repr(d)),
            'state': lambda d: (lambda state: state.set('v', d) and state.get('v'))(state_at(State(), 0)),
            'update': lambda d: (lambda new: new.update(d) or new)({}), 'get': lambda d: {name: d.get(name) for name in names},
        }
        for what, read in whole.items():
            for look in ([], ['last'], ['syn', 'dstip']):
                data = decode()
                for name in look:
                    self.assertEqual(data[name], plain[name])
                found = read(data)
                self.assertEqual((found, list(found)), (plain, names), (what, look))
        self.assertTrue(decode() == plain and plain == decode() and not decode() != plain)
        self.assertTrue('last' in decode() and 'colour' not in decode() and len(decode()) == len(plain))
        self.assertEqual((list(reversed(decode())), decode().get('colour', 5)), (names[::-1], 5))
        with self.assertRaises(KeyError):
            decode()['colour']
        texts = Schema(17, 'texts', 16, [('ip', 'ip', 0, 16)]).decode(address('10.0.0.1'), 0)
        self.assertEqual(json.dumps(texts), '{"ip": "10.0.0.1"}')

    def test_a_record_can_be_changed_as_any_dict(self):
        data = PORT.decode(event(syn=3), 40)
        data['srcip'] = 'changed'
        data['new'] = 1
        self.assertEqual(data.pop('dstip'), '10.0.0.1')
        del data['syn']
        self.assertEqual((data['srcip'], data['new'], data.get('dstip')), ('changed', 1, None))
        for name in ('dstip', 'syn'):
            with self.assertRaises(KeyError):
                data[name]
        self.assertEqual(list(data)[:2] + list(data)[-1:], ['srcip', 'dstport', 'new'])
        self.assertEqual(data.setdefault('first', 'x'), '')

    def test_ipv6_text_follows_rfc_5952(self):
        for groups, text in [
            ([0] * 8, '::'), ([0] * 7 + [1], '::1'), ([0x2001, 0xDB8, 0, 0, 1, 0, 0, 1], '2001:db8::1:0:0:1'),
            ([0x2001, 0xDB8, 0, 1, 1, 1, 1, 1], '2001:db8:0:1:1:1:1:1'), ([0] * 6 + [0x102, 0x304], '::102:304'),
            ([0, 0, 0, 0, 0, 0xFFFF, 0x102, 0x304], '1.2.3.4'), ([1, 0, 0, 0, 0, 0, 0, 0], '1::'),
        ]:
            self.assertEqual(ip_text(struct.pack('>8H', *groups)), text)

    def test_signed_and_64_bit_fields_are_exact(self):
        schema = Schema(9, 'x', 24, [('b', 'int', 8, 8), ('a', 'uint', 0, 8), ('c', 'int', 16, 1), ('d', 'int', 18, 2)])
        record = struct.pack('=Qqbxh4x', 2**63 + 1, -5, -6, -7)
        self.assertEqual(schema.decode(b'..' + record, 2), {'b': -5, 'a': 2**63 + 1, 'c': -6, 'd': -7})
        self.assertEqual(schema.reader('d')(record, 0), -7)
        self.assertIsNone(schema.reader('colour'))
        self.assertEqual(time_text(0), '')

    def test_fields_outside_their_record_and_unknown_sizes_are_refused(self):
        for field in (('a', 'uint', 6, 4), ('a', 'uint', 0, 3)):
            with self.assertRaises(ValueError):
                Schema(9, 'x', 8, [field])


class Calls(unittest.TestCase):
    def test_event_and_context_have_the_form_of_kubeless(self):
        seen = []
        Bench(lambda e, context: seen.append((dict(e), dict(context)))).send(event(1))
        e, context = seen[0]
        self.assertEqual(e['event-id'], '7-5-2')
        self.assertEqual(e['event-type'], 'port')
        self.assertEqual(e['event-time'], '2025-11-23T08:00:00.001000000Z')
        self.assertEqual(e['event-namespace'], 'switch/7')
        self.assertEqual(e['extensions'], {'event-number': 1, 'switch': 7, 'sequence': 5, 'index': 2})
        Bench(lambda e, context: seen.append(e)).send(event(epoch=3))
        self.assertEqual(seen[1]['event-id'], '7-3-2-5')
        self.assertEqual(seen[1]['extensions'], {'event-number': 1, 'switch': 7, 'epoch': 3, 'lane': 2, 'sequence': 5})
        self.assertEqual(context['function-name'], 'tested')
        self.assertEqual(context['timeout'], '10')
        self.assertEqual(context['memory-limit'], '256Mi')
        self.assertRegex(context['runtime'], r'^python3\.\d+$')

    def test_config_cannot_be_changed_by_an_event(self):
        def main(e, context):
            context.config['deep']['list'][0] = 9

        bench = Bench(main, config={'deep': {'list': [1]}})
        self.assertRegex(bench.send(event())['failure'], 'TypeError')

    def test_config_can_be_told_in_an_alert(self):
        def main(e, context):
            context.alert(title='t', data={'config': context.config})

        self.assertEqual(Bench(main, config={'a': [1]}).send(event())['alerts'][0][1]['data'], {'config': {'a': [1]}})

    def test_an_event_that_raises_takes_its_changes_back_and_what_is_behind_it_is_not_run(self):
        def main(e, context):
            context.state.counter('n').add(e['data']['syn'])
            context.state.set('last', e['data']['syn'])
            context.state.window('w', '10s').add(1)
            context.alert(title=f'{e["data"]["syn"]}')
            if e['data']['syn'] == 3:
                context.state.delete('n')
                raise ValueError('three')

        bench = Bench(main)
        other = event(syn=5, srcip='10.0.0.4', key_hash=1 << 63)
        result = bench.send(*(event(syn=syn) for syn in (1, 2, 3, 4)), other)
        self.assertEqual((result['failures'], result['skipped']), ([(2, 'ValueError: three')], [3]))
        self.assertEqual(result['writes']['10.0.0.3', 'n'], 3)
        self.assertEqual(result['writes']['10.0.0.3', 'last'], 2)
        self.assertEqual([(i, alert['title']) for i, alert in result['alerts']], [(0, '1'), (1, '2'), (4, '5')])
        self.assertEqual(result['hashes'], {'10.0.0.3': 0, '10.0.0.4': 1 << 63})
        self.assertEqual(bench.send(event(syn=4))['skipped'], [0])  # sent before the engine knew
        self.assertEqual(bench.send(event(syn=4, generation=1))['writes']['10.0.0.3', 'n'], 7)

    def test_an_event_that_is_said_to_fail_fails_for_the_first_reason(self):
        def main(e, context):
            context.state.counter('n').add()
            context.fail('first')
            context.fail('second')
            if e['data']['syn']:
                raise ValueError('third')

        for syn in (0, 1):
            result = Bench(main).send(event(syn=syn))
            self.assertEqual((result['failure'], result['writes']), ('first', {}))

    def test_a_first_event_that_raises_changes_nothing_at_all(self):
        def main(e, context):
            context.state.counter('n').add()
            context.state.distinct('d', '10s').add('v')
            context.state.growth('g', 5)
            context.state.once('o', '10s')
            raise KeyError('x')

        bench = Bench(main)
        result = bench.send(event())
        self.assertEqual((result['done'], result['writes'], result['alerts']), (0, {}, []))
        self.assertEqual(len(bench.runner.state), 0)

    def test_changes_are_told_when_they_are_asked_for_each_value_once(self):
        bench = Bench(lambda e, context: context.state.counter('n').add(1))
        for _ in range(3):
            (result,) = bench.run(event(), collects=False)
            self.assertEqual((result['collected'], result['count'], result['writes']), (False, 1, {}))
        result = bench.send()  # nothing but the question
        self.assertEqual((result['collected'], result['count']), (True, 0))
        self.assertEqual(result['writes'], {('10.0.0.3', 'n'): 3})

    def test_an_alert_takes_along_what_has_changed_before_it(self):
        def main(e, context):
            if context.state.counter('n').add(1) == 2:
                context.alert(title='two')

        bench = Bench(main)
        self.assertFalse(bench.run(event(), collects=False)[0]['collected'])
        (result,) = bench.run(event(), collects=False)
        self.assertEqual((result['collected'], result['writes']), (True, {('10.0.0.3', 'n'): 2}))

    def test_a_partition_that_another_worker_has_now_is_forgotten(self):
        def main(e, context):
            if context.state.counter('n').add(1) == 3:
                raise RuntimeError('three')

        bench = Bench(main)
        one = {'srcip': '10.0.0.1', 'key_hash': 1 << 60}
        two = {'srcip': '10.0.0.2', 'key_hash': 2 << 60}
        for _ in range(3):
            bench.send(event(**one), event(**two))
        bench.runner.drop(1 << 1)
        self.assertEqual(len(bench.runner.state), 1)
        result = bench.send(event(**one), event(**two))
        self.assertEqual((result['writes'], result['skipped']), ({('10.0.0.1', 'n'): 1}, [1]))

    def test_what_is_left_behind_cannot_touch_the_next_event(self):
        left = []
        Bench(lambda e, context: left.append((context, context.state, context.state.counter('n')))).send(event())
        context, state, counter = left[0]
        for touch in (lambda: context.state, lambda: context.alert(title='x'), lambda: state.set('a', 1), counter.add):
            with self.assertRaisesRegex(RuntimeError, 'the event is over'):
                touch()

    def test_large_changes_are_told_in_several_results(self):
        def main(e, context):
            context.state.set(f'v{e["data"]["syn"]}', 'x' * 60000)

        results = Bench(main).run(*(event(syn=i) for i in range(40)))
        self.assertGreater(len(results), 1)
        self.assertEqual([len(result['writes']) for result in results], [result['count'] for result in results])
        written = [name for result in results for _, name in result['writes']]
        self.assertEqual(written, [f'v{i}' for i in range(40)])

    def test_large_changes_of_an_earlier_batch_wait_for_an_event(self):
        bench = Bench(lambda e, context: context.state.set(f'v{e["data"]["syn"]}', 'x' * 60000))
        bench.run(*(event(syn=i) for i in range(18)), collects=False)  # 1 MiB is reached with the last one
        results = bench.run(event(syn=18), event(syn=19))
        self.assertEqual([result['count'] for result in results], [1, 1])
        self.assertEqual([len(result['writes']) for result in results], [19, 1])

    def test_alerts_are_checked_where_they_are_made(self):
        for wrong in (
            {}, {'title': ''}, {'title': 'x' * 257}, {'title': 't', 'severity': 'bad'}, {'title': 't', 'data': [1]},
            {'title': 't', 'dstport': 65536}, {'title': 't', 'dstport': True}, {'title': 't', 'srcip': 3},
            {'title': 't', 'data': {'x': float('nan')}}, {'title': 't', 'data': {'x': object()}},
        ):
            result = Bench(lambda e, context, alert=wrong: context.alert(alert)).send(event())
            self.assertEqual(result['done'], 0, wrong)
        ok = Bench(lambda e, context: context.alert({'title': 'a\0b'}, dstip=None)).send(event())
        self.assertEqual(ok['alerts'][0][1], {
            'severity': 'medium', 'category': 'Network anomaly', 'title': 'a?b', 'dstip': None})

    def test_an_alert_holds_nothing_that_the_server_cannot_read(self):
        odd = Bench(lambda e, context: context.alert(title='a\0\0b\\u0000\\\0')).send(event())
        self.assertEqual(odd['alerts'][0][1]['title'], 'a??b\\u0000\\?')
        large = Bench(lambda e, context: context.alert(title='t', data={'ns': 2**63})).send(event())
        self.assertIn('9223372036854775808 is too large', large['failure'])

    def test_a_batch_that_no_schema_describes_is_refused(self):
        with self.assertRaisesRegex(ValueError, 'no schema'):
            Bench(lambda e, context: None).send(event(number=99))

    def test_a_runaway_clock_does_not_move_windows(self):
        def main(e, context):
            context.state.window('w', '10s').add(1)

        bench = Bench(main)
        bench.send(event(0, last=(START + 3_600_000) * 1_000_000))
        self.assertEqual(bench.send(event(1000))['writes']['10.0.0.3', 'w']['sums'], [1, 1])


class BatchHandlers(unittest.TestCase):
    """`syn` 3 fails by name, 13 without one; of one source at a time, all in one partition but for `key_hash`."""

    def setUp(self):
        self.calls = 0

        def add_all(events, context):
            self.calls += 1
            for e in reversed(events):
                own, syn = context.of(e), e['data']['syn']
                own.state.counter('sum').add(syn)
                context.of(events[0]).state.counter('first').add()
                own.alert(title=f'{syn}')
                if syn == 3:
                    own.fail('three')
            if any(e['data']['syn'] == 13 for e in events):
                raise ValueError('thirteen')

        self.bench = Bench(add_all, handler='tested.main_batch')

    def test_it_has_all_events_and_the_state_of_each(self):
        result = self.bench.send(*(event(syn=10 * i, srcip=f'10.0.0.{i % 3}') for i in range(1, 7)))
        self.assertEqual(self.calls, 1)
        self.assertEqual(result['writes'], {
            ('10.0.0.1', 'sum'): 50, ('10.0.0.2', 'sum'): 70, ('10.0.0.0', 'sum'): 90, ('10.0.0.1', 'first'): 6})
        self.assertEqual([(i, a['title']) for i, a in result['alerts']], [(i, f'{10 * i + 10}') for i in range(6)])

    def test_it_says_which_events_fail_and_the_others_are_done(self):
        events = [(1, 1), (2, 2), (2, 3), (1, 5), (2, 7), (2, 3), (3, 9)]
        result = self.bench.send(*(event(syn=syn, srcip=f'10.0.0.{i}', key_hash=i << 60) for i, syn in events))
        self.assertEqual((result['failures'], result['skipped']), ([(2, 'three')], [4, 5]))
        self.assertEqual(result['writes'], {
            ('10.0.0.1', 'sum'): 6, ('10.0.0.1', 'first'): 4, ('10.0.0.2', 'sum'): 2, ('10.0.0.3', 'sum'): 9})
        self.assertEqual([i for i, _ in result['alerts']], [0, 1, 3, 6])
        self.assertEqual(self.calls, 2)

    def test_a_call_that_fails_without_a_name_is_halved_down_to_the_event(self):
        events = [event(syn=13 if i == 40 else 100, srcip=f'10.0.0.{i}', key_hash=i % 16 << 60) for i in range(64)]
        results = self.bench.run(*events)  # in which alerts and changes of one call stay together
        self.assertEqual(sum(result['count'] for result in results), 64)
        done = sum(result['done'] for result in results)
        self.assertEqual([reason for result in results for _, reason in result['failures']], ['ValueError: thirteen'])
        self.assertEqual(done, 62)  # 56 is of the same partition
        writes = {key: value for result in results for key, value in result['writes'].items()}
        self.assertEqual(sum(value for (_, name), value in writes.items() if name == 'sum'), 6200)
        self.assertEqual(sum(len(result['alerts']) for result in results), 62)
        self.assertLess(self.calls, 20)

    def test_results_hold_no_more_alerts_than_the_engine_takes(self):
        def main(events, context):
            for e in events:
                for _ in range(60):
                    context.of(e).alert(title='t')

        results = Bench(main, handler='tested.mainBatch').run(*(event() for _ in range(200)))
        self.assertEqual(sum(len(result['alerts']) for result in results), 12000)
        self.assertEqual(sum(result['count'] for result in results), 200)
        for result in results:
            self.assertLessEqual(len(result['alerts']), 4096)
            self.assertEqual(len(result['alerts']), 60 * result['count'])

    def test_more_changes_than_one_result_takes_are_made_in_several_calls(self):
        def main(events, context):
            for e in events:
                context.of(e).state.set(f'v{e["data"]["syn"]}', 'x' * 60000)

        results = Bench(main, handler='tested.mainBatch').run(*(event(syn=i) for i in range(300)))
        self.assertEqual([result['done'] for result in results], [len(result['writes']) for result in results])
        self.assertEqual(sum(result['done'] for result in results), 300)

    def test_events_of_one_key_share_it_when_it_empties_meanwhile(self):
        def main(events, context):
            if events[0]['data']['syn'] == 2:
                one = context.of(events[0]).state
                one.delete('x')
                context.of(events[1]).state.set('y', 1)
                one.set('z', 1)
            elif events[0]['data']['syn'] == 1:
                context.of(events[0]).state.set('x', 1)
            else:
                state = context.of(events[0]).state
                state.set('seen', [state.get(name) for name in 'xyz'])

        bench = Bench(main, handler='tested.mainBatch')
        for syn in (1, 2):
            bench.send(event(syn=syn), event(syn=syn))
        self.assertEqual(bench.send(event(syn=3))['writes'], {('10.0.0.3', 'seen'): [None, 1, 1]})

    def test_its_contexts_are_over_when_it_returns(self):
        left = []
        bench = Bench(lambda events, context: left.append((events, context)), handler='tested.mainBatch')
        bench.send(event(), event())
        events, context = left[0]
        for touch in (lambda: context.of(events[0]).state, lambda: context.of(events[1]).fail('x')):
            with self.assertRaisesRegex(RuntimeError, 'the event is over'):
                touch()
        with self.assertRaisesRegex(TypeError, 'one of the events'):
            context.of(None)
        self.assertEqual(context['function-name'], 'tested')


class Coroutines(unittest.TestCase):
    def test_coroutines_and_plain_results_may_alternate_and_events_stay_in_order(self):
        seen = []

        async def later(syn):
            for _ in range(syn):
                await asyncio.sleep(0)
            seen.append(-syn)

        def main(e, context):
            seen.append(syn := e.data['syn'])
            return later(syn) if syn % 3 == 0 else None

        result = Bench(main).send(*(event(syn=syn) for syn in (1, 9, 6, 7, 3, 8)))
        self.assertEqual(result['done'], 6)
        self.assertEqual(seen, [1, 9, -9, 6, -6, 7, 3, -3, 8])

    def test_what_an_event_does_after_it_has_waited_is_its_own(self):
        async def main(e, context):
            await asyncio.sleep(0)
            context.state.counter('n').add(e.data['syn'])
            await asyncio.gather(*(self.add_later(context) for _ in range(3)))
            context.alert(title=f'{e.data["syn"]}')

        result = Bench(main).send(event(syn=10), event(syn=20, srcip='10.0.0.4'), event(syn=30))
        self.assertEqual(result['writes'], {('10.0.0.3', 'n'): 46, ('10.0.0.4', 'n'): 23})
        self.assertEqual([(i, alert['title']) for i, alert in result['alerts']], [(0, '10'), (1, '20'), (2, '30')])

    @staticmethod
    async def add_later(context):
        await asyncio.sleep(0)
        context.state.counter('n').add()

    def test_what_is_raised_after_an_await_fails_the_event_and_takes_its_changes_back(self):
        async def main(e, context):
            context.state.counter('n').add(e.data['syn'])
            context.alert(title='t')
            await asyncio.sleep(0)
            if e.data['syn'] == 2:
                raise ValueError('two')

        result = Bench(main).send(event(syn=1), event(syn=2), event(syn=4, key_hash=1 << 63))
        self.assertEqual(result['failures'], [(1, 'ValueError: two')])
        self.assertEqual(result['writes'], {('10.0.0.3', 'n'): 5})
        self.assertEqual([i for i, _ in result['alerts']], [0, 2])

    def test_a_call_that_is_cancelled_fails_and_no_other(self):
        async def main(e, context):
            if e.data['syn'] == 1:
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
            elif e.data['syn'] == 2:
                asyncio.current_task().cancel()  # which nothing that it waits for would see
            await asyncio.sleep(0)
            context.state.counter('n').add()

        result = Bench(main).send(*(event(syn=syn, key_hash=syn << 60) for syn in range(4)))
        self.assertEqual(result['failures'], [(i, 'RuntimeError: the call was cancelled') for i in (1, 2)])
        self.assertEqual(result['writes'], {('10.0.0.3', 'n'): 2})

    def test_a_task_that_was_left_behind_goes_on_and_cannot_touch_the_next_event(self):
        left, said = [], []

        async def linger(context):
            await asyncio.sleep(0)
            for touch in (lambda: context.state, lambda: context.alert(title='t')):
                try:
                    touch()
                except RuntimeError as error:
                    said.append(str(error))

        async def main(e, context):
            if e.data['syn'] == 1:
                left.append(asyncio.create_task(linger(context)))
            else:
                await left[0]

        result = Bench(main).send(event(syn=1), event(syn=2))
        self.assertEqual((result['done'], result['writes'], result['alerts']), (2, {}, []))
        self.assertEqual(said, ['the event is over: wait for what you start'] * 2)

    def test_a_context_variable_is_of_one_call(self):
        variable, seen = contextvars.ContextVar('variable', default=0), []

        async def main(e, context):
            seen.append(variable.get())
            variable.set(e.data['syn'])

        Bench(main).send(event(syn=1), event(syn=2))
        self.assertEqual(seen, [0, 0])

    def test_what_a_coroutine_returns_is_awaited_too(self):
        async def inner(context):
            context.state.counter('n').add()

        async def main(e, context):
            return inner(context)

        self.assertEqual(Bench(main).send(event())['writes'], {('10.0.0.3', 'n'): 1})

    def test_leaving_from_a_coroutine_leaves(self):
        async def main(e, context):
            await asyncio.sleep(0)
            sys.exit(3)

        with self.assertRaises(SystemExit):
            Bench(main).send(event())

    def test_a_batch_handler_that_raises_after_an_await_is_halved_down_to_the_event(self):
        async def main(events, context):
            for e in events:
                await asyncio.sleep(0)
                context.of(e).state.counter('n').add()
            if any(e.data['syn'] == 13 for e in events):
                raise ValueError('thirteen')

        result = Bench(main, handler='tested.main_batch').send(*(event(syn=i, key_hash=i % 16 << 60) for i in range(20)))
        self.assertEqual((result['failures'], result['skipped']), ([(13, 'ValueError: thirteen')], []))
        self.assertEqual(result['writes'], {('10.0.0.3', 'n'): 19})

    def test_what_a_call_left_running_goes_on_while_the_worker_waits(self):
        read_end, write_end = os.pipe()

        async def write_later():
            await asyncio.sleep(0.001)
            os.write(write_end, b'later')

        async def main():
            tasks.append(asyncio.create_task(write_later()))

        tasks, loop = [], Loop()
        loop.result_of(main())
        self.assertEqual(loop.read(read_end, 100), b'later')
        os.close(write_end)
        self.assertEqual(loop.read(read_end, 100), b'')
        os.close(read_end)

    def test_a_generator_is_refused_when_it_is_loaded(self):
        code = 'import sys, worker; worker.load_handler({"dir": sys.argv[1], "handler": "made.main"})'
        for kind in ('def', 'async def'):
            with tempfile.TemporaryDirectory() as folder:
                with open(os.path.join(folder, 'made.py'), 'w', encoding='ascii') as file:
                    file.write(f'{kind} main(event, context):\n    yield 1\n')
                done = subprocess.run([sys.executable, '-B', '-c', code, folder], cwd=os.path.join(ROOT, 'runtime/python'),
                                      capture_output=True, text=True, check=False)
            self.assertIn('TypeError: "main" is a generator', done.stderr)

    def test_a_plain_function_pays_for_no_loop(self):
        code = 'import sys, worker; worker.Loop().result_of(5); sys.exit("asyncio" in sys.modules)'
        subprocess.run([sys.executable, '-c', code], cwd=os.path.join(ROOT, 'runtime/python'), check=True)


class Documentation(unittest.TestCase):
    @staticmethod
    def shown(what):
        """The function that the text shows with `what` in it."""
        with open(os.path.join(ROOT, 'docs/functions.md'), encoding='utf-8') as text:
            (code,) = (part for part in re.findall('```python\n(.*?)```', text.read(), re.S) if what in part)
        scope = {}
        exec(code, scope)
        return scope['main']

    def test_the_example_of_the_text_finds_what_it_says(self):
        bench = Bench(self.shown("state.window('syn'"), config={'syn': 200, 'window': '10s'})
        alerts = [alert for ms in range(0, 5000, 100) for _, alert in bench.send(event(ms, syn=10))['alerts']]
        self.assertEqual([(alert['title'], alert['data']) for alert in alerts], [('Many SYN segments', {'syn': 210})])

    def test_the_coroutine_of_the_text_asks_and_raises_what_it_says(self):
        class Inventory(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b'Anna\n' if self.rfile.readline() == b'10.0.0.4\n' else b'\n')

        with socketserver.TCPServer(('127.0.0.1', 0), Inventory) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            bench = Bench(self.shown('open_connection'), config={'inventory': server.server_address})
            result = bench.send(event(), event(srcip='10.0.0.4'), event())
            server.shutdown()
            thread.join()
        self.assertEqual(result['failures'], [])
        self.assertEqual([(i, alert['title']) for i, alert in result['alerts']], [(0, 'An address that nobody owns')])


class Values(unittest.TestCase):
    def test_what_get_returns_is_a_copy(self):
        state = state_at(State(), 0)
        state.set('v', {'a': [1]})
        state.get('v')['a'].append(2)
        self.assertEqual(state.get('v'), {'a': [1]})
        self.assertIsNone(state.get('other'))

    def test_values_that_cannot_be_kept_are_refused(self):
        state = state_at(State(), 0)
        for name, value in (('v', object()), ('v', 'x' * 70000), ('v', {'$window': 1}), ('', 1), ('x' * 129, 1),
                            ('a\0', 1), (3, 1), ('v', float('inf'))):
            with self.assertRaises((TypeError, ValueError)):
                state.set(name, value)
        state.set('text', 'no number')
        for amount in ('1', float('nan'), True, None):
            with self.assertRaises(TypeError):
                state.counter('n').add(amount)
        for kind in (lambda: state.counter('text').add(), lambda: state.window('text', '10s').add(1)):
            with self.assertRaisesRegex(TypeError, 'holds something else'):
                kind()

    def test_a_deleted_value_is_deleted_in_the_database_too(self):
        state = State()
        state_at(state, 0).set('v', 1)
        self.assertEqual(collected(state), [('k', 'v', '1')])
        self.assertTrue(state_at(state, 0).delete('v'))
        self.assertFalse(state_at(state, 0).delete('v'))
        self.assertEqual(collected(state), [('k', 'v', None)])
        state_at(state, 0).set('short', 1)
        state_at(state, 0).delete('short')
        self.assertEqual(collected(state), [])


class Windows(unittest.TestCase):
    def test_lengths_are_checked(self):
        keyed = state_at(State(), 0)
        for wrong in ('10', 'ten', '-1s', 5, True, None, '400d'):
            with self.assertRaisesRegex(ValueError, 'expected a length'):
                keyed.window('w', wrong)
        self.assertEqual(keyed.window('w', 1500.5).add(1), 1)


class Sweeping(unittest.TestCase):
    def test_time_sweeps_away_empty_windows_and_what_had_its_time_and_plain_values_stay(self):
        state = State()
        for i in range(100):
            keyed = state_at(state, 0, f'k{i}')
            keyed.window('w', '10s').add(1)
            keyed.set('plain', i)
            keyed.counter('leased', ttl='99s').add(1)
            state.keep()
        list(state.collect())
        state_at(state, 100)
        for _ in range(20):
            state.sweep(32)
        self.assertEqual(len(state), 100)
        self.assertEqual({text for _, name, text in collected(state) if name != 'plain'}, {None})

    def test_keys_that_leave_memory_take_their_entries_along_and_write_nothing(self):
        state = State()
        for key_hash in range(4):
            state.load(f'k{key_hash}', key_hash, 'n', str(key_hash))
        state.evict([0, 3])
        self.assertEqual(len(state), 2)
        self.assertEqual([state.at(f'k{i}', i, 0).get('n') for i in range(4)], [None, 1, 2, None])
        self.assertEqual(list(state.collect()), [])
        state.load('k0', 0, 'n', '7')
        self.assertEqual(state.at('k0', 0, 0).counter('n').add(1), 8)

    def test_above_the_cap_what_was_not_used_for_long_is_forgotten(self):
        state = State(entries_max=100)
        for i in range(1000):
            state_at(state, 0, 'hot').counter('n').add(1)
            state_at(state, 0, f'k{i}').counter('n').add(1)
            state.keep()
            state.sweep(4)
        self.assertEqual(len(state), 100)
        self.assertEqual(state.forgotten, 901)
        self.assertEqual(state_at(state, 0, 'hot').counter('n').value, 1000)


if __name__ == '__main__':
    unittest.main()
