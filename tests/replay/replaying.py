# SPDX-License-Identifier: BSD-2-Clause
"""What the replay's tests share: running the program on a capture, and whether it can run here."""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))

# pylint: disable=wrong-import-position
from captures import pcap  # noqa: E402
from harness import BUILD, Checker  # noqa: E402, F401

PROGRAM = BUILD / "src/replay/netlambda-replay"


def require_bpf():
    """Ends the test as skipped (77) where BPF programs cannot be loaded; as failed if they must be."""
    reason = run("-", data=pcap([])).stderr
    if b"not permitted" not in reason and b"cannot load the XDP program" not in reason:
        return
    print(reason.decode().strip())
    sys.exit(1 if os.environ.get("NETLAMBDA_REQUIRE_BPF") == "1" else 77)


def run(*arguments, data=None, timeout=120, env=None):
    """The finished process; its output is bytes."""
    return subprocess.run([PROGRAM, *map(str, arguments)], input=data, capture_output=True, check=False,
                          timeout=timeout, env=env)


def replay(data, *arguments, name="standard input"):
    """What the program says of a capture, as an object."""
    done = run("-", "-o", "json", *arguments, data=data)
    if done.returncode != 0:
        raise AssertionError(f"{name}: exit status {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def alerts(result):
    """[(title, severity, source, destination, destination's port)]"""
    return [(alert["alert"]["signature"], alert["netlambda"]["severity"], alert.get("src_ip"),
             alert.get("dest_ip"), alert.get("dest_port")) for alert in result["alerts"]]


def event(result, event_id, function):
    for row in result["events"]:
        if (row["id"], row["function"]) == (event_id, function):
            return row
    raise AssertionError(f"no row for event {event_id} and {function}")


def finish(checker):
    print(f"1..{checker.number}")
    sys.exit(1 if checker.failures else 0)
