#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the command line prints, verb by verb, against a real server: JSON and YAML carry the same value, a table has its header
and is no JSON, another form is refused with those that there are, and what follows prints one document at a time. Every verb
that the help lists is here, or is said to be an exception."""
import json
import os
import select
import signal
import subprocess

import harness
from lab import network

try:
    import yaml
except ImportError:
    yaml = None

# What JSON writers and readers of YAML may take for something else.
CONFIG = {"tiny": 1e-7, "huge": 1e300, "real": 2.0, "yes": "no", "date": "2024-01-01", "none": "~", "text": "1.5", "": "",
          "lines": "a\nb: c", "odd": "\x7f\u0085\u2028\ufeff é 😀", "colon: ": "- x # y", "nested": [[1, [], {}], {"a": [{"b": None}]}],
          "big": 2**53 + 1, "minus": -0.5, "tab": "\t", "octal": "0o17", "sexagesimal": "12:30", "n": True}
CODE = """module.exports = {
  main({ data }, { state, config, alert }) {
    console.log('on: "yes" # \\u007f é');
    state.set('seen', { syn: data.syn, config });
    if (data.dstport === 2) throw new Error('port: #2');
    alert({ title: 'odd: #1', data: { ...config, huge: 0 } });
    return { syn: data.syn };
  },
};
"""
CALL = ("--data", '{"srcip": "192.0.2.2", "dstport": 1, "syn": 3}')

# Words, what the table's header begins with (None: it has none), what JSON is: one value, or one a line. {n} is another number
# each time. Those that change something stand behind those that look.
VERBS = (
    ("version", None, "value"),
    ("status", None, "value"),
    ("functions", "FUNCTION", "value"),
    ("function list", "FUNCTION", "value"),
    ("function describe told", None, "value"),
    ("function versions told", "VERSION", "value"),
    ("function top --count 1 --interval 0.1", "FUNCTION", "lines"),
    ("function logs told", None, "lines"),
    ("function dead-letters", "ROW", "lines"),
    ("function call told", None, "value"),
    ("function deploy told{n} --dryrun --from-file told.js", None, "value"),
    ("function new made{n}", None, "value"),
    ("function test made", None, "value"),
    ("state told", "KEY", "lines"),
    ("alerts", "TIME", "lines"),
    ("switches", "SWITCH", "value"),
    ("switches 1", None, "value"),
    ("pki list --dir pki", "SERIAL", "value"),
    ("pki show --dir pki switch 1", None, "value"),
    ("function deploy told{n} --from-file told.js", None, "value"),
    ("function update told1 --timeout {n}", None, "value"),
    ("function rollback told1 --to {n}", None, "value"),
    ("function delete told{n}", None, "value"),
    ("function dead-letters retry told", None, "value"),
    ("function dead-letters drop --all", None, "value"),
    ("pki init --dir pki{n}", None, "value"),
    ("pki issue server s{n} --dir pki", None, "value"),
    ("pki renew server s{n} --dir pki", None, "value"),
    ("pki enroll server-s{n}.pem --to put{n}.pem", None, "value"),
    ("pki crl --dir pki", None, "value"),
    ("pki revoke server s{n} --dir pki", None, "value"),
)
# They print help, code, or a capture; or are programs of their own, with tests of theirs.
EXCEPTIONS = {"help", "function types", "decrypt", "replay"}


class Command:
    def __init__(self, path):
        self.environment = os.environ | {"NETLAMBDA_SOCKET": path.server.config["api"]}
        self.folder = path.lab.directory / "work"
        self.folder.mkdir()

    def __call__(self, words, *more, form=None):
        argv = [harness.CLI, *words.split(), *more, *(["-o", form] if form else [])]
        return subprocess.run(argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=harness.PATIENCE)

    def start(self, words, form):
        return subprocess.Popen([harness.CLI, *words.split(), "-o", form], cwd=self.folder, env=self.environment,
                                stdout=subprocess.PIPE, text=True)


def more_words(words):
    return CALL if words.startswith("function call") else ()


def read(text, form, kind):
    if kind == "lines":
        return list(yaml.safe_load_all(text)) if form == "yaml" else [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    return yaml.safe_load(text) if form == "yaml" else json.loads(text)


def masked(value, *others):
    """A value without what differs in the others by time, or by the number in the command: only its type is left."""
    if isinstance(value, dict) and all(isinstance(other, dict) and other.keys() == value.keys() for other in others):
        return {name: masked(member, *(other[name] for other in others)) for name, member in value.items()}
    if isinstance(value, list) and all(isinstance(other, list) and len(other) == len(value) for other in others):
        return [masked(*members) for members in zip(value, *others)]
    return value if all(other == value for other in others) else type(value).__name__


def run_forms(command, words, kind):
    """The values of JSON, YAML, and JSON again if they differ: what differs between the JSONs may. And what went wrong."""
    values, wrong = [], []
    for number, form in ((1, "json"), (2, "yaml"), (3, "json")):
        if number == 3 and values[:1] == values[1:]:
            break
        done = command(words.format(n=number), *more_words(words), form=form)
        try:
            values.append(read(done.stdout, form, kind))
        except (ValueError, yaml.YAMLError) as error:
            wrong.append(f"-o {form}: {error} {done.stdout[:200]}")
        if done.returncode != 0 or done.stderr or values[-1:] in ([None], [[]]):
            wrong.append(f"-o {form}: status {done.returncode}, {done.stderr[:200]}")
    if len(values) == 3:
        changing = masked(values[0], values[2])
        values = [masked_as(value, changing) for value in values[:2]]
    return values, wrong


def check_forms(checker, command, words, kind):
    values, wrong = run_forms(command, words, kind)
    for _ in range(9):  # what comes and goes may have been there for YAML alone
        if wrong or values[0] == values[1] or "{n}" in words:
            break
        values, wrong = run_forms(command, words, kind)
    checker.equal(f"{words}: what went wrong", [], wrong)
    checker.that(not wrong and values[0] == values[1],
                 f"{words}: JSON and YAML carry the same {'' if values[:1] == values[1:] else values}")


def masked_as(value, mask):
    """A value with the types where a mask has them."""
    if isinstance(value, dict) and isinstance(mask, dict):
        return {name: masked_as(member, mask.get(name)) for name, member in value.items()}
    if isinstance(value, list) and isinstance(mask, list) and len(value) == len(mask):
        return [masked_as(*members) for members in zip(value, mask)]
    return type(value).__name__ if mask == type(value).__name__ else value


def check_table(checker, command, words, header):
    done = command(words.format(n=4), *more_words(words))
    lines = done.stdout.splitlines()
    checker.that(done.returncode == 0 and lines and not any(line[0:1] in ("{", "[") for line in lines),
                 f"{words}: a table {done.stderr.strip()}")
    if header:
        checker.that(lines[0:1] and lines[0].split()[0] == header and len(lines) > 1, f"{words}: header and rows: {lines[:1]}")


def check_refusal(checker, command, words):
    done = command(words.format(n=5), *more_words(words), form="xml")
    checker.that((done.returncode, done.stdout) == (2, "") and
                 'expected "table", "json" or "yaml", found "xml"' in done.stderr, f"{words}: -o xml: {done.stderr.strip()[:100]}")


# ---- what goes on ----

def check_following(checker, command, words, form):
    """A document for each thing that happens, as it happens."""
    process = command.start(words, form)

    def something_is_said():  # what happens before it listens is not told
        command("function call told --live", *CALL)
        return select.select([process.stdout], [], [], 0.2)[0]
    try:
        network.wait_for(something_is_said, 30, f"{words} -o {form}")
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=harness.PATIENCE)
    documents = read(said, form, "lines")
    checker.that(documents and all(isinstance(one, dict) for one in documents), f"{words} -o {form}: a document for each")
    checker.equal(f"{words} -o {form}, ended by Ctrl-C", 0, process.returncode)


def listed(command):
    """The verbs that the help knows."""
    def below(words, title):
        text = command(f"help {words}").stdout.split(f"\n{title}:\n")
        return [line.split()[0] for line in text[1].split("\n\n")[0].splitlines()] if len(text) > 1 else []
    for name in below("", "Commands"):
        verbs = below(name, "Verbs")
        yield from (f"{name} {verb}" for verb in verbs)
        if not verbs:
            yield name


def prepare(path, command):
    (command.folder / "told.js").write_text(CODE)
    setup = ("pki init --dir pki", "pki issue switch 1 --dir pki", "function new made",
             "function deploy told --from-file told.js --trigger event:port --key srcip --attempts 1")
    for words in setup:
        more = ("--config", json.dumps(CONFIG)) if "deploy" in words else ()
        done = command(words, *more)
        if done.returncode != 0:
            raise network.LabError(f"{words}: {done.stderr}")
    (command.folder / "made/tests/ordinary.pcap").unlink()  # one is enough
    path.send("syn", 4, ports="1-2", rate=100)
    network.wait_for(lambda: command("function dead-letters").stdout.startswith("ROW") and
                     command("alerts").stdout.startswith("TIME") and command("state told").stdout.startswith("KEY"), 20,
                     "alerts, state and dead letters")


def test(checker):
    if yaml is None:
        print("no python3-yaml here")
        raise SystemExit(77)
    with harness.Path().start() as path:
        command = Command(path)
        prepare(path, command)
        known = {words for words, *_ in VERBS}
        for verb in listed(command):
            checker.that(verb in EXCEPTIONS or any(f"{words} ".startswith(f"{verb} ") for words in known), f"{verb}: it is tried")
        for words, header, kind in VERBS:
            check_forms(checker, command, words, kind)
            check_table(checker, command, words, header)
            check_refusal(checker, command, words)
        for words in ("alerts --follow", "function logs told -f --lines 0"):
            for form in ("json", "yaml"):
                check_following(checker, command, words, form)


if __name__ == "__main__":
    harness.main(test)
