# SPDX-License-Identifier: BSD-2-Clause
"""What the network tests share: prerequisites, the network, a checker that prints TAP, sums.

    sender (eth0) --- (port) s1, the agent (uplink) --- (eth0) lambda, the server

The function `sum` adds up what it is given, per event kind; its state in the database is compared with
what the sender counted.
"""
import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("NETLAMBDA_BUILD", HERE.parents[1] / "build")).resolve()
sys.path.insert(0, str(HERE.parents[1] / "tools"))
os.environ.setdefault("NETLAMBDA_PATIENCE", "120")  # before the lab looks; the demo's, too

# pylint: disable=wrong-import-position
from lab import authority, daemons, network  # noqa: E402

PATIENCE = network.PATIENCE
SERVER_IP = "10.63.0.2"
PORT, RELAY_PORT = 5005, 5006
ENDPOINT = f"{SERVER_IP}:{PORT}"
SOURCE4, TARGET4 = "10.64.0.2", "10.64.0.9"
SOURCE6, TARGET6 = "fd64::2", "fd64::9"
CLI = BUILD / "src/cli/netlambda"


def require_namespaces():
    """Ends the test as skipped (77) where namespaces cannot be had; as failed if they must be."""
    reason = None
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    else:
        probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            reason = f"no network namespace: {probe.stderr.strip()}"
    if reason:
        print(reason)
        sys.exit(1 if os.environ.get("NETLAMBDA_REQUIRE_BPF") == "1" else 77)


class Checker:
    """Compares and prints one TAP line a comparison."""

    def __init__(self):
        self.number = self.failures = 0

    def that(self, condition, text):
        self.number += 1
        self.failures += not condition
        print(f"{'ok' if condition else 'not ok'} {self.number} - {text}", flush=True)

    def equal(self, what, expected, found):
        self.that(expected == found, f"{what}: expected {expected}, found {found}")


class Relay:
    """relay.py between the agents and the server; see there."""

    def __init__(self, lab, seed):
        self.seed = seed
        argv = [sys.executable, HERE / "relay.py", SERVER_IP, RELAY_PORT, PORT, seed]
        self.process = lab.start("lambda", argv, "relay.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise network.LabError("the relay ended; its log says why")
        return json.loads(line)

    def _order(self, **order):
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def set(self, **settings):
        return self._order(set=settings)

    def cut(self):
        return self._order(cut=True)

    def rebind(self):
        return self._order(rebind=True)

    def attack(self, how):
        return self._order(attack=how)

    def counts(self):
        return self._order()


class Path:
    """The whole path of one test: namespaces, server and agent, with the function `sum`.

    `protocol` is the version that the agent speaks; the server takes version 1 only if it does. With a
    `relay`, which is its seed, the agent reaches the server by that.
    """

    def __init__(self, protocol=2, relay=None, tls_grace="5m", **settings):
        self.lab = network.Network("nltest")
        lab = self.lab
        for name in ("sender", "s1", "lambda"):
            lab.namespace(name)
            # Nothing but the sender's packets shall cross the port.
            lab.sysctl(name, "net.ipv6.conf.default.disable_ipv6=1")
        lab.link("sender", "eth0", "s1", "port")
        lab.link("s1", "uplink", "lambda", "eth0")
        lab.address("s1", "uplink", "10.63.0.1/30")
        lab.address("lambda", "eth0", f"{SERVER_IP}/30")
        self.authority = authority.Authority(lab.directory / "pki", BUILD)
        tls = {"credentials": str(self.authority.server(SERVER_IP)), "crl": str(self.authority.crl),
               "grace": tls_grace}
        self.server = daemons.Server(lab, BUILD, "lambda", ENDPOINT, functions_dir=HERE / "functions",
                                     triggers={"1": "sum", "2": "sum"},
                                     **{"tls": tls, "version1": protocol == 1, **settings})
        credentials = self.authority.switch(1) if protocol == 2 else None
        self.relay = Relay(lab, relay) if relay is not None else None
        endpoint = f"{SERVER_IP}:{RELAY_PORT}" if self.relay else ENDPOINT
        self.agent = daemons.Agent(lab, BUILD, "s1", ["port"], endpoint, credentials=credentials)
        self.agent.argv += ["--flush-timeout", f"{PATIENCE:.0f}s"]
        self.sent_total = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.show_logs()
        self.lab.close()

    def start(self, *server_options):
        """For a `with`, which has not begun if this fails: then nothing is left behind either."""
        try:
            self.server.start(*server_options)
            self.agent.start()
        except BaseException:
            self.show_logs()
            self.lab.close()
            raise
        return self

    def switch(self, number=1):
        """What the server says of a switch."""
        for item in self.server.json("/v1/switches")["switches"]:
            if item["id"] == number:
                return item
        return {}

    def show_logs(self):
        for log in sorted(self.lab.directory.glob("*.log")):
            print(f"# ---- {log.name}")
            for line in log.read_text(errors="replace").splitlines()[-40:]:
                print(f"# {line}")

    def send(self, kind, count, *, six=False, **options):
        """Sends packets from the sender; returns what it says it sent, {"packets", "bytes"}."""
        source, target = (SOURCE6, TARGET6) if six else (SOURCE4, TARGET4)
        argv = [BUILD / "tests/net/send-packets", "--interface", "eth0", "--source", source,
                "--destination", target, "--kind", kind, "--count", count]
        for name, value in options.items():
            argv += [f"--{name.replace('_', '-')}", value]
        sent = json.loads(self.lab.run_in("sender", argv))
        self.sent_total += sent["packets"]
        return sent

    def arrived(self):
        """What came in by the switch's port, by the kernel's count."""
        return self.lab.statistics("s1", "port")["rx"]["packets"]

    def sums(self):
        """{source: {"syn", "rst", "udp", "packets", "bytes", "flows"}} from the server's database."""
        found = {}
        path = self.server.config["store"]
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            rows = database.execute("SELECT key, name, value FROM state WHERE function = 'sum'").fetchall()
        for key, name, text in rows:
            value = json.loads(text)
            total = found.setdefault(key, dict.fromkeys(
                ("events", "syn", "rst", "udp", "packets", "bytes", "flows"), 0))
            if name == "port":
                total.update(value)
            else:
                total["packets"] += value["baseCount"] + value["count"]
                total["bytes"] += value["baseSize"] + value["size"]
                total["flows"] += 1
        return found

    def sum(self, source, name):
        return self.sums().get(source, {}).get(name, 0)

    def settle(self, source, name, expected, seconds=15):
        """Waits until a sum is at least what it should be, then a moment for one too many to come."""
        with contextlib.suppress(network.LabError):
            network.wait_for(lambda: self.sum(source, name) >= expected, seconds, name, pause=0.1)
        time.sleep(0.5)
        return self.sum(source, name)


class Shell:
    """The command line, as its user types it."""

    def __init__(self, path):
        self.socket = path.server.config["api"]
        self.folder = path.lab.directory / "work"
        self.folder.mkdir(exist_ok=True)

    def __call__(self, *words, status=0, wrapper=(), env=None):
        done = subprocess.run([*wrapper, CLI, "--socket", self.socket, "function", *map(str, words)],
                              capture_output=True, text=True, check=False, timeout=PATIENCE,
                              env=os.environ | (env or {}))
        if status is not None and done.returncode != status:
            raise network.LabError(f"{words}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def json(self, *words):
        return json.loads(self(*words, "-o", "json"))

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


def take_seed():
    """What a test of chance begins with: another each time, or $NETLAMBDA_SEED. It is printed."""
    seed = int(os.environ.get("NETLAMBDA_SEED") or random.randrange(1 << 31))
    print(f"# NETLAMBDA_SEED={seed}")
    return seed


def kill_9(pid):
    os.kill(pid, signal.SIGKILL)


def main(test):
    """Runs `test(checker)` and exits as the test harness expects."""
    require_namespaces()
    checker = Checker()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))  # leaves the `with` blocks, which clean up
    test(checker)
    print(f"1..{checker.number}")
    sys.exit(1 if checker.failures else 0)
