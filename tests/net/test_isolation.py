#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""On a system that gives a server no namespaces, as many containers do: what is promised of isolation and cannot be had is
refused, with its name; who runs the server may do without it, and then it is shown what is in force and what is not."""
import contextlib
import json

import harness
from lab import daemons, network

# The server's user namespace is the second and last below the one whose limit that is, so its workers have none.
NO_NAMESPACES = ("unshare", "--user", "--map-root-user", "sh", "-c",
                 'echo 1 >/proc/sys/user/max_user_namespaces && exec unshare --user --map-user=1000 "$@"', "-")
CODE = "module.exports = { main(event, { state }) { state.counter('calls', 1); } };\n"
TRIGGER = ("--trigger", "timer:@every 1s")
HAD = {"no-privileges", "system-calls"}  # whatever the system; Landlock and cgroups as they come


class Place:
    """A server without namespaces, and nothing else."""

    def __init__(self):
        self.lab = network.Network("nlisol")
        self.lab.namespace("lambda")
        self.server = daemons.Server(self.lab, harness.BUILD, "lambda", "127.0.0.1:5005", version1=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.close()

    def update(self, name, **settings):
        """(status, body) of a change of a function's settings."""
        connection = daemons.connect(self.server.config["api"])
        with contextlib.closing(connection):
            connection.request("PATCH", f"/v1/functions/{name}", json.dumps({"spec": settings}),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()


def test(checker):
    with Place() as place:
        place.server.start(wrapper=NO_NAMESPACES)
        shell = harness.Shell(place)
        code = shell.write("count/count.js", CODE)
        promises_that_cannot_be_kept_are_refused(checker, shell, code)
        place.server.reload(isolation="best-effort")
        what_is_in_force_is_shown(checker, place, shell, code)
        who_deploys_gives_no_more_of_the_network_than_there_is(checker, place, shell)
        place.server.reload(isolation="strict")
        who_runs_the_server_may_ask_for_more(checker, shell, code)


def promises_that_cannot_be_kept_are_refused(checker, shell, code):
    said = shell("deploy", "count", "-f", code, *TRIGGER, status=1)
    checker.that("isolation: no user-namespace here: clone: No space left on device" in said, f"strict: {said.strip()}")
    checker.that("best-effort" in said, "how to do without is said")
    said = shell("deploy", "count", "-f", code, *TRIGGER, "--isolation", "best-effort", status=1)
    checker.that('nothing that is deployed with less than "strict"' in said, f"who deploys asks for less: {said.strip()}")
    checker.equal("functions", [], shell.json("list"))


def what_is_in_force_is_shown(checker, place, shell, code):
    lacks = {lack["layer"] for lack in place.server.json("/v1/status")["isolation_lacks"]}
    checker.that({"user-namespace", "private-root", "network-namespace"} <= lacks, f"status: lacking {sorted(lacks)}")
    said = shell("deploy", "count", "-f", code, *TRIGGER)
    checker.that("its isolation lacks user-namespace, private-root, pid-namespace" in said, f"deploy: {said.strip()}")
    network.wait_for(lambda: shell.json("describe", "count")["events"] > 0, 20, "the function to be called")
    found = shell.json("describe", "count")
    checker.equal("what is in force and what is lacking", 13, len(found["isolation_layers"]) + len(found["isolation_lacks"]))
    checker.equal("lacking", lacks, set(found["isolation_lacks"]))
    checker.that(HAD <= set(found["isolation_layers"]), f"in force: {found['isolation_layers']}")
    checker.that("all layers but user-namespace" in shell("describe", "count"), "describe says so to people")
    metrics = place.server.metrics()
    checker.equal("metric of the function", len(lacks), metrics['netlambda_function_isolation_lacks{function="count"}'])
    checker.equal("metrics of layers", (0, 1), (metrics['netlambda_isolation_layer{layer="user-namespace"}'],
                                               metrics['netlambda_isolation_layer{layer="system-calls"}']))
    said = shell("deploy", "strict", "-f", code, *TRIGGER, "--isolation", "strict", status=1)
    checker.that("no user-namespace here" in said, "who deploys may ask for more, in vain")


def who_deploys_gives_no_more_of_the_network_than_there_is(checker, place, shell):
    checker.equal("any host, if the server's file has no limit", 200, place.update("count", network=["192.0.2.7:80"])[0])
    checker.equal("what it may reach", ["192.0.2.7:80"], shell.json("describe", "count")["settings"]["network"])
    checker.equal("none again", 200, place.update("count", network=[])[0])
    place.server.reload(isolation="best-effort", network=["*:443"])
    status, said = place.update("count", network=["192.0.2.7:80"])
    checker.that(status == 422 and "lets nothing that is deployed reach it" in said, f"beyond the limit: {said.strip()}")
    checker.equal("within the limit", 200, place.update("count", network=["192.0.2.7:443"])[0])


def who_runs_the_server_may_ask_for_more(checker, shell, code):
    """What is deployed is replaced once what it has at hand is done."""
    network.wait_for(lambda: shell.json("describe", "count")["isolation"] == "strict", 20, "the function to be replaced")
    found = shell.json("describe", "count")
    checker.equal("of what is deployed already", ("strict", []), (found["isolation"], found["isolation_layers"]))
    checker.that("no user-namespace here" in (found["error"] or ""), f"why it does not run: {found['error']}")
    said = shell("update", "count", "-f", code, status=1)
    checker.that("no user-namespace here" in said, "of what is deployed now")


if __name__ == "__main__":
    harness.main(test)
