#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The demo finds its four attacks and nothing else, and leaves nothing behind, interrupted or not."""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import harness
from lab import network

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo/demo.py"


def start_demo(*options):
    return subprocess.Popen([sys.executable, str(DEMO), "--build", str(harness.BUILD), *options],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def left_behind(pid):
    run = f"nldemo-{pid}-"
    return ([name for name in network.namespaces() if name.startswith(run)]
            + [str(path) for path in pathlib.Path(tempfile.gettempdir()).glob(f"{run}*")])


def whole_demo(checker):
    with tempfile.TemporaryDirectory() as directory:
        summary_path = pathlib.Path(directory, "summary.json")
        subprocess.run([harness.CLI, "function", "new", "many-syn"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        process = start_demo("--json", str(summary_path), "--function", f"{directory}/many-syn")
        output, _ = process.communicate(timeout=300)
        checker.equal("the demo's exit code", 0, process.returncode)
        if process.returncode != 0:
            print("".join(f"# {line}\n" for line in output.splitlines()))
        summary = json.loads(summary_path.read_text()) if summary_path.exists() else {"attacks": []}
    detected = [attack["attack"] for attack in summary["attacks"] if attack["detected"]]
    checker.equal("attacks detected", ["large transfer", "TCP SYN scan", "UDP scan", "SYN flood"], detected)
    checker.equal("false alerts", 0, summary.get("false_alerts"))
    checker.equal("what a function of one's own raised", {"Many SYN segments"},
                  {alert["alert"]["signature"] for alert in summary.get("own", [])})
    checker.equal("left behind", [], left_behind(process.pid))


def interrupted_demo(checker):
    process = start_demo()
    network.wait_for(lambda: len(left_behind(process.pid)) == 6, 20, "the demo's network")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    checker.equal("exit code after Ctrl-C", 128 + signal.SIGINT, process.returncode)
    checker.equal("left behind after Ctrl-C", [], left_behind(process.pid))


def test(checker):
    interrupted_demo(checker)
    whole_demo(checker)


if __name__ == "__main__":
    harness.main(test)
