# SPDX-License-Identifier: BSD-2-Clause
"""
The Python worker: one process, one function. Frames come and go on descriptor 3 (the worker pipe,
docs/functions.md); what the function prints goes to the server's log by descriptors 1 and 2. The pipe's
end is the worker's end.
"""

import importlib.util
import inspect
import os
import resource
import sys
import traceback

from fault import message_of
from frames import BATCH, DROP, EVICT, FAILED, HELLO, READY, SCHEMA, START, STATE, VERSION, Reader, Splitter, frame, text_bytes
from loop import Loop
from offered import offer
from records import read_schema
from runner import Runner
from state import State

PIPE_FD = 3
READ_BYTES = 256 << 10
OWN_MODULES = (
    'call', 'distinct', 'event', 'fault', 'frames', 'loop', 'many', 'offered', 'records', 'runner', 'sketch', 'state', 'top',
    'windows',
)


def read_hello(reader):
    version = reader.u16()
    if version != VERSION:
        raise ValueError(f'the engine speaks version {version} of the pipe, this runtime {VERSION}')
    hello = {name: reader.text() for name in ('name', 'dir', 'handler', 'config')}
    hello['timeout_ms'] = reader.u32()
    hello['memory_mb'] = reader.u32()
    hello['key'] = [reader.text() for _ in range(reader.u16())]
    return hello


def load_handler(hello):
    """ "port-scan.main" in DIR -> the function."""
    file, _, name = hello['handler'].rpartition('.')
    path = os.path.join(hello['dir'], f'{file}.py')
    # The runtime's own modules out of the way of the function's, whatever those are called.
    sys.path[0] = hello['dir']
    for module in OWN_MODULES:
        del sys.modules[module]
    spec = importlib.util.spec_from_file_location(file, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file] = module
    spec.loader.exec_module(module)
    main = getattr(module, name, None)
    if not callable(main):
        raise AttributeError(f'{file}.py has no function "{name}"')
    if inspect.isgeneratorfunction(main) or inspect.isasyncgenfunction(main):
        raise TypeError(f'"{name}" is a generator, of which nothing would run: expected a function, plain or async')
    return main


def limit_memory(megabytes):
    """All that is the worker's own; the engine's limit is higher, for the sake of other runtimes."""
    limit = megabytes << 20
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def write_all(data):
    view = memoryview(data)
    while view:
        view = view[os.write(PIPE_FD, view) :]


class Worker:
    def __init__(self):
        self._schemas = {}
        self._state = State()
        self._hello = None
        self._runner = None
        self._loop = Loop()

    def read(self):
        """What came, b'': the pipe has ended. A function's own tasks go on meanwhile."""
        return self._loop.read(PIPE_FD, READ_BYTES)

    def take(self, kind, payload):
        reader = Reader(payload)
        if kind == BATCH:
            for result in self._runner.run(payload):
                write_all(result)
        elif kind == HELLO:
            self._hello = read_hello(reader)
        elif kind == SCHEMA:
            schema = read_schema(reader)
            self._schemas[schema.id] = schema
        elif kind == STATE:
            for _ in range(reader.u32()):
                key_hash, key, name, text = reader.u64(), reader.text(), reader.text(), reader.text()
                self._state.load(key, key_hash, name, text)
        elif kind == DROP:
            (self._runner or self._state).drop(reader.u16())
        elif kind == EVICT:
            self._state.evict(reader.hashes())
        elif kind == START:
            self._load()
        else:
            raise ValueError(f'a frame of type {kind}')

    def _load(self):
        try:
            os.chdir(self._hello['dir'])
            limit_memory(self._hello['memory_mb'])
            offer(self._schemas.values())
            main = load_handler(self._hello)
            if inspect.iscoroutinefunction(main):
                self._loop.make()  # the first event need not wait for that
            self._runner = Runner(self._hello, self._schemas, main, self._state, self._loop)
        except Exception as error:
            traceback.print_exc()
            write_all(frame(FAILED, [text_bytes(message_of(error, self._hello['dir']))]))
            return  # the engine ends us
        write_all(frame(READY, []))


def run():
    sys.stdout.reconfigure(line_buffering=True, errors='replace')
    splitter, worker = Splitter(), Worker()
    while chunk := worker.read():
        for kind, payload in splitter.feed(chunk):
            worker.take(kind, payload)


if __name__ == '__main__':
    run()
