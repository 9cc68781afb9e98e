#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A function in C: made, built, tested and deployed by the command line. What is wrong with a shared object is said when it is
deployed, and the version before goes on."""
import json
import subprocess

import harness
from harness import CLI, Shell
from lab import network

HEADER = subprocess.run([CLI, "function", "types", "--runtime", "native"], capture_output=True, text=True, check=True).stdout
HANDLER = "int handle(const struct lambda_event *event, struct lambda_context *context) { (void)event; (void)context; return 0; }\n"

# What is wrong with each, and what is said.
WRONG = {
    "newer": ('#define LAMBDA_RUNTIME\n#include "netlambda.h"\n'
              "const struct lambda_abi lambda_abi = {LAMBDA_ABI + 1, 0, {0}};\n" + HANDLER,
              "wrong.so was built for version 2 of <netlambda/function.h>, this is 1: build it again"),
    "other records": ('#define LAMBDA_RUNTIME\n#include "netlambda.h"\n'
                      "const struct lambda_abi lambda_abi = {LAMBDA_ABI, 1, {8}};\n" + HANDLER,
                      "wrong.so was built for a struct port_event of 8 bytes, here it has 80: build it again"),
    "plain": ("int handle(void) { return 0; }\n", "wrong.so was not built with <netlambda/function.h>"),
    "missing symbol": ('#include "netlambda.h"\nint nowhere(void);\n' + HANDLER.replace("return 0", "return nowhere()"),
                       "undefined symbol: nowhere"),
    "no handler": ('#include "netlambda.h"\n' + HANDLER.replace("handle", "hundle"), 'wrong.so exports no function "handle"'),
    "crash in a constructor": ('#include "netlambda.h"\n#include <signal.h>\n'
                               "__attribute__((constructor)) static void crash(void) { raise(SIGSEGV); }\n" + HANDLER,
                               "worker lost while it loaded the handler: worker was killed by signal 11"),
    "exit in a constructor": ('#include "netlambda.h"\n#include <stdlib.h>\n'
                              "__attribute__((constructor)) static void end(void) { exit(0); }\n" + HANDLER,
                              "worker lost while it loaded the handler: worker exited with status 0"),
    "_init refuses": ('#include "netlambda.h"\nint handle_init(struct lambda_context *context)\n'
                      '{ return lambda_fail(context, "no table %s", "x"); }\n' + HANDLER, "no table x"),
}


def build(shell, name, code):
    folder = shell.folder / name.replace(" ", "-")
    folder.mkdir()
    (folder / "netlambda.h").write_text(HEADER)
    (folder / "wrong.c").write_text(code)
    subprocess.run(["cc", "-w", "-O2", "-shared", "-fPIC", "-o", folder / "wrong.so", folder / "wrong.c"], check=True)
    return folder


def begins(checker, path, shell):
    """As `new` makes it, it builds without a warning, passes its tests and sums up what comes."""
    said = subprocess.run([CLI, "function", "new", "many-syn", "--runtime", "native"], cwd=shell.folder, capture_output=True,
                          text=True, check=True).stdout
    checker.that("make -C many-syn" in said, f"what to do now: {said.splitlines()[1:2]}")
    built = subprocess.run(["make", "-C", "many-syn", "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror -std=gnu11"], cwd=shell.folder,
                           capture_output=True, text=True, check=False)
    checker.equal("a build without warnings", (0, ""), (built.returncode, built.stderr))
    said = shell("deploy", "many-syn", "--from-file", shell.folder / "many-syn")
    checker.equal("what deploy says", "function many-syn is deployed, version 1\n", said)
    path.send("syn", 500, ports="1-500", rate=5000)
    network.wait_for(lambda: path.server.json("/v1/alerts")["alerts"], 20, "its alert")
    signatures = {alert["alert"]["signature"] for alert in path.server.json("/v1/alerts")["alerts"]}
    checker.equal("what it raises", {"Many SYN segments"}, signatures)


def mistakes_are_named(checker, path, shell):
    before = shell.json("describe", "many-syn")
    for name, (code, expected) in WRONG.items():
        said = shell("update", "many-syn", "--from-file", build(shell, name, code), "--runtime", "native", "--handler", "wrong.handle",
                     status=1)
        checker.that(expected in said, f"{name}: {said.strip()}")
    folder = build(shell, "text", WRONG["plain"][0])
    (folder / "wrong.so").write_text("no object\n")
    said = shell("update", "many-syn", "--from-file", folder, "--runtime", "native", "--handler", "wrong.handle",
                     status=1)
    checker.that("wrong.so" in said and "too short" in said, f"a text: {said.strip()}")
    (folder / "wrong.so").unlink()
    said = shell("update", "many-syn", "--from-file", folder, "--runtime", "native", "--handler", "wrong.handle",
                     status=1)
    checker.that('handler "wrong.handle": no readable file' in said, f"not built: {said.strip()}")
    after = shell.json("describe", "many-syn")
    checker.equal("version and worker after the mistakes", (before["version"], before["worker_pids"]),
                  (after["version"], after["worker_pids"]))


def test(checker):
    path = harness.Path()
    path.server.config["triggers"] = {}
    path.server.config_path.write_text(json.dumps(path.server.config))
    with path.start():
        shell = Shell(path)
        begins(checker, path, shell)
        mistakes_are_named(checker, path, shell)


if __name__ == "__main__":
    harness.main(test)
