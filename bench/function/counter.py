# SPDX-License-Identifier: BSD-2-Clause
"""As counter.js."""


def count(event, context):
    context.state.counter('syn').add(event['data']['syn'])


def look(event, context):
    if event['data']['syn'] > 1e9:
        raise ValueError('too many')
