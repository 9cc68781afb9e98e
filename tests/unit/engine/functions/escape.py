# SPDX-License-Identifier: BSD-2-Clause
"""For tests/unit/engine/test_escape.c: what a function tries that wants out, and what it needs to work."""

import asyncio
import ctypes
import errno
import glob
import hashlib
import inspect
import multiprocessing
import os
import resource
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zlib
import zoneinfo

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
PTRACE_SEIZE = 0x4206
SYS_BPF, SYS_ADD_KEY = (280, 217) if os.uname().machine == 'aarch64' else (321, 248)


def libc(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read(path):
    with open(path, 'rb') as file:
        file.read(1)


def write(path, mode='ab'):
    with open(path, mode) as file:
        file.write(b'#')


def connect(family, kind, address):
    with socket.socket(family, kind) as client:
        client.connect(address)
        client.send(b'x')


def map_written_code():
    with tempfile.NamedTemporaryFile(suffix='.so') as file:
        shutil.copy(glob.glob('/usr/lib/*/libm.so.6')[0], file.name)
        try:
            ctypes.CDLL(file.name)
        except OSError as error:
            raise OSError(errno.EACCES, str(error)) from error


ESCAPES = {
    'secret': lambda config: read(config['secret']),
    'database': lambda config: read(config['database']),
    'home': lambda config: read('/root/.bashrc'),
    'packages': lambda config: os.listdir('/var/lib/dpkg'),
    'environ': lambda config: read(f"/proc/{config['server']}/environ"),
    'neighbours': lambda config: os.listdir(f"/proc/{config['server']}"),
    'kernel': lambda config: read('/proc/kallsyms'),
    'sysctl': lambda config: read('/proc/sys/kernel/osrelease'),
    'playground': lambda config: write(config['playground'], 'wb'),
    'code': lambda config: write(config['code']),
    'mode': lambda config: os.chmod(config['code'], 0o666),
    'tcp': lambda config: connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', config['tcp'])),
    'udp': lambda config: connect(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', config['udp'])),
    'unix': lambda config: connect(socket.AF_UNIX, socket.SOCK_STREAM, config['unix']),
    'abstract': lambda config: connect(socket.AF_UNIX, socket.SOCK_STREAM, '\0' + config['abstract']),
    'netlink': lambda config: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    'signal': lambda config: os.kill(config['server'], 0),
    'shell': lambda config: subprocess.run('true', shell=True, check=True),
    'addon': lambda config: map_written_code(),
}


def fork_without_end():
    """Up to a number that no worker may have."""
    children = []
    try:
        while len(children) < 300:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def bomb(event, context):
    """Each process makes others, and none ends. Only where their number has a limit."""
    if not 0 < resource.getrlimit(resource.RLIMIT_NPROC)[1] < 1000:
        raise RuntimeError('no limit')
    while True:
        try:
            os.fork()
        except OSError:
            pass


# What would do harm, or change what can be tried later, if it succeeded: not to be tried without isolation.
HARMFUL = {
    'forks': lambda config: fork_without_end(),
    'shadow': lambda config: read('/etc/shadow'),
    'trace': lambda config: libc(LIBC.ptrace(PTRACE_SEIZE, config['server'], None, None)),
    'namespace': lambda config: libc(LIBC.unshare(CLONE_NEWUSER)),
    'mount': lambda config: libc(LIBC.mount(b'x', b'/tmp', b'tmpfs', 0, None)),
    'chroot': lambda config: os.chroot('/tmp'),
    'root': lambda config: os.setresuid(0, 0, 0),
    'raw': lambda config: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    'bpf': lambda config: libc(LIBC.syscall(SYS_BPF, 0, bytes(128), 128)),
    'keyring': lambda config: libc(LIBC.syscall(SYS_ADD_KEY, b'user', b'escape', b'x', 1, -3)),
    'host-name': lambda config: socket.sethostname('escaped'),
}


def use_files():
    with tempfile.TemporaryDirectory() as folder:
        write(f'{folder}/file', 'wb')
        read(f'{folder}/file')


def use_database():
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f'{folder}/x.db')
        database.execute('create table t(a)')
        database.commit()
        database.close()


def use_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(1))
    thread.start()
    thread.join()
    assert seen


def double(number):
    return 2 * number


def use_processes():
    with multiprocessing.get_context('fork').Pool(2) as pool:
        assert pool.map(double, [1, 2]) == [2, 4]


NEEDS = {
    'files': lambda config: use_files(),
    'neighbour': lambda config: read('sum.py'),  # in the folder, which is where one is
    'memory': lambda config: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    'processors': lambda config: os.cpu_count() and len(os.sched_getaffinity(0)),
    'user': lambda config: __import__('pwd').getpwuid(os.getuid()).pw_name == 'function' or 1 / 0,
    'random': lambda config: secrets.token_bytes(16),
    'digest': lambda config: hashlib.sha256(b'x').hexdigest(),
    'compress': lambda config: zlib.compress(b'x'),
    'tls': lambda config: ssl.create_default_context(),
    'thread': lambda config: use_thread(),
    'child': lambda config: subprocess.run([sys.executable, '-c', '0'], check=True),
    'processes': lambda config: use_processes(),
    'database': lambda config: use_database(),
    'zone': lambda config: zoneinfo.ZoneInfo('Asia/Tokyo'),
    'executor': lambda config: asyncio.to_thread(use_files),
    'callback': lambda config: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)(),
}


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == b'ok'


async def ping(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b'ping')
    assert await reader.read() == b'ping'
    writer.close()
    await writer.wait_closed()


# Where the network is allowed: `tcp` at two hosts.
REACHED = {
    'address': lambda config: get(f"http://127.0.0.1:{config['tcp']}/"),
    'name': lambda config: ping('localhost', config['tcp']),
}

# And nothing else.
STRAYED = {
    'port': lambda config: connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', config['other'])),
    'port-of-name': lambda config: socket.create_connection(('localhost', config['other'])),
    'host': lambda config: connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.2', config['tcp'])),
    'outside': lambda config: connect(socket.AF_INET, socket.SOCK_STREAM, ('192.0.2.1', config['tcp'])),
    'outside6': lambda config: connect(socket.AF_INET6, socket.SOCK_STREAM, ('2001:db8::1', config['tcp'])),
    'name': lambda config: socket.create_connection(('host.example', config['tcp'])),
    'udp': lambda config: connect(socket.AF_INET, socket.SOCK_DGRAM, ('192.0.2.1', 53)),
    'raw': lambda config: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    'packet': lambda config: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close(),
    'netlink': lambda config: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
}


async def attempt(attempts, context):
    for name, function in attempts.items():
        try:
            if inspect.isawaitable(result := function(context.config)):
                await result
            context.state.set(name, 'done')
        except OSError as error:
            context.state.set(name, errno.errorcode.get(error.errno, str(error)))
        except Exception as error:
            context.state.set(name, repr(error)[:100])


def escape(event, context):
    return attempt(ESCAPES, context)


def break_out(event, context):
    return attempt(HARMFUL, context)


def need(event, context):
    return attempt(NEEDS, context)


def reach(event, context):
    return attempt(REACHED, context)


def stray(event, context):
    return attempt(STRAYED, context)
