# SPDX-License-Identifier: BSD-2-Clause
"""
What handlers return and what is to be awaited: each call is a task of its own, in one asyncio loop that lasts as long
as the worker. What a call left running goes on while later ones wait, and while there is nothing to do.
"""

import os


class Loop:
    def __init__(self):
        self._asyncio = None  # a plain function pays for neither module nor loop
        self._loop = None

    def make(self):
        import asyncio

        self._asyncio = asyncio
        self._loop = asyncio.new_event_loop()

    def result_of(self, value):
        """What a handler returned; of an awaitable, what comes of it."""
        while value is not None and hasattr(value, '__await__'):
            value = self._await(value)
        return value

    def _await(self, awaitable):
        if self._loop is None:
            self.make()
        try:
            return self._loop.run_until_complete(awaitable)
        except self._asyncio.CancelledError as error:  # which is no Exception
            raise RuntimeError('the call was cancelled') from error

    def read(self, fd, size):
        """As os.read(), which waits."""
        if self._loop is not None:
            self._loop.add_reader(fd, self._loop.stop)
            self._loop.run_forever()
            self._loop.remove_reader(fd)
        return os.read(fd, size)
