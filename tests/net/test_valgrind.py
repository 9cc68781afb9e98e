#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Start, run, stop of both daemons under valgrind (thesis 6.2.4): no error, nothing definitely lost."""
import re
import shutil
import sys

import harness
from harness import SOURCE4

SYN = 500


def valgrind(log):
    return ["valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
            "--child-silent-after-fork=yes", f"--suppressions={harness.HERE}/valgrind.supp", f"--log-file={log}"]


def verdict(checker, name, log):
    text = log.read_text()
    errors = re.search(r"ERROR SUMMARY: (\d+) errors", text)
    lost = re.search(r"definitely lost: ([\d,]+) bytes", text)
    count = int(errors[1]) if errors else None
    checker.equal(f"valgrind's errors in the {name}", 0, count)
    checker.equal(f"bytes definitely lost in the {name}", "0", lost[1] if lost else "0")
    if count != 0:
        print("".join(f"# {line}\n" for line in text.splitlines()[:120]))


def test(checker):
    if not shutil.which("valgrind"):
        print("valgrind is not installed")
        sys.exit(77)
    with harness.Path() as path:
        logs = {name: path.lab.directory / f"valgrind-{name}.txt" for name in ("server", "agent")}
        preload = {"LD_PRELOAD": str(harness.BUILD / "tests/net/libvalgrind_shim.so")}
        path.server.start(environment=preload, wrapper=valgrind(logs["server"]), seconds=60)
        # Valgrind makes system calls of its own, which a sandbox does not let pass.
        path.agent.start("--no-sandbox", wrapper=valgrind(logs["agent"]), seconds=60)
        path.send("syn", SYN, ports="1-50", rate=500)
        checker.equal("SYN segments summed under valgrind", SYN, path.settle(SOURCE4, "syn", SYN, 30))
        path.server.json("/v1/status")
        checker.equal("the agent's exit code", 0, path.agent.stop(30))
        checker.equal("the server's exit code", 0, path.server.stop(30))
        for name, log in logs.items():
            verdict(checker, name, log)


if __name__ == "__main__":
    harness.main(test)
