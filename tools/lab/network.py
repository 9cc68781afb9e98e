# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces, links and the processes in them, all of which end with their owner.

Everything has a name that begins with the run's own (`PREFIX-PID`), so several runs can be up at once,
and what a killed run left behind can be told from what is alive.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time


# Seconds that each wait lasts at least: a test is not to depend on how fast its machine is.
PATIENCE = float(os.environ.get("NETLAMBDA_PATIENCE", "0"))


class LabError(Exception):
    """The machine refused something; the text is for the operator."""


def command(*argv, check=True):
    """Runs a short command and returns its standard output."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def namespaces():
    """The names of the named network namespaces that exist."""
    return [line.split()[0] for line in command("ip", "netns", "list").splitlines() if line.strip()]


def wait_for(condition, seconds, what, pause=0.02):
    """Calls `condition` until it gives something true, which is returned; LabError after `seconds`."""
    seconds = max(seconds, PATIENCE)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:g} s for {what}")
        time.sleep(pause)


class Network:
    """Namespaces, links and processes of one run. A context manager: leaving it removes them all."""

    def __init__(self, prefix):
        self.run = f"{prefix}-{os.getpid()}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.run}-"))
        self.directory.chmod(0o755)
        self._namespaces = []
        self._processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, name):
        """Makes a namespace with a loopback that is up and IPv6 addresses usable at once."""
        full = f"{self.run}-{name}"
        self._namespaces.append(full)  # first: a signal between the two must not leave it behind
        command("ip", "netns", "add", full)
        command("ip", "-n", full, "link", "set", "lo", "up")
        for path in ("all", "default"):
            self.sysctl(name, f"net.ipv6.conf.{path}.accept_dad=0")
        return full

    def full(self, name):
        return f"{self.run}-{name}"

    def sysctl(self, name, setting):
        command("nsenter", f"--net=/run/netns/{self.full(name)}", "sysctl", "-qw", setting)

    def ip(self, name, *argv):
        return command("ip", "-n", self.full(name), *argv)

    def link(self, a, a_interface, b, b_interface):
        """Joins two namespaces with a veth pair, both ends up."""
        self.ip(a, "link", "add", a_interface, "type", "veth", "peer", "name", b_interface,
                "netns", self.full(b))
        self.ip(a, "link", "set", a_interface, "up")
        self.ip(b, "link", "set", b_interface, "up")

    def bridge(self, name, interface, ports):
        """A learning switch without spanning tree or multicast snooping: it forwards at once."""
        self.ip(name, "link", "add", interface, "type", "bridge", "stp_state", "0",
                "mcast_snooping", "0", "forward_delay", "0")
        for port in ports:
            self.ip(name, "link", "set", port, "master", interface)
        self.ip(name, "link", "set", interface, "up")

    def address(self, name, interface, *addresses):
        for address in addresses:
            extra = ("nodad",) if ":" in address else ()
            self.ip(name, "address", "add", address, "dev", interface, *extra)

    def statistics(self, name, interface):
        """The kernel's own counters: {"rx": {"packets": ...}, "tx": {...}}."""
        shown = json.loads(self.ip(name, "-j", "-s", "link", "show", "dev", interface))
        return shown[0]["stats64"]

    def xdp_attached(self, name, interface):
        shown = json.loads(self.ip(name, "-j", "link", "show", "dev", interface))
        return "xdp" in shown[0]

    def start(self, name, argv, log, *, stdin=subprocess.DEVNULL, stdout=None, **options):
        """Starts a program in a namespace, in a session of its own, its output in directory/`log`."""
        with open(self.directory / log, "ab") as output:
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.full(name)}", "--", *map(str, argv)],
                stdin=stdin, stdout=stdout or output,
                stderr=output if stdout else subprocess.STDOUT, start_new_session=True, **options)
        process.log = self.directory / log
        self._processes.append(process)
        return process

    def run_in(self, name, argv, timeout=120, check=True):
        """Runs a program in a namespace to its end and returns its output."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.full(name)}", "--", *map(str, argv)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise LabError(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def close(self):
        """Ends every process and removes every namespace; may be called again."""
        for process in reversed(self._processes):
            end_process(process)
        for full in self._namespaces:
            remove_namespace(full)
        self._processes, self._namespaces = [], []
        shutil.rmtree(self.directory, ignore_errors=True)

    def leave(self):
        """Gives everything up without ending it: it outlives this process."""
        self._processes, self._namespaces = [], []


def end_process(process, seconds=4):
    """SIGTERM to the process's session, then SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def remove_namespace(full):
    """Kills what still runs in a namespace and removes it."""
    for pid in command("ip", "netns", "pids", full, check=False).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    command("ip", "netns", "del", full, check=False)


def dead_runs(prefix):
    """{run: [its namespaces]} of runs whose process is gone (killed, or told to keep its network)."""
    runs = {}
    for full in namespaces():
        parts = full.split("-")
        if full.startswith(f"{prefix}-") and len(parts) > 2 and parts[-2].isdigit():
            if not os.path.exists(f"/proc/{parts[-2]}"):
                runs.setdefault("-".join(parts[:-1]), []).append(full)
    return runs


def remove_run(run, names):
    """Removes what dead_runs() found: namespaces, the processes in them, and the directories."""
    for full in names:
        remove_namespace(full)
    for directory in pathlib.Path(tempfile.gettempdir()).glob(f"{run}-*"):
        shutil.rmtree(directory, ignore_errors=True)
