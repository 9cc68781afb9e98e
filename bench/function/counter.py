# SPDX-License-Identifier: BSD-2-Clause
"""As counter.js."""


def count(event, context):
    context.state.counter('syn').add(event['data']['syn'])


async def count_async(event, context):
    count(event, context)


def look(event, context):
    if event['data']['syn'] > 1e9:
        raise ValueError('too many')
