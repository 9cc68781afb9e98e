#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A disk without room, or a database that may not become larger: nothing is acknowledged, nothing is lost, and the service
comes back when there is room.
A damaged database: the server does not touch it, and says how to save what can be saved."""
import contextlib
import errno
import hashlib
import json
import pathlib
import subprocess

import harness
from harness import SOURCE4
from lab import network

SYN = 3000


def test(checker):
    with harness.Path() as path, small_disk(path) as disk:
        path.server.config["store"] = str(disk / "state.db")
        path.server.config_path.write_text(json.dumps(path.server.config))
        path.start()
        path.send("syn", SYN, ports="1-1000", rate=5000)
        checker.equal("SYN segments summed before", SYN, path.settle(SOURCE4, "syn", SYN))
        bounded_for_a_while(checker, path)
        full_for_a_while(checker, path, disk)
        damaged(checker, path, disk / "state.db")


@contextlib.contextmanager
def small_disk(path):
    disk = path.lab.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "nltest", disk], check=True)
    try:
        yield disk
    finally:
        if path.server.process and path.server.process.poll() is None:
            path.server.kill()
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(ballast):
    with open(ballast, "ab", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def bounded_for_a_while(checker, path):
    """It is larger already than it may be, so what needs another page is refused."""
    path.server.reload(store_max="64Ki")
    path.send("syn", SYN, ports="1001-2000", rate=5000)
    network.wait_for(lambda: path.server.metrics()["netlambda_commits_over_limit_total"] > 0, 30, "a refused commit")
    status, body = path.server.get("/healthz")
    checker.equal("status of /healthz while the store is as large as it may be", 503, status)
    checker.that("Disk quota exceeded; the store is as large as it may be: raise store_max" in body, f"it says why: {body.strip()}")
    metrics = path.server.metrics()
    checker.that(metrics["netlambda_store_bytes"] >= metrics["netlambda_store_bytes_max"] == 65536, "metrics tell how large it is")
    checker.that(path.sum(SOURCE4, "syn") < 2 * SYN, "it does not have all")
    path.server.reload(store_max="1Gi")
    checker.equal("SYN segments summed when it might grow again", 2 * SYN, path.settle(SOURCE4, "syn", 2 * SYN, 60))
    network.wait_for(lambda: path.server.get("/healthz")[0] == 200, 30, "health")


def full_for_a_while(checker, path, disk):
    # Started anew, so that the -wal file has to grow for the next commit.
    checker.equal("exit code", 0, path.server.stop())
    path.server.start()
    network.wait_for(lambda: path.server.json("/v1/functions")["functions"][0]["workers"], 20, "the worker")
    fill(disk / "ballast")
    path.send("syn", SYN, ports="1-1000", rate=5000)
    network.wait_for(lambda: path.server.metrics()["netlambda_commit_failures_total"] > 0, 30, "a refused commit")
    status, body = path.server.get("/healthz")
    checker.equal("status of /healthz while the disk is full", 503, status)
    checker.that("store" in body or "commit" in body, f"it says why: {body.strip()}")
    (disk / "ballast").unlink()
    checker.equal("SYN segments summed when there was room again", 3 * SYN, path.settle(SOURCE4, "syn", 3 * SYN, 60))
    network.wait_for(lambda: path.server.get("/healthz")[0] == 200, 30, "health")


def damaged(checker, path, database):
    path.server.stop()
    with open(database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 3 * 4096)
    before = hashlib.sha256(database.read_bytes()).digest()
    try:
        path.server.start()
        said = "nothing: it started"
    except network.LabError as error:
        said = str(error)
    for word in (str(database), "damaged", f"sqlite3 '{database}' .recover | sqlite3 '{database}.recovered'"):
        checker.that(word in said, f"the server says {word}")
    checker.that(before == hashlib.sha256(pathlib.Path(database).read_bytes()).digest(), "the file is as it was")


if __name__ == "__main__":
    harness.main(test)
