#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Functions are deployed, changed, rolled back and deleted by the command line while events flow: no event is lost or
doubled, also where the key changes and the server is killed. What does not load changes nothing; who may not change is
refused; deployments outlive the server."""
import concurrent.futures
import contextlib
import io
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tarfile
import time
import zipfile

import harness
from harness import CLI, SOURCE4, Shell
from lab import network

SYN, RATE = 20000, 5000
SUM = harness.HERE / "functions/sum"
KEYS = ("srcip", "dstport", "dstip,dstport", "dstport", "srcip,dstip", "dstport", "protocol")
TRIGGERS = ("--trigger", "event:port", "--trigger", "event:flow")


def path_without_functions():
    path = harness.Path()
    path.server.config["triggers"] = {}
    path.server.config_path.write_text(json.dumps(path.server.config))
    return path


def test(checker):
    with path_without_functions().start() as path:
        keys_change_while_sending(checker, path, Shell(path))
    with path_without_functions().start() as path:
        one_that_was_away_goes_on(checker, path, Shell(path))
    with path_without_functions().start() as path:
        shell = Shell(path)
        changed_while_sending(checker, path, shell)
        mistakes_change_nothing(checker, path, shell)
        archives_are_judged(checker, path, shell)
        archives_say_what_a_folder_says(checker, shell)
        strangers_may_only_look(checker, path, shell)
        restarts_keep_deployments(checker, path, shell)
        conflicts_are_named(checker, path, shell)
        what_cannot_be_had_is_said(checker, path, shell)
        dependencies_go_with_the_code(checker, shell)
        python_is_deployed(checker, shell)
        modules_of_all_kinds_load(checker, shell)
        printed_lines_are_shown(checker, path, shell)
        schedules_are_kept(checker, shell)
        calls_touch_nothing(checker, path, shell)
        surroundings_are_given(checker, shell)
        limits_are_kept(checker, path, shell)
        what_is_kept_is_bounded(checker, path, shell)
        killed_while_purging(checker, path, shell)
        deleted(checker, path, shell)


def wait_for_version(path, shell, version):
    def is_up():
        found = shell.json("describe", "sum")
        return found["version"] == version and found["state"] in ("ready", "busy")
    network.wait_for(is_up, 15, f"version {version}")
    return path


def changed_while_sending(checker, path, shell):
    """Five changes while a switch sends: the sum is what was sent."""
    said = shell("deploy", "sum", "--from-file", SUM, *TRIGGERS)
    checker.equal("what deploy says", "function sum is deployed, version 1\n", said)
    wait_for_version(path, shell, 1)
    changed = shell.folder / "changed"
    subprocess.run(["cp", "-r", SUM, changed], check=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", SYN, ports="1-2000", rate=RATE)
        time.sleep(0.5)
        shell("update", "sum", "--batch", "100")
        wait_for_version(path, shell, 2)
        with open(changed / "sum.js", "a", encoding="utf-8") as code:
            code.write("// another version\n")
        shell("update", "sum", "--from-file", changed, "--timeout", "5")
        wait_for_version(path, shell, 3)
        shell("rollback", "sum", "--to", "1")
        wait_for_version(path, shell, 1)
        shell("deploy", "sum", "--from-file", SUM, *TRIGGERS, "--queue", "2000")
        wait_for_version(path, shell, 4)
        shell("rollback", "sum")
        wait_for_version(path, shell, 3)
        sending.result()
    checker.equal("SYN segments summed over five changes", SYN, path.settle(SOURCE4, "syn", SYN, 30))
    versions = shell.json("versions", "sum")
    checker.equal("versions, and the active one", ([1, 2, 3, 4], [3]),
                  ([v["version"] for v in versions], [v["version"] for v in versions if v["active"]]))
    checker.equal("the same code is kept once", 2, len({v["code"] for v in versions}))
    settings = shell.json("describe", "sum")["settings"]
    checker.equal("settings of version 3", (5, 100, 65536), (settings["timeout_seconds"], settings["batch"],
                                                             settings["queue"]))


def keys_change_while_sending(checker, path, shell):
    """At some point of each change the server is killed: whatever keys events were counted by, they are those that were sent."""
    chance = random.Random(harness.take_seed())
    shell("deploy", "sum", "--from-file", SUM, "--trigger", "event:port", "--key", KEYS[0])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(path.send, "syn", SYN, ports="1-2000", rate=RATE)
        for key in KEYS[1:]:
            change = pool.submit(shell, "update", "sum", "--key", key, status=None)
            time.sleep(chance.uniform(0, 0.8))
            path.server.kill()
            change.result()
            path.server.start()
        sending.result()

    def summed():
        return sum(total["syn"] for total in path.sums().values())

    with contextlib.suppress(network.LabError):
        network.wait_for(lambda: summed() >= SYN, 60, "all to be summed", pause=0.1)
    time.sleep(0.5)
    checker.equal("SYN segments summed by all keys", SYN, summed())


def one_that_was_away_goes_on(checker, path, shell):
    """What it had done when it was deleted, it does not do again, though another holds up the events."""
    stuck = shell.write("stuck.js", "module.exports = { main() { for (;;); } };\n")
    shell("deploy", "sum", "--from-file", SUM, *TRIGGERS)
    shell("deploy", "stuck", "--from-file", stuck, "--trigger", "event:port", "--timeout", "10m", "--queue", "100")
    path.send("syn", SYN, ports=f"1-{SYN}", rate=RATE)
    network.wait_for(lambda: path.sum(SOURCE4, "syn") > 100, harness.PATIENCE, "the one to be ahead of the other")
    shell("delete", "sum")
    network.wait_for(lambda: "sum" not in {f["name"] for f in shell.json("list")}, 60, "the function to go")
    shell("deploy", "sum", "--from-file", SUM, *TRIGGERS)
    shell("delete", "stuck")
    checker.equal("SYN segments summed by one that was away", SYN, path.settle(SOURCE4, "syn", SYN, 60))


def mistakes_change_nothing(checker, path, shell):
    before = shell.json("describe", "sum")
    broken = shell.write("broken/sum.js", "module.exports = {\n  main(event, context) {\n    if (event {\n  },\n};\n")
    thrower = shell.write("thrower/sum.js", "'use strict';\n\nrequire('./nothing-there.js');\n")
    for words, expected in {
            ("--from-file", broken, "--handler", "sum.main"): "sum.js:3: SyntaxError",
            ("--from-file", thrower, "--handler", "sum.main"): "sum.js:3: Error: Cannot find module",
            ("--handler", "sum.mian"): 'exports no function "mian"',
            ("--handler", "smu.main"): 'handler "smu.main": no readable file',
            ("--timeout", "never"): "timeout: expected a time",
            ("--key", "srcip,colour"): 'keyed by "colour"',
            ("--trigger", "event:9"): "expected event:ID",
            ("--trigger", "event:source"): "does not take event 3",
            ("--runtime", "cobol"): 'runtime "cobol": there are',
            ("--memory", "16Mi"): "memory: expected at least 32 (MiB)",
            ("--isolation", "some"): 'isolation: expected "strict", "best-effort" or "none"',
            ("--isolation", "none"): 'nothing that is deployed with less than "strict"'}.items():
        said = shell("update", "sum", *words, status=1)
        checker.that(expected in said, f"update {' '.join(map(str, words))}: {said.strip()}")
    said = shell("update", "smu", "--timeout", "3", status=1)
    checker.that('did you mean "sum"?' in said, f"a name that is not there: {said.strip()}")
    said = shell("update", "sum", "--batch", "7", "--dryrun")
    checker.that("nothing was changed" in said, f"a dry run: {said.strip()}")
    after = shell.json("describe", "sum")
    checker.equal("version and worker after the mistakes", (before["version"], before["worker_pids"]),
                  (after["version"], after["worker_pids"]))
    path.send("syn", 100, ports="1-100", rate=1000)
    checker.equal("SYN segments summed after them", SYN + 100, path.settle(SOURCE4, "syn", SYN + 100))


def tar_of(name, **attributes):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.addfile(info)
    return data.getvalue()


def archives_are_judged(checker, path, shell):
    for name, data, expected in (
            ("up.tar", tar_of("../evil.js"), '".."'),
            ("root.tar", tar_of("/tmp/evil.js"), "absolute"),
            ("link.tar", tar_of("sum.js", type=tarfile.SYMTYPE, linkname="/etc/shadow"), "it is a link"),
            ("fifo.tar", tar_of("sum.js", type=tarfile.FIFOTYPE), "neither a file nor a folder"),
            ("no.zip", b"this is no archive", "archive")):
        (shell.folder / name).write_bytes(data)
        said = shell("update", "sum", "--from-file", shell.folder / name, status=1)
        checker.that(expected in said, f"{name}: {said.strip()}")
    code = pathlib.Path(path.server.config["store"]).parent / "functions"
    network.wait_for(lambda: not list(code.glob(".incoming-*")), 20, "what they left to be removed")
    packed = shell.folder / "good.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in SUM.iterdir():
            archive.write(file, file.name)
    said = shell("deploy", "zipped", "--from-file", packed, "--dryrun")
    checker.that("can be deployed" in said, f"a zip: {said.strip()}")


def archives_say_what_a_folder_says(checker, shell):
    """The manifest that `function new` writes holds in an archive as in a folder; what is given goes before it."""
    subprocess.run([harness.CLI, "function", "new", "begun", "--runtime", "python", "--trigger", "timer:@every 1h"],
                   cwd=shell.folder, check=True, stdout=subprocess.DEVNULL)
    folder = shell.folder / "begun"
    shutil.make_archive(str(shell.folder / "begun"), "zip", folder)
    shutil.make_archive(str(shell.folder / "begun"), "gztar", folder)
    for words in ((), ("--trigger", "event:flow")):
        described = []
        for code in (folder, shell.folder / "begun.zip", shell.folder / "begun.tar.gz"):
            shell("deploy", "begun", "--from-file", code, *words)
            found = shell.json("describe", "begun")
            described.append({name: found[name] for name in ("trigger_list", "description", "runtime", "handler")} |
                             {name: found["settings"][name] for name in ("key", "config")})
            shell("delete", "begun", "--purge")
        checker.equal(f"a zip and a tar.gz {' '.join(words)}", [described[0]] * 2, described[1:])
        checker.equal("their triggers", list(words[1:]) or ["event:port", "timer:@every 1h"], described[0]["trigger_list"])
    shell("deploy", "begun", "--from-file", shell.folder / "begun.zip", "--trigger", "event:flow")
    shell("update", "begun", "--unset", "trigger")
    checker.equal("triggers that are taken back to the manifest's", ["event:port", "timer:@every 1h"],
                  shell.json("describe", "begun")["trigger_list"])
    shell("delete", "begun", "--purge")


def strangers_may_only_look(checker, path, shell):
    """With a socket that everybody may open, still only root, the server's user and the socket's group change."""
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for folder in (path.lab.directory, *path.lab.directory.parents[:-1]):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    os.chmod(shell.socket, 0o666)
    said = shell("update", "sum", "--batch", "9", status=1, wrapper=stranger)
    checker.that("user id 65534 may look but not change" in said, f"a stranger changes: {said.strip()}")
    checker.that("sum" in shell("list", wrapper=stranger), "a stranger looks")
    log = (path.lab.directory / "server.log").read_text()
    checker.that("audit verb=update uid=65534" in log and "refused" in log, "the log names who was refused")
    checker.that("audit verb=deploy function=sum uid=0" in log, "and who was not")
    os.chmod(shell.socket, 0o660)


def restarts_keep_deployments(checker, path, shell):
    path.server.kill()
    (pathlib.Path(path.server.config["store"]).parent / "functions/.incoming-left").mkdir()
    path.server.start()
    wait_for_version(path, shell, 3)
    path.send("syn", 100, ports="1-100", rate=1000)
    checker.equal("SYN segments summed after kill -9", SYN + 200, path.settle(SOURCE4, "syn", SYN + 200))
    left = list((pathlib.Path(path.server.config["store"]).parent / "functions").glob(".incoming-*"))
    checker.equal("uploads cut short that are left", [], left)


def conflicts_are_named(checker, path, shell):
    """A function is in the file, or deployed."""
    changed = {**path.server.config, "triggers": {"1": "sum"}}
    path.server.config_path.write_text(json.dumps(changed))
    os.kill(path.server.process.pid, harness.signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()["netlambda_reload_failures_total"] == 1, 10, "the refusal")
    log = (path.lab.directory / "server.log").read_text()
    checker.that('function "sum" is also deployed' in log, "a file that names a deployed function is refused")
    functions_dir = shell.folder / "configured"
    functions_dir.mkdir(exist_ok=True)
    subprocess.run(["cp", "-r", SUM, functions_dir / "total"], check=True)
    changed = {**path.server.config, "triggers": {"1": "total"},
               "functions": {"total": {"dir": str(functions_dir / "total"), "handler": "sum.main"}}}
    path.server.config_path.write_text(json.dumps(changed))
    os.kill(path.server.process.pid, harness.signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()["netlambda_reloads_total"] == 1, 10, "the reload")
    origins = {f["name"]: (f["origin"], f["version"]) for f in shell.json("list")}
    checker.equal("origins", {"sum": ("deployed", 3), "total": ("configured", None)}, origins)
    for verb in (("deploy", "total", "-f", SUM), ("delete", "total"), ("rollback", "total")):
        said = shell(*verb, status=1)
        checker.that("is in the server's file" in said, f"{verb[0]} of a configured function: {said.strip()}")
    said = shell("versions", "total", status=1)
    checker.that("it has no versions" in said, f"its versions: {said.strip()}")


def what_cannot_be_had_is_said(checker, path, shell):
    """A file with which a deployed function cannot be had is refused while that is at work; if the server begins with such
    a one, it says so wherever somebody looks."""
    def write(**changes):
        path.server.config_path.write_text(json.dumps({**path.server.config, **changes}))

    code = shell.write("far/far.js", "module.exports = { main() {} };\n")
    shell("deploy", "far", "-f", code, "--network", "192.0.2.7:443")
    refused = path.server.metrics()["netlambda_reload_failures_total"]
    write(network=[])
    os.kill(path.server.process.pid, harness.signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()["netlambda_reload_failures_total"] > refused, 10, "the refusal")
    log = (path.lab.directory / "server.log").read_text()
    checker.that('the deployed function "far" could not be had any more' in log, "the refusal names the function")
    checker.equal("what it may reach", ["192.0.2.7:443"], shell.json("describe", "far")["settings"]["network"])
    path.server.kill()
    path.server.start(health=503)
    health = path.server.get("/healthz")[1]
    checker.that("function far is deployed and cannot be had" in health, f"health: {health.strip()}")
    states = {f["name"]: f["state"] for f in shell.json("list")}
    checker.equal("how it does", "failed", states["far"])
    said = shell("describe", "far", status=1)
    checker.that("is deployed, version 1, and cannot be had" in said, f"describe: {said.strip()}")
    write()
    os.kill(path.server.process.pid, harness.signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()["netlambda_reloads_total"] == 1, 10, "the reload")
    checker.equal("how it does with the file as it was", "far", shell.json("describe", "far")["name"])
    shell("delete", "far")


def dependencies_go_with_the_code(checker, shell):
    """npm installs a package that lies beside the function: its script does not run, its lock file is respected."""
    ran = shell.folder / "script-ran"
    shell.write("dep/lib/package.json", json.dumps({
        "name": "lib", "version": "1.2.3", "main": "index.js", "scripts": {"postinstall": f"touch {ran}"}}))
    shell.write("dep/lib/index.js", "exports.name = 'the dependency';\n")
    manifest = shell.write("dep/package.json", json.dumps({"dependencies": {"lib": "file:" + str(shell.folder / "dep/lib")}}))
    code = shell.write("dep/user.js", "const { name } = require('lib');\nconsole.log(`uses ${name}`);\n"
                       "module.exports = { main() {} };\n")
    env = {"npm_config_offline": "true", "npm_config_cache": str(shell.folder / "npm-cache")}
    deploy = ("deploy", "user", "-f", code, "-d", manifest, "--trigger", "event:1")
    if shutil.which("npm"):
        said = shell(*deploy, env=env)
        checker.that("function user is deployed, version 1" in said, f"with dependencies: {said.strip()}")
        checker.that(not ran.exists(), "the package's script did not run")
    else:
        said = shell(*deploy, status=1)
        checker.that("there is no npm" in said, f"without npm: {said.strip()}")
    said = shell("deploy", "user", "-f", code, "-d", code, status=1)
    checker.that("expected package.json, or requirements.txt" in said, f"another file: {said.strip()}")


def python_is_deployed(checker, shell):
    broken = shell.write("py/watch.py", "def main(event, context):\n    if event\n        pass\n")
    said = shell("deploy", "watch", "-f", broken, "--trigger", "event:1", status=1)
    checker.that("watch.py:2: SyntaxError" in said, f"a Python error: {said.strip()}")
    good = shell.write("py/watch.py", "def main(event, context):\n    pass\n")
    checker.equal("Python", "function watch is deployed, version 1\n",
                  shell("deploy", "watch", "-f", good, "--runtime", "python3.11", "--trigger", "event:1"))
    said = shell("update", "watch", "--unset", "trigger")
    checker.that("it has no trigger, so no event comes to it" in said, f"a function that nothing calls: {said.strip()}")
    shell("rollback", "watch")


MODULES = {
    "CommonJS": ({"kind.js": "exports.main = ({ data }, { state }) => state.set('seen', data.syn);\n"}, None),
    "CommonJS by its suffix, among ES modules": (
        {"kind.cjs": "module.exports = { main: async ({ data }, { state }) => state.set('seen', data.syn) };\n",
         "package.json": '{"type": "module"}\n'}, None),
    "an ES module, which waits as it loads": (
        {"kind.mjs": "const name = await Promise.resolve('seen');\n"
                     "export const main = ({ data }, { state }) => state.set(name, data.syn);\n"}, None),
    "an ES module's default, by package.json": (
        {"kind.js": "import { name } from './name.js';\n"
                    "export default { async main({ data }, { state }) { await 0; state.set(name, data.syn); } };\n",
         "name.js": "export const name = 'seen';\n", "package.json": '{"type": "module"}\n'}, None),
    "what throws no Error as it loads": ({"kind.js": "throw 'a text';\n"}, "threw a text"),
    "a promise that is rejected as it loads": ({"kind.mjs": "await Promise.reject(new RangeError('far'));\n"}, "kind.mjs:1: RangeError: far"),
    "what exports something else": ({"kind.js": "exports.main = 5;\n"}, 'kind.js exports no function "main"'),
}


def modules_of_all_kinds_load(checker, shell):
    for number, (what, (files, refusal)) in enumerate(MODULES.items()):
        for name, text in files.items():
            shell.write(f"kind{number}/{name}", text)
        words = ("deploy", "kind", "--from-file", shell.folder / f"kind{number}", "--runtime", "nodejs", "--handler", "kind.main",
                 "--trigger", "event:port", "--key", "srcip")
        if refusal:
            said = shell(*words, status=1)
            checker.that(refusal in said, f"{what}: {said.strip()}")
            continue
        shell(*words)
        said = shell("call", "kind", "--event", "port", "--data", '{"srcip": "192.0.2.2", "syn": 7}')
        checker.that("seen" in said and "7" in said, f"{what}: {said.strip()}")
        shell("delete", "kind", "--purge")


def printed_lines_are_shown(checker, path, shell):
    """What was printed, and what is printed while somebody follows; also over a restart of the server."""
    code = shell.write("talk/talk.js", "let n = 0;\nsetInterval(() => console.log(`line ${++n}`), 50);\n"
                       "module.exports = { main() {} };\n")
    shell("deploy", "talk", "-f", code, "--trigger", "event:5")
    network.wait_for(lambda: "line 5\n" in shell("logs", "talk"), 10, "lines")
    with subprocess.Popen([CLI, "--socket", shell.socket, "function", "logs", "talk", "-f", "-n", "1"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        first = [int(follower.stdout.readline().split()[1]) for _ in range(20)]
        path.server.kill()
        path.server.start()
        again = int(follower.stdout.readline().split()[1])
        while again > 1:  # what was printed before the kill
            again = int(follower.stdout.readline().split()[1])
        follower.send_signal(harness.signal.SIGINT)
        status = follower.wait(60)
        said = follower.stderr.read()
    checker.equal("followed lines have no gap", list(range(first[0], first[0] + 20)), first)
    checker.equal("following goes on with the new worker's first line, and ends well", (1, 0), (again, status))
    checker.that("lost the server" in said and "connected again" in said, "what it says meanwhile")
    rows = shell("top", "--count", "1", "--interval", "0.2").splitlines()
    checker.that(rows[0].split()[:3] == ["FUNCTION", "STATE", "EVENTS/S"] and any(r.startswith("talk") for r in rows),
                 f"top: {rows[0]}")
    function = next(f for f in shell.json("list") if f["name"] == "talk")
    checker.that(10e6 < function["memory_bytes"] < 500e6, f"memory of a worker: {function['memory_bytes']}")
    shell("delete", "talk")


def schedules_are_kept(checker, shell):
    """A function that is keyed by what events have is also called by the clock, in every runtime."""
    codes = {
        "js": "module.exports = { main(event, { state }) {\n  const { scheduled, timer, missed } = event.data;\n"
              "  if (event['event-type'] === 'timer') console.log('tick', timer, missed, scheduled, "
              "state.counter(`${timer}`).add());\n} };\n",
        "py": "def main(event, context):\n    if event['event-type'] == 'timer':\n        data = event['data']\n"
              "        count = context.state.counter(str(data['timer'])).add()\n"
              "        print('tick', data['timer'], data['missed'], data['scheduled'], count)\n"}
    for suffix, code in codes.items():
        name = f"clock-{suffix}"
        shell("deploy", name, "-f", shell.write(f"{name}.{suffix}", code), "--key", "srcip", "--trigger", "event:port",
              "--trigger", "timer:@every 1s", "--trigger", "timer:*/5 * * * *")
        network.wait_for(lambda: shell("logs", name).count("tick 0 ") >= 3, 15, "ticks")
        ticks = [line.split() for line in shell("logs", name).splitlines() if line.startswith("tick 0 ")]
        checker.that(all(tick[3].endswith(":%02d.000000000Z" % int(tick[3][17:19])) for tick in ticks),
                     f"{suffix}: ticks are at whole seconds: {ticks[0]}")
        counts = [int(tick[4]) for tick in ticks]
        checker.equal(f"{suffix}: each is committed", list(range(counts[0], counts[0] + len(counts))), counts)
        function = shell.json("describe", name)
        checker.equal(f"{suffix}: its triggers", ["event:port", "timer:@every 1s", "timer:*/5 * * * *"],
                      function["trigger_list"])
        shell("delete", name)
    for schedule, expected in (("61 * * * *", "minute is wrong"), ("@every 1", "expected a time")):
        said = shell("deploy", "clock", "-f", shell.folder / "clock-js.js", "--handler", "clock-js.main", "--trigger", f"timer:{schedule}", status=1)
        checker.that(expected in said, f"timer:{schedule}: {said.strip()}")


def calls_touch_nothing(checker, path, shell):
    """`call` shows what one event leads to, and neither state nor alerts nor the function at work know of it."""
    code = shell.write("called/called.js", """'use strict';
module.exports = {
  main(event, context) {
    const { state, alert } = context, { srcip, dstport, syn, first } = event.data;
    console.log(srcip, dstport, first);
    if (dstport === 1) throw new Error('not that one');
    if (dstport === 2) for (;;);
    state.counter('syn').add(syn);
    if (syn > 10) alert({ severity: 'high', title: 'Many', data: { syn } });
    return context['function-name'];
  },
};
""")
    shell("deploy", "called", "-f", code, "--trigger", "event:source", "--key", "srcip", "--timeout", "5")
    data = {"srcip": "2001:db8::1", "dstport": 80, "syn": 300, "first": "2026-11-27T08:00:00.5Z"}
    found = shell.json("call", "called", "--data", json.dumps(data))
    checker.equal("what it printed", ["2001:db8::1 80 2026-11-27T08:00:00.500000000Z"], found["output"])
    checker.equal("its state", [{"key": "2001:db8::1", "name": "syn", "value": 300}], found["state"])
    checker.equal("its alert", [("Many", "2001:db8::1", 80)],
                  [(a["alert"]["signature"], a["src_ip"], a["dest_port"]) for a in found["alerts"]])
    checker.equal("no error", None, found["error"])
    again = shell.json("call", "called", "--data", json.dumps(data))
    checker.equal("a second call begins with nothing", found["state"], again["state"])
    alerts = subprocess.run([CLI, "--socket", shell.socket, "alerts", "--function", "called"], capture_output=True,
                            text=True, check=True).stdout
    checker.equal("alerts that are kept", "no alerts\n", alerts)
    checker.equal("events of the function at work", 0, shell.json("describe", "called")["events"])
    for port, expected in ((1, "Error: not that one"), (2, "overran its deadline")):
        said = shell("call", "called", "--data", json.dumps({"dstport": port}), status=1)
        checker.that(expected in said, f"a call that fails: {said.splitlines()[-1].strip()}")
    for words, expected in ((("--event", "prot"), "event: expected the name"),
                            (("--data", '{"sny": 1}'), 'has no field "sny" (did you mean "syn"?)'),
                            (("--data", '{"srcip": "here"}'), "srcip: expected an address"),
                            (("--data", '{"dstport": 65536}'), "dstport: expected a number that fits"),
                            (("--data", '{"first": "now"}'), "first: expected a time")):
        said = shell("call", "called", *words, status=1)
        checker.that(expected in said, f"call {' '.join(words)}: {said.strip()}")
    names_of_calls_are_nobodys(checker, shell, code)
    shell("delete", "called")


def names_of_calls_are_nobodys(checker, shell, code):
    """A call runs under a name of its own, whatever functions are called."""
    def called():
        return shell.json("call", "called")["reply"]

    taken = f"trial-{int(called().removeprefix('trial-')) + 2}"
    shell("deploy", taken, "-f", code)  # which is tried, too
    checker.that(called() != taken, f"a call's name is not {taken}, which is a function's")
    shell("delete", taken)


def surroundings_are_given(checker, shell):
    """--env, --network and --linger arrive, and a function finds its environment."""
    code = shell.write("told/told.js", "module.exports = { main: () => process.env.PLACE };\n")
    shell("deploy", "told", "-f", code, "--trigger", "timer:@hourly", "--env", "PLACE=here, there", "--env", "X=1",
          "--network", "192.0.2.7:443,db.example.org:8086", "--linger", "5ms")
    settings = shell.json("describe", "told")["settings"]
    checker.equal("environment, network, linger",
                  ({"PLACE": "here, there", "X": "1"}, ["192.0.2.7:443", "db.example.org:8086"], 0.005),
                  (settings["env"], settings["network"], settings["linger_seconds"]))
    checker.equal("what the function finds", "here, there", shell.json("call", "told")["reply"])
    for words, expected in ((("--env", "nothing"), "expected NAME=VALUE"), (("--network", "x"), "expected a host and a port"),
                            (("--linger", "long"), "linger: expected a time")):
        said = shell("update", "told", *words, status=None)
        checker.that(expected in said, f"update {' '.join(words)}: {said.strip()}")
    shell("update", "told", "--unset", "env", "--unset", "network")
    settings = shell.json("describe", "told")["settings"]
    checker.equal("taken back", ({}, []), (settings["env"], settings["network"]))
    shell("delete", "told")


def limits_are_kept(checker, path, shell):
    """Where cgroups can be had; else they are promised in vain, which is said."""
    eater = shell.write("eater/eater.js", "const kept = [];\nmodule.exports = { main(event) {\n"
                        "  for (;;) kept.push(Buffer.alloc(8 << 20, 1));\n} };\n")
    lacks = {lack["layer"] for lack in path.server.json("/v1/status")["isolation_lacks"]}
    if lacks & {"memory-limit", "cpu-limit"}:
        said = shell("deploy", "eater", "-f", eater, "--trigger", "timer:@every 1s", "--memory", "128", status=1)
        checker.that("no memory-limit here" in said, f"a limit that cannot be had: {said.strip()}")
        return
    shell("deploy", "eater", "-f", eater, "--trigger", "timer:@every 1s", "--memory", "128Mi", "--cpu", "500m", "--attempts", "1",
          "--timeout", "90")
    settings = shell.json("describe", "eater")["settings"]
    checker.equal("limits", (128, 0.5, "strict"), (settings["memory_mb"], settings["cpu"], settings["isolation"]))
    network.wait_for(lambda: shell.json("describe", "eater")["dead_letters"] > 0, 20, "a dead letter of the eater")
    found = shell.json("describe", "eater")
    checker.that("out of memory: its limit is 128 MiB" in found["error"], f"why the eater ended: {found['error']}")
    checker.that(found["crashes"] > 0, f"crashes of the eater: {found['crashes']}")
    checker.equal("the server's health meanwhile", 200, path.server.get("/healthz")[0])
    shell("delete", "eater")


def what_is_kept_is_bounded(checker, path, shell):
    """A function that keeps too much can keep no more, works otherwise, and has room again when it deletes or may have more."""
    code = shell.write("hoard/hoard.js", """module.exports = {
  main({ data: { syn, rst } }, { state }) {
    state.counter('calls').add(1);
    for (let i = 0; i < syn; i++) state.set(`v${i}`, 'x'.repeat(1000));
    for (let i = 0; i < rst; i++) state.delete(`v${i}`);
    return state.counter('calls').value;
  },
};
""")
    shell("deploy", "hoard", "-f", code, "--trigger", "event:port", "--state-bytes", "64Ki", "--state-keys", "32")

    def call(syn=0, rst=0, status=0, *words):
        return shell("call", "hoard", "--live", "--data", json.dumps({"syn": syn, "rst": rst}), *words, status=status)

    call(syn=80)
    found = shell.json("describe", "hoard")
    checker.equal("limits", (65536, 32, 65536), (found["settings"]["state_bytes"], found["settings"]["state_keys"],
                                                 found["state_bytes_max"]))
    text = "".join(f"v{i}" + "x" * 1002 for i in range(80)) + "calls1"
    checker.equal("what it keeps", (81, len(text), True), (found["state_entries"], found["state_bytes"], found["state_full"]))
    checker.that("80.4 kB in 81 entries, of 65.5 kB: full" in shell("describe", "hoard"), "describe says so to people")
    said = call(syn=81, status=1)
    checker.that('StateFull: state: "v80" cannot grow' in said, f"what would make it larger: {said.strip()}")
    checker.that(" full " in shell("top", "-n", "1", "-d", "0.1"), "top says so")
    checker.equal("calls that were done", 2, json.loads(call(80, 0, 0, "-o", "json"))["reply"])
    metrics = path.server.metrics()
    checker.equal("metrics", (len(text), 1, 1), tuple(metrics[f'netlambda_function_state_{name}{{function="hoard"}}']
                                                      for name in ("bytes", "full", "full_total")))
    found = shell.json("describe", "hoard")
    checker.that("StateFull" in found["error"] and found["error_time"], f"its last failure, and when: {found['error']}")
    checker.that("s ago)" in shell("describe", "hoard"), "describe says how long ago")
    checker.that("hoard: last failure: " in shell("top", "-n", "1", "-d", "0.1"), "top has it, too")
    shell("update", "hoard", "--state-bytes", "64Ki")
    checker.equal("failure and worker of a version that changes nothing", (None, None, found["worker_pids"]),
                  tuple(shell.json("describe", "hoard")[name] for name in ("error", "error_time", "worker_pids")))
    call(rst=30)
    checker.that("full" not in shell("describe", "hoard").split("keeps")[1].splitlines()[0], "there is room again")
    call(syn=80)
    shell("update", "hoard", "--state-bytes", "1Mi")
    network.wait_for(lambda: shell.json("describe", "hoard")["state_bytes_max"] == 1 << 20, 15, "the new limit")
    call(syn=81)
    checker.equal("entries with more room", 82, shell.json("describe", "hoard")["state_entries"])
    said = shell("update", "hoard", "--state-bytes", "64", status=1)
    checker.that("state_bytes: expected a size from 65536 bytes on" in said, f"a limit too small: {said.strip()}")
    shell("delete", "hoard", "--purge")


def remembered(path, name):
    """How many values of its state the database has."""
    store = path.server.config["store"]
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=harness.PATIENCE)) as database:
        return database.execute("SELECT count(*) FROM state WHERE function = ?", (name,)).fetchone()[0]


def killed_while_purging(checker, path, shell):
    """What a function remembered is all there, or is all gone once there is a server again."""
    chance = random.Random(harness.take_seed())
    code = shell.write("much/much.js", """module.exports = {
  main(event, { state }) {
    for (let i = 0; i < 1000; i++) state.set(`v${i}`, 'x'.repeat(100));
  },
};
""")
    shell("deploy", "much", "-f", code, "--trigger", "event:port", "--key", "dstport")
    for port in range(20):
        shell("call", "much", "--live", "--data", json.dumps({"dstport": port}))
    checker.equal("values that are kept", 20000, remembered(path, "much"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        deletion = pool.submit(shell, "delete", "much", "--purge", status=None)
        time.sleep(chance.uniform(0, 0.4))
        path.server.kill()
        deletion.result()
    path.server.start()
    is_there = "much" in {f["name"] for f in shell.json("list")}
    left = remembered(path, "much")
    checker.that(left == (20000 if is_there else 0), f"left of a function that is {'' if is_there else 'not '}there: {left}")
    if is_there:
        shell("delete", "much", "--purge")
    shell("deploy", "much", "-f", code)
    checker.equal("what one of that name begins with", 0, remembered(path, "much"))
    shell("delete", "much", "--purge")


def deleted(checker, path, shell):
    shell("delete", "sum")
    network.wait_for(lambda: "sum" not in {f["name"] for f in shell.json("list")}, 15, "the function to go")
    checker.equal("its state stays", SYN + 200, path.sum(SOURCE4, "syn"))
    shell("deploy", "sum", "--from-file", SUM, *TRIGGERS)
    path.send("syn", 10, ports="1-10", rate=1000)
    checker.equal("and goes on when it is deployed again", SYN + 210, path.settle(SOURCE4, "syn", SYN + 210))
    shell("delete", "sum", "--purge")
    checker.equal("after a purge nothing is left", {}, path.sums())


if __name__ == "__main__":
    harness.main(test)
