#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests reach the functions that have HTTP triggers, and are answered with what those return, after the commit; what
is wrong, too large, too late or not permitted is refused, and counted."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys

import harness
from harness import SOURCE4, Shell
from lab import network

PORT = 8088
TOKEN = "a-secret-of-this-test"

SCANS = """'use strict';
module.exports = {
  async main(event, { state, alert }) {
    if (event['event-type'] === 'port') {
      state.counter('syn').add(event.data.syn);
      return undefined;
    }
    const { method, path, query, headers, body } = event.data;
    const calls = state.counter('calls').add(1);
    switch (body?.order) {
      case 'throw':
        throw new Error('a secret of the function');
      case 'hang':
        return new Promise(() => {});
      case 'slow':
        await new Promise((resolve) => setTimeout(resolve, 200));
        return calls;
      case 'nothing':
        return undefined;
      case 'text':
        return 'plain \\u00e4';
      case 'teapot':
        return { status: 418, headers: { 'x-tea': 'green', 'content-type': 'text/html' }, body: '<p>tea' };
      case 'bad header':
        return { status: 200, headers: { 'x-split': 'a\\r\\nb: c' } };
      case 'huge number':
        return { n: 12345678901234567890 };
      default:
        if (calls === 1) alert({ title: 'First request', data: { path } });
        return { method, path, query, agent: headers['user-agent'], body, calls, key: state.key,
                 syn: state.counter('syn').value };
    }
  },
};
"""

PYTHON = """def main(event, context):
    if event['event-type'] != 'http':
        return None
    return {'status': 201, 'body': {'said': event.data['body'], 'calls': context.state.counter('calls').add(1)}}
"""


def test(checker):
    path = harness.Path()
    token = path.lab.directory / "token"
    token.write_text(TOKEN + "\n")
    path.server.config |= {"triggers": {}, "http": {"listen": f"127.0.0.1:{PORT}"}}
    path.server.config_path.write_text(json.dumps(path.server.config))
    with path.start():
        shell = Shell(path)
        code = shell.write("scans/scans.js", SCANS)
        shell("deploy", "scans", "-f", code, "--trigger", "event:port", "--trigger", "http:/scans", "--trigger",
              "http:/below/*", "--key", "srcip", "--timeout", "5", "--attempts", "1")
        requests_are_answered(checker, path)
        a_query_with_the_key_asks_its_state(checker, path, shell)
        replies_have_their_forms(checker, path)
        wrong_requests_are_refused(checker, path)
        failures_say_no_more_than_they_must(checker, path, shell)
        many_at_once_are_counted_once(checker, path)
        live_calls_are_kept(checker, path, shell)
        triggers_are_checked(checker, shell)
        python_answers(checker, path, shell)
        what_is_begun_with_answers(checker, path, shell)
        new_settings_need_no_restart(checker, path, shell, token)
        what_was_begun_is_answered(checker, path, shell)
        an_address_may_overlap_the_old_one(checker, path, token)
        what_runs_for_too_long_may_be_done_yet(checker, path, shell)
        what_finds_no_room_is_counted(checker, path, shell)
        a_token_is_asked_for(checker, path, token)
        beyond_the_machine_it_takes_tls_and_a_token(checker, path, shell, token)
        no_client_has_all_connections(checker, path)


def ask(path, target, body=None, *, method=None, headers=(), url=None, options=(), where="lambda"):
    """(status, headers, text) of a request, from the server's own machine unless another is named."""
    words = ["curl", "--silent", "--show-error", "--max-time", "120", "--include", "--http1.1", *options]
    if method:
        words += ["--request", method]
    for header in headers:
        words += ["--header", header]
    if body is not None:
        words += ["--data-binary", "@-"]
    done = subprocess.run(["nsenter", f"--net=/run/netns/{path.lab.full(where)}", "--", *words,
                           (url or f"http://127.0.0.1:{PORT}") + target],
                          input=body if isinstance(body, bytes) or body is None else body.encode(),
                          capture_output=True, check=False, timeout=180)
    if done.returncode != 0:
        return done.returncode, {}, done.stderr.decode()
    head, _, text = done.stdout.decode().rpartition("\r\n\r\n") if method == "HEAD" else \
        done.stdout.decode().partition("\r\n\r\n")
    if " 100 " in head.splitlines()[0]:
        head, _, text = text.partition("\r\n\r\n")
    lines = head.splitlines()
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), fields, text


def order(path, what, target="/scans", **rest):
    return ask(path, target, json.dumps({"order": what, **rest}), headers=["Content-Type: application/json"])


def requests_are_answered(checker, path):
    status, headers, text = ask(path, "/scans?a=1&b=%C3%A4&a=2", '{"x": [1, "two"]}',
                                headers=["Content-Type: application/json; charset=utf-8", "User-Agent: a test"])
    found = json.loads(text)
    checker.equal("status and type", (200, "application/json"), (status, headers["content-type"]))
    checker.equal("the request as the function saw it",
                  ("POST", "/scans", {"a": "2", "b": "ä"}, "a test", {"x": [1, "two"]}, 1, ""),
                  tuple(found[name] for name in ("method", "path", "query", "agent", "body", "calls", "key")))
    alerts = subprocess.run([harness.CLI, "--socket", path.server.config["api"], "alerts", "-o", "json"],
                            capture_output=True, text=True, check=True).stdout
    checker.that("First request" in alerts, "its alert is committed when it is answered")
    checker.equal("a body that is no JSON comes as text", "x=1", json.loads(ask(path, "/scans", "x=1")[2])["body"])
    found = json.loads(ask(path, "/below/deep/er", method="DELETE")[2])
    checker.equal("a path below, another method, no body", ("DELETE", "/below/deep/er", None, 3),
                  tuple(found[name] for name in ("method", "path", "body", "calls")))


def a_query_with_the_key_asks_its_state(checker, path, shell):
    path.send("syn", 30, ports="1-30", rate=1000)
    network.wait_for(lambda: shell.json("describe", "scans")["events"] >= 33, 15, "the events")
    found = json.loads(ask(path, f"/scans?srcip={SOURCE4}")[2])
    checker.equal("what the function knows of that source", (SOURCE4, 30, 1),
                  (found["key"], found["syn"], found["calls"]))
    found = json.loads(ask(path, "/scans?srcip=2001:DB8:0::1")[2])
    checker.equal("an address is brought into its form", ("2001:db8::1", 0), (found["key"], found["syn"]))
    status, _, text = ask(path, "/scans?srcip=nobody")
    checker.equal("what is no address", (400, True), (status, "srcip: expected an address" in text))


def replies_have_their_forms(checker, path):
    checker.equal("nothing", (204, ""), order(path, "nothing")[::2])
    status, headers, text = order(path, "text")
    checker.equal("a text", (200, "text/plain; charset=utf-8", "plain ä"), (status, headers["content-type"], text))
    status, headers, text = order(path, "teapot")
    checker.equal("status, headers, body", (418, "green", "text/html", "<p>tea"),
                  (status, headers["x-tea"], headers["content-type"], text))
    status, headers, text = order(path, "bad header")
    checker.equal("a header that would split the response", (500, False), (status, "b" in headers))
    checker.equal("an integer beyond 64 bits", (200, '{"n":12345678901234567000}'), order(path, "huge number")[::2])
    status, headers, text = ask(path, "/scans", method="HEAD", options=["--head"])
    checker.equal("HEAD has no body", (200, ""), (status, text.strip()))


def wrong_requests_are_refused(checker, path):
    as_json = ["Content-Type: application/json"]
    for what, expected, (status, _, text) in (
            ("nothing there", 404, ask(path, "/nothing")),
            ("a path that only begins so", 404, ask(path, "/scansx")),
            ("no JSON", 400, ask(path, "/scans", "{", headers=as_json)),
            ("a name twice", 400, ask(path, "/scans", '{"a":1,"a":2}', headers=as_json)),
            ("no text", 415, ask(path, "/scans", b"\xff\xfe")),
            ("more than 256 KiB", 413, ask(path, "/scans", "x" * (257 << 10))),
            ("headers that do not fit", 431, ask(path, "/scans", headers=[f"X-Large: {'x' * 20000}"])),
            ("another site's page", 403, ask(path, "/scans", "x", headers=["Origin: https://evil.example"]))):
        checker.equal(f"{what}: {text.strip()[:60]}", expected, status)
    checker.equal("256 KiB are taken", 200, ask(path, "/scans", "x" * (256 << 10))[0])
    checker.equal("a page of the same site", 200,
                  ask(path, "/scans", "x", headers=[f"Origin: http://127.0.0.1:{PORT}"])[0])


def letters(shell):
    return [json.loads(line) for line in shell("dead-letters", "list", "scans", "-o", "json").splitlines()]


def failures_say_no_more_than_they_must(checker, path, shell):
    status, _, text = ask(path, "/scans", json.dumps({"order": "throw", "mine": "payload"}),
                          headers=["Content-Type: application/json", "Authorization: Basic my-password", "Cookie: id=my-password",
                                   "X-Other: kept"])
    checker.equal("an exception", (500, True, False), (status, "the function failed" in text, "secret" in text))
    checker.equal("its dead letter", [(7, "scans.js:12: Error: a secret of the function", "payload")],
                  [(row["event_id"], row["reason"], row["data"]["body"]["mine"]) for row in letters(shell)])
    headers = letters(shell)[0]["data"]["headers"]
    checker.equal("what proves who asked is not kept", ("[redacted]", "[redacted]", "kept"),
                  tuple(headers[name] for name in ("authorization", "cookie", "x-other")))
    status, _, text = order(path, "hang")
    checker.equal("a promise that never settles", (500, True), (status, "the function failed" in text))
    found = json.loads(ask(path, "/scans")[2])
    checker.that(found["calls"] > 0, "the function goes on")
    before = found["calls"]
    said = shell("dead-letters", "retry", "scans")
    checker.that("2 " in said, f"dead letters are tried again as they came: {said.strip()}")
    network.wait_for(lambda: len(letters(shell)) == 2 and
                     shell.json("describe", "scans")["queued"] == 0, 20, "the retries")
    shell("dead-letters", "drop", "scans")
    checker.equal("and count nothing when they fail again", before + 1, json.loads(ask(path, "/scans")[2])["calls"])


def many_at_once_are_counted_once(checker, path):
    before = json.loads(ask(path, "/scans?srcip=10.9.9.9")[2])["calls"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ask(path, "/scans?srcip=10.9.9.9")[0], range(40)))
    after = json.loads(ask(path, "/scans?srcip=10.9.9.9")[2])["calls"]
    checker.equal("40 requests side by side", (40, before + 41), (statuses.count(200), after))


def live_calls_are_kept(checker, path, shell):
    request = json.dumps({"path": "/x", "query": {"srcip": "10.7.7.7"}})
    for calls in (1, 2):
        found = shell.json("call", "scans", "--live", "--event", "http", "--data", request)
        checker.equal("a live call's reply", (calls, "10.7.7.7", None),
                      (found["reply"]["calls"], found["reply"]["key"], found["error"]))
    found = shell.json("call", "scans", "--live", "--data", json.dumps({"srcip": "10.7.7.7", "syn": 5}))
    checker.equal("of a record", (None, None), (found["reply"], found["error"]))
    found = json.loads(ask(path, "/scans?srcip=10.7.7.7")[2])
    checker.equal("what is remembered of them", (3, 5), (found["calls"], found["syn"]))
    state_is_shown(checker, path)
    found = shell.json("call", "scans", "--event", "http", "--data", request)
    checker.equal("a call apart knows nothing of it, and changes nothing", 1, found["reply"]["calls"])
    said = shell("call", "scans", "--live", "--event", "http", "--data", '{"body": {"order": "throw"}}', status=1)
    checker.that("a secret of the function" in said, f"a live call that fails says why: {said.strip()}")
    shell("dead-letters", "drop", "scans")


def state_is_shown(checker, path):
    def state(*words, status=0):
        done = subprocess.run([harness.CLI, "--socket", path.server.config["api"], "state", *words],
                              capture_output=True, text=True, check=False)
        checker.equal(f"status of state {' '.join(words)}", status, done.returncode)
        return done.stdout + done.stderr
    rows = [json.loads(line) for line in state("scans", "10.7.7.7", "-o", "json").splitlines()]
    checker.equal("the state of one key", [("10.7.7.7", "calls", 3), ("10.7.7.7", "syn", 5)],
                  sorted((row["key"], row["name"], row["value"]) for row in rows))
    whole = [json.loads(line) for line in state("scans", "-o", "json").splitlines()]
    checker.equal("a key's entries among all", 2, sum(row["key"] == "10.7.7.7" for row in whole))
    checker.equal("each once", len(whole), len({(row["key"], row["name"]) for row in whole}))
    pieces, after = [], ""
    while after is not None:
        answer = path.server.json(f"/v1/state?function=scans&limit=1{after}")
        pieces += answer["rows"]
        after = answer["next"] and "".join(f"&{name}={value}" for name, value in answer["next"].items())
    checker.equal("piece by piece the same", whole, pieces)
    checker.that("10.7.7.7" in state("scans"), "as a table")
    checker.equal("of a key that is not there", "scans remembers nothing of 1.2.3.4\n", state("scans", "1.2.3.4"))
    checker.that('did you mean "scans"' in state("scan", status=1), "of a function that is not there")


def triggers_are_checked(checker, shell):
    code = shell.write("scans/scans.js", SCANS)
    for trigger, expected in (("http:scans", "expected a path"), ("http:/a//b", "expected a path"),
                              ("http:/../etc", "expected a path"), ("http:/a*", "expected a path"),
                              ("http:/scans", 'http:/scans is function "scans"\'s')):
        said = shell("deploy", "other", "-f", code, "--trigger", trigger, status=1)
        checker.that(expected in said, f"{trigger}: {said.strip()}")
    described = shell.json("describe", "scans")
    checker.equal("what describe shows", ["event:port", "http:/scans", "http:/below/*"], described["trigger_list"])
    checker.equal("what list shows", "port,http", described["triggers"])


def python_answers(checker, path, shell):
    code = shell.write("hello/hello.py", PYTHON)
    shell("deploy", "hello", "-f", code, "--trigger", "http:/hello")
    status, headers, text = ask(path, "/hello", '"hi"', headers=["Content-Type: application/json"])
    checker.equal("a function in Python", (201, "application/json", {"said": "hi", "calls": 1}),
                  (status, headers["content-type"], json.loads(text)))
    shell("delete", "hello")
    checker.equal("when it is deleted", 404, ask(path, "/hello")[0])


def what_is_begun_with_answers(checker, path, shell):
    """What `function new` makes is deployed with the triggers of its manifest, and tells a source's count."""
    runtimes = ("nodejs", "python", "native")
    for runtime in runtimes:
        name = f"begun-{runtime}"
        subprocess.run([harness.CLI, "function", "new", name, "--runtime", runtime, "--trigger", f"http:/{name}"],
                       cwd=shell.folder, check=True, stdout=subprocess.DEVNULL)
        if runtime == "native":
            subprocess.run(["make", "-s", "-C", shell.folder / name], check=True)
        shell("deploy", name, "--from-file", shell.folder / name)
        checker.equal(f"its triggers in {runtime}", ["event:port", f"http:/{name}"], shell.json("describe", name)["trigger_list"])
    path.send("syn", 30, ports="1-30", rate=3000)
    for runtime in runtimes:
        def told():
            return json.loads(ask(path, f"/begun-{runtime}?srcip={SOURCE4}")[2])
        network.wait_for(lambda: told()["syn"] == 30, 20, f"what was counted in {runtime}")
        checker.equal(f"what is told in {runtime}", {"source": SOURCE4, "syn": 30}, told())
        shell("delete", f"begun-{runtime}")


def restart(path, settings):
    path.server.stop()
    path.server.config["http"] = settings
    path.server.config_path.write_text(json.dumps(path.server.config))
    path.server.start()


def reload(path, settings, expect="netlambda_reloads_total"):
    """With other settings of requests, None: without any; until the server has taken or refused them."""
    before = path.server.metrics()[expect]
    config = {name: value for name, value in path.server.config.items() if name != "http"}
    path.server.config_path.write_text(json.dumps(config | ({"http": settings} if settings else {})))
    os.kill(path.server.process.pid, signal.SIGHUP)
    network.wait_for(lambda: path.server.metrics()[expect] > before, 20, expect)


def responses(path):
    return sum(value for name, value in path.server.metrics().items() if name.startswith("netlambda_http_responses_total"))


def new_settings_need_no_restart(checker, path, shell, token):
    plain, other = ({"listen": f"127.0.0.1:{port}"} for port in (PORT, PORT + 1))
    authorized = ["Authorization: Bearer " + TOKEN]
    checker.equal("before", 200, ask(path, "/scans")[0])
    count = responses(path)
    reload(path, other)
    checker.equal("at the new address", 200, ask(path, "/scans", url=f"http://127.0.0.1:{PORT + 1}")[0])
    checker.equal("at the old one (curl: 7 is a connection that is refused)", 7, ask(path, "/scans")[0])
    reload(path, None)
    checker.equal("without one", 7, ask(path, "/scans", url=f"http://127.0.0.1:{PORT + 1}")[0])
    reload(path, plain | {"token_file": str(token)})
    checker.equal("without the token that is asked for now", 401, ask(path, "/scans")[0])
    checker.equal("with it", 200, ask(path, "/scans", headers=authorized)[0])
    checker.equal("responses go on being counted", count + 3, responses(path))

    token.write_text("another-secret")
    reload(path, plain | {"token_file": str(token)})
    checker.equal("at the same address, with the token of before", 401, ask(path, "/scans", headers=authorized)[0])
    token.write_text(TOKEN + "\n")
    reload(path, plain | {"token_file": str(token)})
    garbage = shell.write("garbage.pem", "garbage")
    for settings, expected in (
            (plain | {"token_file": "/nonexistent"}, "/nonexistent: No such file or directory"),
            (plain | {"certificate": str(garbage), "key": str(garbage)}, "certificate and key cannot be used together"),
            ({"listen": "127.0.0.1:1", "tokenfile": "x"}, "unknown key"),
            ({"listen": "192.0.2.77:1", "certificate": str(garbage), "key": str(garbage), "token_file": str(token)},
             "cannot listen on tcp 192.0.2.77:1")):
        reload(path, settings, "netlambda_reload_failures_total")
        log = (path.lab.directory / "server.log").read_text().splitlines()
        checker.that(any("not reloaded, nothing is changed" in line and expected in line for line in log), f"refused: {expected}")
        checker.equal("and the old settings are in force", (401, 200),
                      (ask(path, "/scans")[0], ask(path, "/scans", headers=authorized)[0]))
    reload(path, plain)
    checker.equal("without a token again", 200, ask(path, "/scans")[0])


KEPT = """import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=120)
for line in sys.stdin:
    connection.request('GET', '/scans')
    response = connection.getresponse()
    response.read()
    print(response.status, response.getheader('connection'), flush=True)
"""


def what_was_begun_is_answered(checker, path, shell):
    """A request that runs, and a connection that is kept, while the address changes."""
    code = shell.write("slow/slow.js", "module.exports = { main: () => new Promise((resolve) => setTimeout(resolve, 5000)) };\n")
    shell("deploy", "slow", "-f", code, "--trigger", "http:/slow", "--timeout", "90")
    kept = path.lab.start("lambda", [sys.executable, "-c", KEPT, PORT], "kept.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def once_more():
        kept.stdin.write(b"\n")
        kept.stdin.flush()
        return kept.stdout.readline().split()
    checker.equal("a connection that is kept", b"200", once_more()[0])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, path, "/slow")
        network.wait_for(lambda: shell.json("describe", "slow")["queued"] == 1, 10, "the request to run")
        reload(path, {"listen": f"127.0.0.1:{PORT + 1}"})
        checker.equal("a request that ran when the address changed", 204, slow.result()[0])
    shell("delete", "slow")
    checker.equal("on the kept connection nothing is run any more", [b"503", b"close"], once_more())
    kept.stdin.close()
    kept.wait(60)
    reload(path, {"listen": f"127.0.0.1:{PORT}"})
    checker.equal("and back", 200, ask(path, "/scans")[0])


LISTENERS_MAX = 9  # that takes requests, and those before it


def what_runs_for_too_long_may_be_done_yet(checker, path, shell):
    """Each has a request that is not answered; of too many the oldest ends. It was run, so its client is not told to ask again."""
    code = shell.write("long/long.js", "module.exports = { main: () => new Promise((resolve) => setTimeout(resolve, 600000)) };\n")
    shell("deploy", "long", "-f", code, "--trigger", "http:/long", "--timeout", "900")
    urls = [f"http://127.0.0.1:{PORT + i % 2}" for i in range(LISTENERS_MAX + 1)]
    with concurrent.futures.ThreadPoolExecutor(LISTENERS_MAX) as pool:
        asking = []
        for url, other in zip(urls, urls[1:]):
            asking.append(pool.submit(ask, path, "/long", url=url))
            network.wait_for(lambda: shell.json("describe", "long")["queued"] == len(asking), 10, "the request to come")
            reload(path, {"listen": other.removeprefix("http://")})
        status, _, text = asking[0].result()
        checker.equal("the first of them", (504, True), (status, "it may be yet" in text))
        shell("delete", "long")
    reload(path, {"listen": f"127.0.0.1:{PORT}"})


def make_certificate(path):
    key, certificate = (path.lab.directory / name for name in ("http.key", "http.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=netlambda.test", "-days", "2"], check=True, capture_output=True)
    return {"certificate": str(certificate), "key": str(key)}


LISTENER = """import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print(flush=True)
sys.stdin.read()
"""


def an_address_may_overlap_the_old_one(checker, path, token):
    """0.0.0.0 is listened on beside 127.0.0.1, and back; what cannot be had leaves what there was."""
    plain = {"listen": f"127.0.0.1:{PORT}"}
    everywhere = {"listen": f"0.0.0.0:{PORT}", "token_file": str(token), **make_certificate(path)}

    def over_tls(where="lambda"):
        return ask(path, "/scans", url=f"https://{harness.SERVER_IP}:{PORT}", options=["--insecure"], where=where,
                   headers=["Authorization: Bearer " + TOKEN])[0]
    reload(path, everywhere | {"certificate": str(token), "key": str(token)}, "netlambda_reload_failures_total")
    checker.equal("after an address that overlaps it and cannot be had", (200, 7), (ask(path, "/scans")[0], over_tls()))
    reload(path, everywhere)
    checker.equal("everywhere, where it was the machine itself only", (200, 200), (over_tls(), over_tls("s1")))
    reload(path, plain)
    checker.equal("and back", (200, 7), (ask(path, "/scans")[0], over_tls("s1")))
    other = path.lab.start("lambda", [sys.executable, "-c", LISTENER, PORT + 1], "listener.log", stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
    other.stdout.readline()
    reload(path, everywhere | {"listen": f"0.0.0.0:{PORT + 1}"}, "netlambda_reload_failures_total")
    checker.that("Address already in use" in (path.lab.directory / "server.log").read_text(), "one that another program has is refused")
    checker.equal("and nothing is changed", 200, ask(path, "/scans")[0])
    other.stdin.close()
    other.wait(10)


def what_finds_no_room_is_counted(checker, path, shell):
    """A request and a live call to a function that has one event, of one that may wait."""
    code = shell.write("narrow/narrow.js", "module.exports = { main: () => new Promise((resolve) => setTimeout(resolve, 60000)) };\n")
    shell("deploy", "narrow", "-f", code, "--trigger", "http:/narrow", "--timeout", "90", "--queue", "1")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, path, "/narrow")
        network.wait_for(lambda: shell.json("describe", "narrow")["queued"] == 1, 30, "the first request")
        status, headers, text = ask(path, "/narrow")
        checker.equal("the second one", (503, "1", True), (status, headers["retry-after"], "too much to do" in text))
        said = shell("call", "narrow", "--live", "--event", "http", status=1)
        checker.that("too much to do" in said, f"a live call: {said.strip()}")
        checker.equal("are counted", 2, shell.json("describe", "narrow")["calls_refused"])
        checker.equal("by the metric", 2, path.server.metrics()['netlambda_function_calls_refused_total{function="narrow"}'])
        top = shell("top", "--count", "1", "--interval", "0.2").splitlines()
        column = top[0].index("REFUSED")
        row = next(line for line in top if line.startswith("narrow"))
        checker.equal("and shown", "2", row[column : column + len("REFUSED")].strip())
        checker.equal("of another function", 0, shell.json("describe", "scans")["calls_refused"])
        shell("delete", "narrow")
        checker.that(first.result()[0] in (503, 504), f"the first one, when the function is deleted: {first.result()[0]}")


def a_token_is_asked_for(checker, path, token):
    before = json.loads(ask(path, "/scans")[2])["calls"]
    restart(path, {"listen": f"127.0.0.1:{PORT}", "token_file": str(token)})
    checker.equal("without the token", 401, ask(path, "/scans")[0])
    checker.equal("with another", 401, ask(path, "/scans", headers=["Authorization: Bearer wrong"])[0])
    status, _, text = ask(path, "/scans", headers=[f"Authorization: Bearer {TOKEN}"])
    checker.equal("with it, after a restart", (200, before + 1), (status, json.loads(text)["calls"]))


def beyond_the_machine_it_takes_tls_and_a_token(checker, path, shell, token):
    bad = shell.write("bad.json", json.dumps(path.server.config | {"http": {"listen": f"0.0.0.0:{PORT}"}}))
    done = subprocess.run([harness.BUILD / "src/server/netlambda-server", "--config", bad, "--check"],
                          capture_output=True, text=True, check=False, timeout=20)
    checker.that(done.returncode != 0 and '"certificate", "key" and "token_file"' in done.stderr,
                 f"an address for all without them: {done.stderr.strip()}")
    restart(path, {"listen": f"{harness.SERVER_IP}:{PORT}", "token_file": str(token), **make_certificate(path)})
    url = f"https://{harness.SERVER_IP}:{PORT}"
    status, _, text = ask(path, "/scans", url=url, options=["--insecure"], headers=[f"Authorization: Bearer {TOKEN}"])
    checker.equal("over TLS, with the token", (200, True), (status, text.startswith("{")))
    checker.equal("over TLS, without", 401, ask(path, "/scans", url=url, options=["--insecure"])[0])
    metrics = subprocess.run(["curl", "--silent", "--unix-socket", path.server.config["api"], "http://x/metrics"],
                             capture_output=True, text=True, check=True).stdout
    checker.that('netlambda_http_responses_total{class="2xx"} 1' in metrics and
                 'netlambda_http_responses_total{class="4xx"} 1' in metrics, "responses are counted by class")


HOLDER = """import socket, sys
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) for _ in range(int(sys.argv[3]))]
print(flush=True)
sys.stdin.read()
"""


def no_client_has_all_connections(checker, path):
    """One machine opens as many as there are; another is served."""
    def over_tls(where):
        return ask(path, "/scans", url=f"https://{harness.SERVER_IP}:{PORT}", options=["--insecure"], where=where,
                   headers=["Authorization: Bearer " + TOKEN])[0]

    def refused():
        return path.server.metrics()["netlambda_http_connections_refused_total"]
    count, most, before = 128, 32, refused()
    holder = path.lab.start("s1", [sys.executable, "-c", HOLDER, harness.SERVER_IP, PORT, count], "holder.log",
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    network.wait_for(lambda: refused() >= before + count - most, 60, "connections to be refused")
    checker.equal("connections of one machine that are refused", before + count - most, refused())
    checker.equal("another machine is served", 200, over_tls("lambda"))
    holder.stdin.close()
    holder.wait(60)
    network.wait_for(lambda: over_tls("s1") == 200, 60, "room for the first one")


if __name__ == "__main__":
    assert pathlib.Path(sys.argv[0]).name == "test_http.py"
    harness.main(test)
