#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Captures, functions and users that are not as they should be: said clearly, counted, never a crash."""
import gzip
import json
import os
import pathlib
import select
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time

import captures as c
from replaying import BUILD, HERE, PROGRAM, Checker, event, finish, replay, require_bpf, run

WHOLE = c.pcap(c.syn_scan())
RECORD = 16 + 54  # bytes of a packet of the scan in the file
HEADER = 24


def refused(checker, name, arguments, expected, data=None, status=1):
    """The program says `expected` on standard error and nothing else."""
    done = run(*arguments, data=data)
    said = done.stderr.decode()
    checker.that(done.returncode == status and expected in said and not done.stdout,
                 f"{name}: status {done.returncode}, {said.strip()}")


def no_capture(checker, folder):
    (folder / "empty.pcap").touch()
    (folder / "text.pcap").write_text("this is no capture at all\n")
    (folder / "wifi.pcap").write_bytes(c.pcap([], link=c.WIFI))
    (folder / "zipped.pcap.gz").write_bytes(gzip.compress(WHOLE))
    (folder / "half.pcap").write_bytes(WHOLE[:10])
    for name, expected in {
            "empty.pcap": "empty.pcap: the file is empty",
            "text.pcap": "text.pcap: not a pcap or pcapng capture",
            "wifi.pcap": "link type 105 (802.11) cannot be replayed",
            "zipped.pcap.gz": "compressed",
            "half.pcap": "half.pcap: not a pcap or pcapng capture: truncated",
            "absent.pcap": "absent.pcap: cannot open: No such file",
            ".": "Is a directory"}.items():
        refused(checker, name, [folder / name], expected)


def usage(checker):
    for arguments, expected in {
            (): "which capture?",
            ("a", "b"): 'unexpected "b"',
            ("a", "--perriod", "1s"): "there is no option --perriod: did you mean --period?",
            ("a", "--period", "1w"): "--period 1w: expected a time",
            ("a", "--flows", "0"): "--flows 0: expected a number from 1",
            ("a", "-o", "xml"): '--output: expected "table" or "json", found "xml"',
            ("a", "-c", "x", "--functions", "y"): "exclude each other",
            ("a", "--store"): "--store needs a value"}.items():
        refused(checker, f"usage {' '.join(arguments)}", arguments, expected, status=2)


def no_packets(checker):
    for name, data in (("pcap", c.pcap([])), ("pcapng", c.pcapng([]))):
        result = replay(data)
        checker.equal(f"packets of a {name} without any", 0, result["interface"]["packets"])
        checker.equal(f"events of a {name} without packets", {0}, {row["events"] for row in result["events"]})


def truncated(checker):
    """What came before the end counts, and the place of the damage is told."""
    for packets, rest in ((60, 1), (60, 15), (60, 16), (60, RECORD - 1), (0, 5)):
        data = WHOLE[:HEADER + packets * RECORD + rest]
        done = run("-", "-o", "json", data=data)
        result = json.loads(done.stdout)
        where = f"standard input: after packet {packets}"
        checker.equal(f"truncated in packet {packets + 1}, after {rest} bytes",
                      (1, packets, False, 1 if packets else 0),
                      (done.returncode, result["interface"]["packets"], result["capture"]["complete"],
                       len(result["alerts"])))
        checker.that(where in done.stderr.decode() and where in result["capture"]["damage"],
                     f"the damage: {result['capture']['damage']}")


def truncated_file(checker, folder):
    path = folder / "cut.pcapng"
    path.write_bytes(c.pcapng(c.syn_scan())[:1000])
    done = run(path)
    checker.that(done.returncode == 1 and b"at byte 1000" in done.stderr and b"no alerts" in done.stdout,
                 f"truncated pcapng: {done.stderr.decode().strip()}")


def impossible_length(checker):
    data = bytearray(WHOLE)
    struct.pack_into("<I", data, HEADER + 5 * RECORD + 8, 0x7fffffff)
    done = run("-", data=bytes(data))
    checker.that(done.returncode == 1 and b"after packet 5" in done.stderr,
                 f"a packet of 2 GB: {done.stderr.decode().strip()}")


def strange_packets(checker):
    """Too short for Ethernet, too long for anything; the others count as always."""
    long_one = bytearray(c.pcap([(c.START_NS + c.SECOND, bytes(60))])[HEADER:])
    struct.pack_into("<I", long_one, 12, 100000)
    short = c.pcap([(c.START_NS, bytes(size)) for size in (0, 1, 13)])
    result = replay(short + WHOLE[HEADER:] + bytes(long_one))
    checker.equal("too short, too long", (3, 1),
                  (result["capture"]["too_short"], result["capture"]["too_long"]))
    checker.equal("the rest is counted", (200, 1), (result["interface"]["packets"], len(result["alerts"])))
    jumbo = c.ethernet(c.ip(c.CLIENT, c.WEB, c.udp(5000, 5001, 60000)))
    result = replay(c.pcap([(c.START_NS, jumbo)]))
    checker.equal("a frame of 60 KB is counted whole", (1, len(jumbo), 0),
                  (event(result, 2, "heavy-hitter")["packets"], result["interface"]["bytes"],
                   len(result["not_understood"])))


def time_goes_back(checker):
    packets = list(c.syn_scan())
    swapped = packets[:]
    swapped[10], swapped[11] = swapped[11], swapped[10]
    result = replay(c.pcap(swapped))
    checker.equal("one packet late: counted, number, alerts", (1, 12, 1),
                  (result["capture"]["late"], result["capture"]["first_late"], len(result["alerts"])))
    result = replay(c.pcap(packets[::-1]))
    checker.equal("all packets late: counted, none lost", (199, 200),
                  (result["capture"]["late"], result["interface"]["packets"]))
    impossible = c.pcapng([packets[0], (2**64 - 1, packets[1][1]), packets[2]])
    result = replay(impossible)
    checker.equal("a time beyond all clocks: late", (1, 3),
                  (result["capture"]["late"], result["interface"]["packets"]))


def tables_are_full(checker):
    # More than the least table (512 flows) and the records of those displaced (8192) in one period.
    count = 10000
    packets = [(c.START_NS + i, c.ethernet(c.ip(c.CLIENT, c.WEB, c.udp(1000 + i, 9)))) for i in range(count)]
    result = replay(c.pcap(packets), "--flows", "30", "--ports", "1")
    flows = event(result, 2, "heavy-hitter")
    checker.equal("packets in flows and shed", count, flows["packets"] + result["capture"]["flow_shed"])
    checker.that(result["capture"]["flow_shed"] > 0, f"shed: {result['capture']['flow_shed']}")
    checker.equal("totals stay exact", count, result["interface"]["packets"])


def functions_fail(checker):
    arguments = ("--functions", HERE / "functions")
    first, second = (replay(WHOLE, *arguments) for _ in range(2))
    letters = first["dead_letters"]
    checker.equal("one dead letter, its port, attempts", (1, 13, 2),
                  (len(letters), letters[0]["data"]["dstport"], letters[0]["attempts"]))
    checker.that("unlucky" in letters[0]["reason"], f"its reason: {letters[0]['reason']}")
    checker.equal("dead letters in the table of events", 1, event(first, 1, "fragile")["dead_letters"])
    checker.that(first == second, "the same each time, also with failures")
    refused(checker, "a function that does not load", ["-", "--functions", HERE / "broken_functions"],
            "function broken:", data=WHOLE)
    refused(checker, "a directory without functions", ["-", "--functions", HERE], "no function there",
            data=WHOLE)


def configuration(checker, folder):
    config = folder / "server.json"
    top = HERE.parents[1]
    settings = {"functions_dir": str(top / "functions"), "runtime_dir": str(top / "runtime"),
                "store": str(folder / "live.db"), "alerts": str(folder / "live.json"),
                "functions": {"port-scan": {"config": {"tcpPorts": 99}}}, "triggers": {"1": "port-scan"}}
    config.write_text(json.dumps(settings))
    result = replay(WHOLE, "--config", config)
    checker.equal("the configuration's threshold", [99 + 1], [a["netlambda"]["data"]["ports"]
                                                            for a in result["alerts"]])
    checker.equal("only what it triggers", {"port-scan", None}, {row["function"] for row in result["events"]})
    left = sorted(path.name for path in folder.glob("live*"))
    checker.equal("the server's own files are left alone", [], left)
    settings["triggers"]["1"] = "prot-scan"
    config.write_text(json.dumps(settings))
    refused(checker, "a wrong configuration", ["-", "-c", config], 'did you mean "port-scan"?', data=WHOLE)


def schedules(checker, folder):
    """A timer ticks in the capture's time, each tick once, and the same each time."""
    function = folder / "clock"
    function.mkdir()
    (function / "function.json").write_text('{"handler": "clock.main"}')
    (function / "clock.js").write_text(
        "module.exports = { main(event, { alert }) {\n"
        "  if (event['event-type'] === 'timer') alert({ title: event.data.scheduled, data: event.data });\n} };\n")
    config = folder / "server.json"
    config.write_text(json.dumps({
        "functions_dir": str(folder), "runtime_dir": str(HERE.parents[1] / "runtime"),
        "triggers": {"1": "clock", "timer:@every 1s": "clock"}}))
    packets = list(c.web_traffic()) + list(c.web_traffic(1, c.START_NS + 3600 * c.SECOND))
    first, second = (replay(c.pcap(packets), "--config", config) for _ in range(2))
    ticks = [a["netlambda"]["data"] for a in first["alerts"]]
    checker.that(3600 <= len(ticks) <= 3601, f"ticks in an hour, most of it without a packet: {len(ticks)}")
    checker.that(all(tick["missed"] == 0 for tick in ticks), "none is missed")
    checker.that(len({tick["scheduled"] for tick in ticks}) == len(ticks), "none comes twice")
    checker.that(first == second, "the same each time, also with a schedule")


def kept_store(checker, folder):
    store = folder / "kept.db"
    replay(WHOLE, "--store", store)
    with sqlite3.connect(store) as database:
        rows = database.execute("SELECT title, time_ns = raised_ns FROM alerts").fetchall()
        states = database.execute("SELECT count(*) FROM state").fetchone()[0]
    database.close()
    checker.equal("alerts in the kept store, raised in the capture's time", [("TCP SYN scan", 1)], rows)
    checker.that(states > 0, f"state in the kept store: {states} values")
    refused(checker, "a store that exists", ["-", "--store", store], "exists", data=WHOLE)


def nothing_is_left(checker, folder):
    """Neither after success, nor after failure, nor when it is interrupted while it waits for a pipe."""
    env = os.environ | {"TMPDIR": str(folder)}
    run("-", data=WHOLE, env=env)
    checker.equal("left after success", [], os.listdir(folder))
    run("-", "--functions", HERE / "broken_functions", data=WHOLE, env=env)
    checker.equal("left after failure", [], os.listdir(folder))
    for signum in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([PROGRAM, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
            process.stdin.write(WHOLE[:1000])
            process.stdin.flush()
            deadline = time.monotonic() + 20
            while not list(folder.glob("*/store.db-wal")) and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            process.send_signal(signum)
            status = process.wait(20)
        checker.equal(f"status and what is left after {signum.name}", (128 + signum, []),
                      (status, os.listdir(folder)))


def long_capture():
    """Period by period."""
    data = c.pcap(c.syn_scan(ports=3000))
    yield data[:HEADER]
    for at in range(HEADER, len(data), 40 * RECORD):
        yield data[at:at + 40 * RECORD]


def progress(checker):
    """On a terminal a long replay says how far it is, and takes the line away in the end."""
    terminal, other_end = os.openpty()
    with subprocess.Popen([PROGRAM, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=other_end) as process:
        os.close(other_end)
        for packets in long_capture():
            process.stdin.write(packets)
            process.stdin.flush()
            if select.select([terminal], [], [], 0.2)[0]:
                break
        process.stdin.close()
        out = process.stdout.read()
        said = os.read(terminal, 10000)
    os.close(terminal)
    checker.that(b"of the capture  " in said, f"progress on the terminal: {said}")
    checker.that(b"TCP SYN scan" in out and b"\x1b" not in out, "none of it in the output")


def command(checker):
    """`netlambda replay` is the same program."""
    cli = BUILD / "src/cli/netlambda"
    for arguments in (["-o", "json", "replay", "-"], ["replay", "-", "-o", "json"]):
        done = subprocess.run([cli, *arguments], input=WHOLE, capture_output=True, check=False)
        checker.that(done.returncode == 0 and json.loads(done.stdout) == replay(WHOLE),
                     f"netlambda {' '.join(arguments)}")


def without_privileges(checker):
    done = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", PROGRAM, "-"], input=WHOLE,
                          capture_output=True, check=False)
    checker.that(done.returncode == 1 and b"missing CAP_BPF" in done.stderr,
                 f"without capabilities: {done.stderr.decode().strip()}")


def test(checker):
    for part in (usage, no_packets, truncated, impossible_length, strange_packets, time_goes_back,
                 tables_are_full, functions_fail, progress, command, without_privileges):
        part(checker)
    for part in (no_capture, truncated_file, configuration, schedules, kept_store, nothing_is_left):
        with tempfile.TemporaryDirectory() as folder:
            part(checker, pathlib.Path(folder))


if __name__ == "__main__":
    require_bpf()
    the_checker = Checker()
    test(the_checker)
    finish(the_checker)
