# SPDX-License-Identifier: BSD-2-Clause
"""Functions for tests/unit/engine/test_engine.c. data['syn'] carries a number, data['udp'] an order."""

import os
import re
import sys

from netlambda import Context, PortEvent, StateFull

EXIT, THROW, HANG, LOOP, GARBAGE, THROW_LATE, MEMORY = range(1, 8)


async def wait(seconds):
    import asyncio  # here, as most workers of the tests need none of it

    await asyncio.sleep(seconds)


def obey(order, context):
    """Gives what is to be awaited, if anything is."""
    if order == EXIT:
        sys.exit(3)
    elif order == THROW:
        raise RuntimeError('as told')
    elif order == HANG:
        return wait(1000)
    elif order == LOOP:
        while True:
            pass
    elif order == GARBAGE:
        os.write(3, b'this is no frame at all')
        while True:
            pass
    elif order == MEMORY:
        try:
            raise RuntimeError(f'got {len(bytes(2000 << 20))}')
        except MemoryError:
            raise RuntimeError('allocation failed') from None
    elif order == THROW_LATE:
        context.state.counter('sum').add(1000000)
        context.alert(title='must not be seen')
        raise RuntimeError('after a write')
    return None


def main(event, context):
    """Adds syn up by source and keeps the last one."""
    if waits := obey(event['data']['udp'], context):
        return waits
    context.state.counter('sum').add(event['data']['syn'])
    context.state.set('last', event['data']['syn'])
    return None


def spared(event: PortEvent, context: Context):
    """As main; where there is no room it says so, and does without."""
    try:
        main(event, context)
    except StateFull as error:
        context.alert(title=str(error))


async def mainBatch(events, context):
    """As main, with many events at once. Those that shall throw are said to have failed."""
    for event in events:
        if event['data']['udp'] == THROW:
            context.of(event).fail('Error: as told')
        elif waits := main(event, context.of(event)):
            await waits


def ordered(event, context):
    """As main, for sources whose events carry 0, 1, 2 ... in `syn`: keeps what came out of that order."""
    if waits := obey(event['data']['udp'], context):
        return waits
    syn, last = event['data']['syn'], context.state.get('last')
    expected = 0 if last is None else last + 1
    if syn != expected:
        context.state.set('odd', f'{syn} instead of {expected}')
    context.state.counter('sum').add(1)
    context.state.set('last', syn)
    return None


async def slow(event, context):
    await wait(0.002)
    main(event, context)


def alerts(event, context):
    context.alert({'severity': 'high', 'title': 'first', 'category': 'test', 'data': {'syn': event.data['syn']}})
    context.alert(title='second', srcip=None, dstport=99)


def surroundings(event, context):
    """Says what it sees of its surroundings."""
    fds = [int(fd) for fd in os.listdir('/proc/self/fd')]
    with open('/proc/self/status', encoding='ascii') as status:
        no_new_privs = re.search(r'NoNewPrivs:\s*(\d)', status.read())[1]
    context.state.set('seen', {
        'env': sorted(os.environ),
        'fds': len([fd for fd in fds if fd < 4]),
        'extraFds': [fd for fd in fds if fd > 4],  # 4 is the directory that is listed
        'status': no_new_privs,
        'group': os.getpgid(0) == os.getpid(),
    })


def prints(event, context):
    print(f'told {event.data["syn"]}\x1b[31m')
    print('x' * 5000, file=sys.stderr)
