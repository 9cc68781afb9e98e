#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an author of functions is given: `function new` makes what passes its tests and a type checker, which finds
mistakes; `function test` tells what differs, and by its exit status."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

from replaying import BUILD, Checker, finish, require_bpf

CLI = BUILD / "src/cli/netlambda"


def cli(folder, *words):
    done = subprocess.run([CLI, "function", *map(str, words)], cwd=folder, capture_output=True, text=True,
                          check=False, timeout=120, env=os.environ | {"NO_COLOR": "1"})
    return done.returncode, done.stdout + done.stderr


def new(checker, folder):
    for runtime in ("nodejs", "python", "native"):
        status, said = cli(folder, "new", runtime, "--runtime", runtime)
        checker.equal(f"new in {runtime}", 0, status)
        if "make -C" in said:
            subprocess.run(["make", "-s", "-C", folder / runtime], check=True)
        checker.that(f"netlambda function test {runtime}" in said, "and what to do now")
        status, said = cli(folder, "test", runtime)
        checker.equal(f"its tests in {runtime}", (0, "2 passed, 0 failed"), (status, said.splitlines()[-1]))
    triggers(checker, folder)
    for words, status, expected in (
            (("new", "nodejs"), 1, "is there already"), (("new", "Upper"), 2, "expected a name"),
            (("new", "../up"), 2, "expected a name"), (("new", "x", "--runtime", "perl"), 2, 'found "perl"'),
            (("new", "9x", "--runtime", "native"), 2, "begins with a letter")):
        found, said = cli(folder, *words)
        checker.that(found == status and expected in said, f"{' '.join(words)}: {found} {said.strip()}")


def import_all(checker, folder):
    """What the stubs name is there while the function runs."""
    names = re.findall(r"^(?:class (\w+)|(\w+) = )", (folder / "netlambda.pyi").read_text(), re.M)
    names = sorted(name for pair in names for name in pair if name and not name.startswith("_"))
    checker.that(len(names) > 15 and "StateFull" in names, f"names in the stubs: {' '.join(names)}")
    code = folder / f"{folder.name}.py"
    code.write_text(f"from netlambda import {', '.join(names)}\n" + code.read_text().replace("from __future__ import annotations\n", "") +
                    "\n\ndef of_any_kind(event: Event[HttpData], error: StateFull) -> Length:\n    return len(event['data']['path'])\n")


def triggers(checker, folder):
    """What else calls a new function: its tests pass whatever the schedule."""
    for runtime in ("nodejs", "python", "native"):
        for kind, trigger in (("http", "http:/scans"), ("timer", "timer:0 6 * * 1-5")):
            name = f"{kind}-{runtime}"
            checker.equal(f"new {name}", 0, cli(folder, "new", name, "--runtime", runtime, "--trigger", trigger)[0])
            if runtime == "native":
                subprocess.run(["make", "-s", "-C", folder / name, "CFLAGS=-Wall -Wextra -Werror"], check=True)
            if name == "http-python":
                import_all(checker, folder / name)
            for suffix in ("pcap", "json"):
                (folder / name / f"tests/ordinary.{suffix}").unlink(missing_ok=True)  # one capture of each will do
            status, said = cli(folder, "test", name)
            checker.equal("its tests", (0, f"{2 if kind == 'http' else 1} passed, 0 failed"), (status, said.splitlines()[-1]))
    for schedule, count in (("@every 1s", 3), ("0 0 29 2 *", 1)):
        name = f"every-{count}"
        cli(folder, "new", name, "--trigger", f"timer:{schedule}")
        checker.equal(f"reports expected of {schedule}", count, len(json.loads((folder / name / "tests/report.json").read_text())["alerts"]))
    checker.equal("and raised", 0, cli(folder, "test", "every-3")[0])
    for trigger, expected in (("timer:x", "its minute is wrong"), ("timer:0 0 31 2 *", "never due"), ("timer:0 \t6 * * *", "spaces between"),
                              ('timer:"0 6 * * *"', "its minute is wrong"), ("http:scans", "expected a path"), ("http:/a*/b", "expected a path"),
                              ('http:/"', "expected a path"), ("event:flow", 'found "event:flow"')):
        status, said = cli(folder, "new", "wrong", "--trigger", trigger)
        checker.that(status == 2 and expected in said and not (folder / "wrong").exists(), f"{trigger}: {status} {said.strip()}")


BATCH_JS = """// @ts-check
module.exports = {
  /**
   * @param {import('./netlambda').PortEvent[]} events
   * @param {import('./netlambda').BatchContext} context
   */
  mainBatch(events, context) {
    for (const event of events) {
      const { state, fail } = context.of(event);
      if (state.counter('syn').add(event.data.syn) > 100) fail('too many');
    }
  },
};
"""
BATCH_PY = """from netlambda import BatchContext, PortEvent


async def main_batch(events: list[PortEvent], context: BatchContext) -> None:
    for event in events:
        own = context.of(event)
        if own.state.counter('syn').add(event['data']['syn']) > 100:
            own.fail('too many')
"""


def tsc(folder, *more):
    done = subprocess.run(["tsc", "--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--moduleResolution",
                           "node", "--typeRoots", "./none", "nodejs.js", *more], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def mypy(folder, *more):
    done = subprocess.run(["/usr/bin/mypy", "--strict", "--no-error-summary", "--cache-dir", os.devnull, "python.py", *more],
                          cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def types(checker, folder):
    """A checker finds nothing in what `new` makes, and finds what is mistyped."""
    (folder / "nodejs/node.d.ts").write_text("declare var module: { exports: any };\n")
    code = folder / "nodejs/nodejs.js"
    text = code.read_text()
    (folder / "nodejs/batch.js").write_text(BATCH_JS)
    more = [folder / f"{kind}-nodejs" / f"{kind}-nodejs.js" for kind in ("http", "timer")]
    checker.equal("tsc about the new functions and a batch handler", (0, ""), tsc(folder / "nodejs", "batch.js", *more))
    for mistake, expected in (("event.data.syn", "event.data.sym"), ("'5m'", "true"), ("'high'", "'huge'"),
                              ("state.window(", "state.widow(")):
        code.write_text(text.replace(mistake, expected))
        status, said = tsc(folder / "nodejs")
        checker.that(status != 0 and "nodejs.js(" in said, f"tsc about {expected}: {said.strip()[:120]}")
    code.write_text(text)
    code = folder / "python/python.py"
    text = code.read_text()
    (folder / "python/batch.py").write_text(BATCH_PY)
    for kind in ("http", "timer"):
        (folder / f"python/{kind}.py").write_text((folder / f"{kind}-python" / f"{kind}-python.py").read_text())
    checker.equal("mypy about the new functions and a batch handler", (0, ""), mypy(folder / "python", "batch.py", "http.py", "timer.py"))
    for mistake, expected in (("['syn'])", "['sym'])"), ("'5m'", "None"), ("'high'", "'huge'"),
                              ("state.window(", "state.widow(")):
        code.write_text(text.replace(mistake, expected))
        status, said = mypy(folder / "python")
        checker.that(status != 0 and "python.py:" in said, f"mypy about {expected}: {said.strip()[:120]}")
    code.write_text(text)
    code = folder / "native/native.c"
    text = code.read_text()
    for language, expected in (("c", 0), ("c++", 0)):
        done = subprocess.run(["clang", "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "netlambda.h"],
                              cwd=folder / "native", capture_output=True, text=True, check=False)
        checker.that(done.returncode == expected, f"the header as {language}: {done.stderr.strip()[:200]}")
    for mistake, expected in (("event->port->syn", "event->port->sym"), ("lambda_once(", "lambda_onze(")):
        code.write_text(text.replace(mistake, expected))
        done = subprocess.run(["make", "-s", "-C", folder / "native", "CFLAGS=-Werror=implicit-function-declaration"],
                              capture_output=True, text=True, check=False)
        checker.that(done.returncode != 0 and "native.c:" in done.stderr, f"the compiler about {expected}")
    code.write_text(text)
    for runtime, file in (("nodejs", "netlambda.d.ts"), ("python", "netlambda.pyi"), ("native", "netlambda.h")):
        printed = cli(folder, "types", "--runtime", runtime)
        checker.that(printed == (0, (folder / runtime / file).read_text()), f"types of {runtime} are what new writes")


def differences(checker, folder):
    code, expectation = folder / "nodejs/nodejs.js", folder / "nodejs/tests/many-syn.json"
    text, expected = code.read_text(), expectation.read_text()
    code.write_text(text.replace("'high'", "'low'"))
    status, said = cli(folder, "test", "nodejs")
    checker.that(status == 1 and "1 passed, 1 failed" in said, f"another severity: status {status}")
    checker.that('- {"title": "Many SYN segments", "severity": "high"' in said, "what was expected is shown")
    checker.that('+ {"title": "Many SYN segments", "severity": "low"' in said, "and what came instead")
    code.write_text(text.replace("if (syn >", "if (event.data.dstport === 80) throw new Error('boo');\n    if (syn >"))
    status, said = cli(folder, "test", "nodejs")
    checker.that(status == 1 and "events were put aside: nodejs.js:" in said and "Error: boo" in said,
                 "a dead letter fails the test")
    status, _ = cli(folder, "test", "nodejs", "--update")
    checker.that((status, expectation.read_text()) == (1, expected), "and is not taken for right")
    code.write_text("syntax error")
    status, said = cli(folder, "test", "nodejs")
    checker.that(status == 1 and "SyntaxError" in said, f"code that does not load: {said.splitlines()[0][:100]}")
    code.write_text(text.replace("config.syn", "config.syn / 2"))
    checker.equal("update", 0, cli(folder, "test", "nodejs", "--update")[0])
    checker.equal("and test again", 0, cli(folder, "test", "nodejs")[0])
    alerts = json.loads(expectation.read_text())["alerts"]
    checker.equal("what update wrote", [("Many SYN segments", "192.0.2.2", "192.0.2.1", 80)],
                  [(a["title"], a["srcip"], a["dstip"], a["dstport"]) for a in alerts])
    expectation.unlink()
    status, said = cli(folder, "test", "nodejs")
    checker.that(status == 1 and "--update writes what is raised now" in said and '+ {"title": "Many SYN' in said,
                 "a capture without an expectation fails, and what it leads to is shown")
    expectation.write_text("{")
    status, said = cli(folder, "test", "nodejs")
    checker.that(status == 1 and "many-syn.json:1" in said, "so does one that cannot be read")
    status, said = cli(folder, "test", folder)
    checker.that(status == 1 and "not the folder of a function" in said, "a folder without a function")
    (folder / "bare").mkdir()
    (folder / "bare/function.json").write_text("{}")
    status, said = cli(folder, "test", "bare")
    checker.that(status == 1 and "bare/tests: No such file" in said and "expected captures" in said, "one without tests")


def requests(checker, folder):
    """What differs from the response is shown; what cannot be a request is said; a capture's state is met."""
    tests = folder / "http-python/tests"
    alone, behind, capture = tests / "nothing-known.json", tests / "many-syn.json", tests / "many-syn.pcap"
    expected = json.loads(behind.read_text())
    checker.equal("what is asked behind the capture", 300, expected["requests"][0]["response"]["body"]["syn"])
    capture.rename(folder / "many-syn.pcap")
    behind.unlink()

    def told(*asked):
        alone.write_text(json.dumps({"requests": asked}))
        return cli(folder, "test", "http-python")
    request = {"path": "/scans", "query": {"srcip": "192.0.2.9"}}
    status, said = told(*(request | {"response": response} for response in (
        {"status": 200, "headers": {"Content-Type": "application/json"}}, {}, {"body": {"source": "192.0.2.9", "syn": 0}})),
        {"path": "/nothing", "response": {"status": 404}})
    checker.equal("responses as they are expected", (0, "1 passed, 0 failed"), (status, said.splitlines()[-1]))
    wrong = ({"body": None}, {"status": 204}, {"headers": {"x-a": "b"}}, {"state": 200})
    status, said = told(*(request | {"response": response} for response in wrong), request)
    shown = [line for line in said.splitlines() if "request" in line]
    checker.equal("those that are not", (1, [f"  request {i + 1}, GET /scans" for i in range(len(wrong) + 1)]), (status, shown))
    checker.that('+ {"status": 200' in said, "and what came instead")
    for mistaken, expected in (({"path": "/scans?srcip=1"}, 'behind a "?"'), ({"path": "/scans", "quary": {}}, "requests.0: expected an object"),
                               ({"method": "GET"}, "requests.0: expected an object")):
        status, said = told(mistaken)
        checker.that(status == 1 and expected in said, f"{mistaken}: {said.strip()[:160]}")
    told({"path": "/nothing"})
    status, said = cli(folder, "test", "http-python", "--update")
    checker.that(status == 0 and "nothing-known.json, 0 alerts, 1 responses" in said, f"update: {said.splitlines()[-2:]}")
    checker.equal("what it wrote", 404, json.loads(alone.read_text())["requests"][0]["response"]["status"])
    alone.unlink()
    behind.write_text('{"alerts": []}')
    status, said = cli(folder, "test", "http-python")
    checker.that(status == 1 and "nothing to run" in said, f"a folder with neither: {said.strip()[:120]}")
    (folder / "many-syn.pcap").rename(capture)
    behind.write_text(json.dumps({"requests": [request | {"response": {"status": 200}}]}))
    checker.that(cli(folder, "test", "http-python")[0] == 1, "alerts behind a capture have to be expected")


def test(checker):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (new, types, differences, requests):
            part(checker, folder)


if __name__ == "__main__":
    require_bpf()
    the_checker = Checker()
    test(the_checker)
    finish(the_checker)
