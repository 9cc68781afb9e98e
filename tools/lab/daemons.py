# SPDX-License-Identifier: BSD-2-Clause
"""Starts netlambda's daemons in a network of the lab and speaks to the server's API."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from . import network

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def program(name, build):
    """A program's path: of the build tree if it has it, else from PATH."""
    parts = {"netlambda-server": "server", "netlambda-agent": "agent", "netlambda": "cli"}
    built = pathlib.Path(build, "src", parts[name], name)
    found = str(built) if built.exists() else shutil.which(name)
    if not found:
        raise network.LabError(f"no {name} in {build} or in PATH; run ./dev build")
    return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=max(5, network.PATIENCE))
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(path):
    """A connection to a server's API, as http.client has them."""
    return _UnixConnection(path)


class Server:
    """A netlambda-server with its files in the network's directory. It can be killed and restarted."""

    def __init__(self, lab, build, name, listen, *, functions_dir=None, triggers=None,
                 functions=None, **settings):
        self.lab, self.name, self.build = lab, name, build
        self.listen = listen
        self.config = {
            "listen": listen,
            "api": str(lab.directory / "api.sock"),
            "store": str(lab.directory / "state.db"),
            "alerts": str(lab.directory / "alerts.ndjson"),
            "functions_dir": str(functions_dir or SOURCE / "functions"),
            "runtime_dir": str(SOURCE / "runtime"),
            "functions": functions or {},
            "triggers": triggers or {},
            **settings,
        }
        self.config_path = lab.directory / "server.json"
        self.config_path.write_text(json.dumps(self.config, indent=2) + "\n")
        self.process = None

    def start(self, *options, wrapper=(), environment=None, seconds=10, health=200):
        argv = [*wrapper, program("netlambda-server", self.build), "--config", self.config_path, *options]
        self.process = self.lab.start(self.name, argv, "server.log",
                                      env={**os.environ, **(environment or {})})
        network.wait_for(lambda: self._ready(health), seconds, "the server to be ready; its log says:\n" + self._log)
        return self

    @property
    def _log(self):
        path = self.lab.directory / "server.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _ready(self, health):
        if self.process.poll() is not None:
            raise network.LabError(f"the server ended with {self.process.returncode}:\n{self._log}")
        try:
            return self.get("/healthz")[0] == health
        except OSError:
            return False

    def get(self, path):
        """(status, body) of an API request."""
        connection = _UnixConnection(self.config["api"])
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def json(self, path):
        status, body = self.get(path)
        if status != 200:
            raise network.LabError(f"GET {path}: {status} {body}")
        return json.loads(body)

    def metrics(self):
        """{'name{label="x"}': value} of /metrics."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def reload(self, **settings):
        """Once: the file has these besides its own."""
        before = self.metrics()["netlambda_reloads_total"]
        self.config_path.write_text(json.dumps({**self.config, **settings}))
        os.kill(self.process.pid, signal.SIGHUP)
        network.wait_for(lambda: self.metrics()["netlambda_reloads_total"] > before, 10, "the new settings")

    def kill(self):
        """kill -9, and waits until it is gone."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=10):
        """SIGTERM; returns the exit code."""
        os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(max(seconds, network.PATIENCE))


class Agent:
    """A netlambda-agent on interfaces of one namespace: with a certificate, or version 1 without."""

    def __init__(self, lab, build, name, interfaces, server, *, credentials=None, switch_id=1,
                 log="agent.log"):
        self.lab, self.name, self.interfaces, self.log = lab, name, interfaces, log
        self.argv = [program("netlambda-agent", build), "--server", server]
        self.argv += ["--credentials", credentials] if credentials else ["--protocol", 1, "--id", switch_id]
        for interface in interfaces:
            self.argv += ["--interface", interface]
        self.process = None

    def start(self, *options, wrapper=(), seconds=10):
        self.process = self.lab.start(self.name, [*wrapper, *self.argv, *options], self.log)
        network.wait_for(self._ready, seconds, "the agent to attach")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            log = self.process.log.read_text(errors="replace")[-2000:]
            raise network.LabError(f"the agent ended with {self.process.returncode}:\n{log}")
        return all(self.lab.xdp_attached(self.name, interface) for interface in self.interfaces)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=10):
        os.kill(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(max(seconds, network.PATIENCE))
        except subprocess.TimeoutExpired:
            raise network.LabError("the agent did not stop on SIGTERM") from None
