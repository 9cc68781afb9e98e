# SPDX-License-Identifier: BSD-2-Clause
"""For tests/unit/engine/test_calls.c: counts calls by key, and answers."""

import asyncio
import os


async def main(event, context):
    await asyncio.sleep(0)
    said = event.data.get('body', {}).get('said')
    calls = context.state.counter('calls').add(1)
    if said == 'throw':
        raise RuntimeError('as told')
    if said == 'exit':
        os._exit(3)
    if said == 'nothing':
        return None
    if said == 'endless':
        return 'x' * (2 << 20)
    return {'type': event['event-type'], 'calls': calls, 'said': event.data.get('syn') if said is None else said}


async def main_batch(events, context):
    return [await main(event, context.of(event)) for event in events][0]
