#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Dead letters are tried again: each takes effect once, also when the server is killed on the way; and they are dropped."""
import contextlib
import json
import os
import signal
import sqlite3
import time

import harness
from harness import SOURCE4, Shell
from lab import network

PORTS = 600
CODE = """'use strict';

module.exports = {
  main(event, { state, config }) {
    const { dstport, syn } = event.data;
    if (config.broken && dstport % 2 === 1) throw new Error(`no port ${dstport}`);
    const sum = state.get('port') ?? { syn: 0 };
    state.set('port', { syn: sum.syn + syn });
  },
};
"""


def test(checker):
    path = harness.Path()
    path.server.config["triggers"] = {}
    path.server.config_path.write_text(json.dumps(path.server.config))
    with path.start():
        shell = Shell(path)
        code = shell.write("sum.js", CODE)
        shell("deploy", "sum", "-f", code, "--trigger", "event:port", "--key", "srcip", "--attempts", "1",
              "--config", '{"broken": true}')
        put_aside(checker, path, shell)
        tried_in_vain(checker, shell)
        tried_and_killed(checker, path, shell)
        dropped(checker, path, shell)
        kept_for_a_time(checker, path, shell)
        very_many_in_vain(checker, path, shell)
        no_more_than_are_wanted(checker, path, shell)


def letters(shell):
    lines = shell("dead-letters", "list", "--limit", "1000", "-o", "json").splitlines()
    return [json.loads(line) for line in lines]


def put_aside(checker, path, shell):
    path.send("syn", PORTS, ports=f"1-{PORTS}", rate=2000)
    network.wait_for(lambda: len(letters(shell)) >= PORTS // 2, 20, "the dead letters")
    checker.equal("SYN segments summed, every second port failing", PORTS // 2,
                  path.settle(SOURCE4, "syn", PORTS // 2))
    found = letters(shell)
    checker.equal("dead letters", PORTS // 2, len(found))
    ports = {letter["data"]["dstport"] for letter in found}
    checker.that(ports == set(range(1, PORTS, 2)), "they are of the odd ports")


def tried_in_vain(checker, shell):
    """What fails again is a dead letter again; there are no more than before."""
    row = letters(shell)[0]["row"]
    said = shell("dead-letters", "retry", "--row", row)
    checker.equal("retry of one", "1 events are tried again\n", said)
    network.wait_for(lambda: all(letter["row"] != row for letter in letters(shell)), 10, "the letter to go")
    checker.equal("letters after it failed again", PORTS // 2, len(letters(shell)))
    for words, expected in ((("retry",), "which?"), (("drop",), "which?"), (("retry", "--row", "x"), "expected a number")):
        said = shell("dead-letters", *words, status=2)
        checker.that(expected in said, f"dead-letters {' '.join(words)}: {said.splitlines()[0]}")


def tried_and_killed(checker, path, shell):
    shell("update", "sum", "--config", '{"broken": false}')
    rounds = 0
    while letters(shell) and rounds < 200:
        shell("dead-letters", "retry", "sum", status=None)
        if rounds < 3:
            time.sleep(0.01 * rounds)
            path.server.kill()
            path.server.start()
            network.wait_for(lambda: shell.json("describe", "sum")["state"] == "ready", 10, "the function")
        else:
            time.sleep(0.5)
        rounds += 1
    checker.that(rounds > 0, f"rounds of retrying, the first three with kill -9: {rounds}")
    checker.equal("dead letters that are left", 0, len(letters(shell)))
    checker.equal("SYN segments summed, each once", PORTS, path.settle(SOURCE4, "syn", PORTS))


def dropped(checker, path, shell):
    shell("update", "sum", "--config", '{"broken": true}')
    path.send("syn", 20, ports="1-20", rate=1000)
    network.wait_for(lambda: len(letters(shell)) >= 10, 20, "the dead letters")
    checker.equal("drop of old ones", "0 dead letters are dropped\n", shell("dead-letters", "drop", "--older-than", "1h"))
    checker.equal("drop of one", "1 dead letters are dropped\n",
                  shell("dead-letters", "drop", "sum", "--row", letters(shell)[0]["row"]))
    checker.equal("drop of all", "9 dead letters are dropped\n", shell("dead-letters", "drop", "--all"))
    checker.equal("what is left", 0, len(letters(shell)))
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    path.lab.directory.chmod(0o755)
    os.chmod(shell.socket, 0o666)
    said = shell("dead-letters", "drop", "--all", status=1, wrapper=stranger)
    checker.that("may look but not change" in said, f"a stranger: {said.strip()}")


def kept_for_a_time(checker, path, shell):
    """What is older than the configuration says goes; what is younger stays."""
    path.send("syn", 20, ports="1-20", rate=1000)
    network.wait_for(lambda: len(letters(shell)) >= 10, 20, "the dead letters")
    path.server.stop()
    old = [letter["row"] for letter in json_lines(path, "UPDATE dead_letters SET time_ns = time_ns - 86400000000000 "
                                                  "WHERE row % 2 = 0 RETURNING row")]
    path.server.config["dead_letters_keep"] = "1h"
    path.server.config_path.write_text(json.dumps(path.server.config))
    path.server.start()
    network.wait_for(lambda: len(letters(shell)) == 10 - len(old), 30, "the old letters to go")
    checker.that(old and not {letter["row"] for letter in letters(shell)} & set(old), f"old letters that went: {len(old)} of 10")


def very_many_in_vain(checker, path, shell):
    """More than are read at a time, and than may be with functions at once. What fails anew is not tried again and again."""
    path.server.stop()
    columns = "function, time_ns, switch_id, event_id, sequence, position, attempts, reason, data, epoch, record"
    json_lines(path, f"WITH RECURSIVE many(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < 400) "
                     f"INSERT INTO dead_letters({columns}) SELECT {columns} FROM dead_letters, many RETURNING row")
    total = json_lines(path, "SELECT count(*) AS count FROM dead_letters")[0]["count"]
    path.server.start()
    network.wait_for(lambda: shell.json("describe", "sum")["state"] == "ready", 10, "the function")
    said = shell("dead-letters", "retry", "sum", status=None)
    counts = [int(line.split()[0]) for line in said.splitlines()]
    checker.that(total > 1024 and counts[0] > 0, f"a retry of {total}: {', '.join(said.splitlines())}")
    checker.equal("letters that were looked at, each once", total, sum(counts))
    network.wait_for(lambda: shell.json("describe", "sum")["queued"] == 0, 20, "the function to be through")
    path.server.stop()
    checker.equal("letters afterwards", total, json_lines(path, "SELECT count(*) AS count FROM dead_letters")[0]["count"])
    path.server.start()


def no_more_than_are_wanted(checker, path, shell):
    """With a limit the newest stay; what had to leave is counted and said. A reload takes another limit up."""
    shell("dead-letters", "drop", "--all")
    most = 20
    path.server.config["dead_letters_max"] = most
    path.server.config_path.write_text(json.dumps(path.server.config))
    before = path.server.metrics()["netlambda_reloads_total"]
    os.kill(path.server.process.pid, signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()["netlambda_reloads_total"] > before, 20, "the reload")

    def counts():
        found = shell.json("describe", "sum")
        return found["dead_letters"], found["letters_shed"]
    count, shed = counts()
    path.send("syn", 100, ports="1-100", rate=1000)
    network.wait_for(lambda: counts()[0] == count + 50, 20, "the dead letters")
    checker.equal("those that left", shed + 50 - most, counts()[1])
    checker.equal("by the metric", counts()[1], path.server.metrics()['netlambda_function_dead_letters_shed_total{function="sum"}'])
    checker.equal("those that stay", most, len(letters(shell)))
    checker.that("as many dead letters as are kept" in (path.lab.directory / "server.log").read_text(), "the log says so")


def json_lines(path, sql):
    """Rows of a statement on the stopped server's database, by column."""
    with contextlib.closing(sqlite3.connect(path.server.config["store"])) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(sql).fetchall()]
        database.commit()
    return rows


if __name__ == "__main__":
    harness.main(test)
