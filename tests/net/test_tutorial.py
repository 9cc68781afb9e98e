#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/functions.md is run as a newcomer would: its shell blocks in order, with its files as it shows them, against a real server;
what it says is printed is printed. Its function in another language runs, too."""
import json
import os
import pathlib
import re
import subprocess

import harness
from harness import BUILD
from lab import network

DOCUMENT = harness.HERE.parents[1] / "docs/functions.md"
TOLD = re.compile(r'"open": \d+')  # which period crosses the threshold is not the page's to say
SECTIONS = ("## A function in fifteen minutes", "## In Python", "## In C", "### Requests in tests")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"`([\w./-]+\.(?:js|json|py|c))`[^`]*:\s*\Z")


def blocks(text):
    """(kind, contents, file) of each block of the tutorial; the file is what the line before names."""
    for title in SECTIONS:
        start = text.index(title)
        section = text[start:re.compile(rf"\n#{{2,{title.index(' ')}}} ").search(text, start + 1).start()]
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


def run(checker, script, path, env, folder):
    """In a namespace, whose loopback is nobody's."""
    done = subprocess.run(["ip", "netns", "exec", path.lab.full("sender"), "bash", "-eu", "-c", script], cwd=folder,
                          env=env, capture_output=True, text=True, check=False, timeout=2 * harness.PATIENCE)
    checker.that(done.returncode == 0, f"{script.splitlines()[0]}: status {done.returncode} {done.stderr.strip()}")
    return done.stdout


def of_another_language(checker, path, folder):
    """The runtime and the function that the text shows for another language: the alert is raised."""
    shell = harness.Shell(path)
    (folder / "many-syn.pl").write_text(find("perl", "sub main"))
    (command,) = re.findall(r"^ +sudo netlambda function (deploy .*\.pl .*)$", DOCUMENT.read_text(), re.M)
    shell(*command.replace("many-syn.pl", str(folder / "many-syn.pl")).split())
    path.send("syn", 1500, ports="1-1500", rate=5000)
    network.wait_for(lambda: path.server.json("/v1/alerts")["alerts"], 20, "its alert")
    (alert, *_) = path.server.json("/v1/alerts")["alerts"]
    checker.equal("what a function in Perl raises", ("Many SYN segments", harness.SOURCE4),
                  (alert["alert"]["signature"], alert["src_ip"]))


def find(kind, what):
    """The block of a kind that has something in it."""
    return next(match[2] for match in BLOCK.finditer(DOCUMENT.read_text()) if match[1] == kind and what in match[2])


def test(checker):
    with harness.Path() as path:
        perl = json.loads(find("json", '"perl"'))["runtimes"]["perl"]
        perl["command"] = [word.replace("/usr/share/netlambda", str(harness.HERE.parents[1])) for word in perl["command"]]
        path.server.config |= {"runtimes": {"perl": perl}, "triggers": {}}
        path.server.config_path.write_text(json.dumps(path.server.config))
        path.start()
        folder = path.lab.directory / "work"
        folder.mkdir()
        env = environment(path, folder)
        said, count = "", 0
        for kind, contents, file in blocks(DOCUMENT.read_text()):
            if kind == "sh":
                said = run(checker, contents, path, env, folder)
            elif kind == "output":
                checker.equal("what is printed", *(TOLD.sub('"open": N', text) for text in (contents, said)))
            else:
                checker.that(file is not None, f"the {kind} block has the name of a file before it: {file}")
                pathlib.Path(folder, file).write_text(contents)
            count += 1
        checker.that(count > 15, f"blocks of the tutorial: {count}")
        of_another_language(checker, path, folder)


if __name__ == "__main__":
    harness.main(test)
