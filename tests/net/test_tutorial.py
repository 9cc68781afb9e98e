#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/functions.md is run as a newcomer would: its shell blocks in order, with its files as it shows them, against a real server;
what it says is printed is printed."""
import os
import pathlib
import re
import subprocess

import harness
from harness import BUILD

DOCUMENT = harness.HERE.parents[1] / "docs/functions.md"
SECTIONS = ("## A function in fifteen minutes", "## In Python", "## In C")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"`([\w./-]+\.(?:js|py|c))`[^`]*:\s*\Z")


def blocks(text):
    """(kind, contents, file) of each block of the tutorial; the file is what the line before names."""
    for title in SECTIONS:
        start = text.index(title)
        section = text[start:text.index("\n## ", start + 1)]
        for match in BLOCK.finditer(section):
            file = FILE.search(section[:match.start()])
            yield match[1], match[2], file and file[1]


def environment(path, folder):
    """The programs by their names, and a sudo that does nothing: the test is root."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "netlambda").symlink_to(BUILD / "src/cli/netlambda")
    sudo = programs / "sudo"
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "NETLAMBDA_SOCKET": path.server.config["api"],
                         "NO_COLOR": "1"}


def run(checker, script, env, folder):
    done = subprocess.run(["bash", "-eu", "-c", script], cwd=folder, env=env, capture_output=True, text=True,
                          check=False, timeout=120)
    checker.that(done.returncode == 0, f"{script.splitlines()[0]}: status {done.returncode} {done.stderr.strip()}")
    return done.stdout


def test(checker):
    with harness.Path() as path:
        path.server.start()
        folder = path.lab.directory / "work"
        folder.mkdir()
        env = environment(path, folder)
        said, count = "", 0
        for kind, contents, file in blocks(DOCUMENT.read_text()):
            if kind == "sh":
                said = run(checker, contents, env, folder)
            elif kind == "output":
                checker.equal("what is printed", contents, said)
            else:
                checker.that(file is not None, f"the {kind} block has the name of a file before it: {file}")
                pathlib.Path(folder, file).write_text(contents)
            count += 1
        checker.that(count > 15, f"blocks of the tutorial: {count}")


if __name__ == "__main__":
    harness.main(test)
