#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Known traffic gives exactly the alerts it must, with every packet accounted for, each time the same."""
import heapq
import json
import os
import pathlib
import shutil
import tempfile

import captures as c
from replaying import BUILD, HERE, Checker, alerts, event, finish, replay, require_bpf, run

SHIPPED = HERE.parent.parent / "functions"
SCAN = ("TCP SYN scan", "medium")
SCENES = {  # packets, and the alerts they lead to
    "web traffic": (c.web_traffic, []),
    "SYN scan": (c.syn_scan, [(*SCAN, c.ATTACKER, c.WEB, None)]),
    "UDP scan": (c.udp_scan, [("UDP scan", "medium", c.ATTACKER, c.WEB, None)]),
    "flood": (c.flood, [("SYN flood suspected", "high", c.ATTACKER, c.WEB, 80)]),
    "spoofed flood": (c.spoofed_flood,
                      [("Distributed SYN flood suspected", "high", None, c.WEB, None)]),
    "big transfer": (c.transfer, [("Heavy hitter", "medium", c.WEB, c.CLIENT, 45000)]),
    "IPv6 SYN scan": (lambda: c.syn_scan(source=c.ATTACKER6, target=c.WEB6),
                      [(*SCAN, c.ATTACKER6, c.WEB6, None)]),
    "SYN scan in a VLAN": (lambda: c.syn_scan(tags=[(0x8100, 7)]), [(*SCAN, c.ATTACKER, c.WEB, None)]),
    "SYN scan in QinQ": (lambda: c.syn_scan(tags=[(0x88a8, 7), (0x8100, 8)]),
                         [(*SCAN, c.ATTACKER, c.WEB, None)]),
    "all at once": (lambda: heapq.merge(c.web_traffic(), c.syn_scan(), c.udp_scan(), c.noise()),
                    [("UDP scan", "medium", c.ATTACKER, c.WEB, None), (*SCAN, c.ATTACKER, c.WEB, None)]),
}


def accounted(checker, name, packets, result):
    """Each packet is in the totals, and in a flow or not understood; each event was handled."""
    size = sum(len(frame) for _, frame in packets)
    lost = sum(row["packets"] for row in result["not_understood"])
    lost_bytes = sum(row["bytes"] for row in result["not_understood"])
    flows = event(result, 2, "heavy-hitter")
    totals = result["interface"]
    checker.equal(f"{name}: packets and bytes", (len(packets), size), (totals["packets"], totals["bytes"]))
    checker.equal(f"{name}: packets and bytes in flows", (len(packets) - lost, size - lost_bytes),
                  (flows["packets"], flows["bytes"]))
    for event_id in (3, 4):
        row = event(result, event_id, None if event_id == 3 else "syn-flood")
        checker.equal(f"{name}: packets and bytes in event {event_id}", (len(packets) - lost, size - lost_bytes),
                      (row["packets"], row["bytes"]))
    checker.equal(f"{name}: the causes add up to what has no key", lost,
                  totals["not_ip"] + totals["malformed"])
    checker.that(all(row["events"] == row["handled"] for row in result["events"] if row["function"]),
                 f"{name}: functions handled all events")


def scenes(checker):
    for name, (scene, expected) in SCENES.items():
        packets = list(scene())
        result = replay(c.pcap(packets), name=name)
        checker.equal(f"{name}: alerts", expected, alerts(result))
        accounted(checker, name, packets, result)


def flood_beyond_the_tables(checker):
    """There is no place for most ports' and flows' records; the target's is exact all the same."""
    packets = list(c.spoofed_flood())
    result = replay(c.pcap(packets), "--ports", "16", "--flows", "512", "--function", SHIPPED / "syn-flood")
    checker.equal("flood beyond the tables: alerts", SCENES["spoofed flood"][1], alerts(result))
    data = result["alerts"][0]["netlambda"]["data"]
    checker.that(data["halfOpen"] >= 1000 and 900 < data["sources"] < 1100,
                 f"flood beyond the tables: half-open and sources: {data}")
    checker.that(result["capture"]["port_shed"] > 3000, "flood beyond the tables: ports were shed")
    row = event(result, 4, "syn-flood")
    checker.equal("flood beyond the tables: packets to targets", len(packets), row["packets"])


def flood_is_told_at_once(checker):
    """The target's event comes with the packet that crosses the threshold, not with its window's end."""
    with_targets = replay(c.pcap(c.spoofed_flood()))["alerts"][0]
    without = replay(c.pcap(c.spoofed_flood()), "--fanout", "0s")["alerts"][0]
    checker.equal("data of the alert by a target", ["halfOpen", "sources", "syn"],
                  sorted(with_targets["netlambda"]["data"]))
    checker.equal("title of the alert without targets", with_targets["alert"]["signature"],
                  without["alert"]["signature"])
    checker.that(with_targets["timestamp"] <= without["timestamp"], "with targets it comes no later")


def what_is_not_understood(checker):
    result = replay(c.pcap(c.noise()))
    expected = [("not_ip", 3, 3 * 42), ("truncated_ipv4", 1, 30), ("ip_beyond_frame", 2, 2 * 53)]
    found = [(row["cause"], row["packets"], row["bytes"]) for row in result["not_understood"]]
    checker.equal("what was not understood, by cause", expected, found)


def what_is_not_understood_in_a_tunnel(checker):
    inner = c.ip(c.CLIENT, c.WEB, c.udp(40000, 53))
    frame = c.ethernet(c.ip(c.CLIENT, c.WEB, (4, inner[:10])))
    for options, expected in ((), []), (("--inside", "ipip"), [("truncated_ipv4", 1, len(frame))]):
        result = replay(c.pcap([(c.START_NS, frame)]), *options)
        found = [(row["cause"], row["packets"], row["bytes"]) for row in result["not_understood"]]
        checker.equal(f"what was not understood, with options {options}", expected, found)


def same_each_time(checker):
    packets = list(heapq.merge(c.web_traffic(), c.syn_scan(), c.flood(), c.udp_scan(), c.noise()))
    data = c.pcap(packets)
    for output in ("json", "table"):
        outputs = {run("-", "-o", output, data=data).stdout for _ in range(3)}
        checker.equal(f"different outputs of three replays, {output}", 1, len(outputs))
        checker.that(b"TCP SYN scan" in outputs.pop(), f"the {output} output has the scan")


def formats(checker):
    packets = list(heapq.merge(c.web_traffic(sessions=10), c.syn_scan(ports=40)))
    expected = replay(c.pcap(packets))
    variants = {
        "pcapng": c.pcapng(packets),
        "big-endian pcapng": c.pcapng(packets, order=">"),
        "big-endian pcap": c.pcap(packets, order=">"),
        "microseconds": c.pcap(packets, nano=False),
    }
    for name, data in variants.items():
        checker.that(replay(data) == expected, f"{name}: the same result as of a pcap")


def links(checker):
    packets = list(c.syn_scan())
    expected = replay(c.pcap(packets))
    for name, link in (("raw IP", c.RAW), ("Linux cooked", c.SLL), ("Linux cooked 2", c.SLL2),
                       ("BSD loopback", c.LOOPBACK)):
        result = replay(c.pcap(c.relink(packets, link), link=link))
        checker.equal(f"{name}: alerts", alerts(expected), alerts(result))
        checker.equal(f"{name}: sizes are those of an Ethernet", expected["interface"], result["interface"])


def cut(checker):
    packets = list(c.transfer())
    whole, short = replay(c.pcap(packets)), replay(c.pcap(packets, snaplen=60))
    checker.equal("cut by the snapshot length: counted", len(packets), short["capture"]["cut"])
    for part in ("alerts", "events", "not_understood", "interface"):
        checker.that(whole[part] == short[part], f"cut by the snapshot length: the same {part}")


def capture_time(checker):
    """An alert's time is the end of its period, whenever the replay runs."""
    result = replay(c.pcap(c.syn_scan()), "--period", "100ms")
    # The 21st port is asked 200 ms after the first, which begins the first period.
    checker.equal("time of the alert", "2023-11-14T22:13:20.310000+0000", result["alerts"][0]["timestamp"])
    # Two bursts of 15 ports are a scan within the function's window of 30 s, and none beyond it.
    for gap, expected in ((20, 1), (40, 0)):
        second = [(now, frame) for now, frame in c.syn_scan(ports=30, start=c.START_NS + gap * c.SECOND)]
        packets = list(c.syn_scan(ports=15)) + second[30:]
        checker.equal(f"alerts of two bursts {gap} s apart", expected, len(replay(c.pcap(packets))["alerts"]))


def idle_flows_end_in_a_gap(checker):
    """After a day without a packet the flow is another one: two incarnations, four events."""
    frame = c.ethernet(c.ip(c.CLIENT, c.WEB, c.udp(5000, 5001, 10)))
    day = 86400 * c.SECOND
    result = replay(c.pcap([(c.START_NS, frame), (c.START_NS + day, frame)]))
    checker.equal("flow events of two packets a day apart", 4, event(result, 2, "heavy-hitter")["events"])
    result = replay(c.pcap([(c.START_NS, frame), (c.START_NS + c.SECOND, frame)]))
    checker.equal("flow events of two packets a second apart", 3, event(result, 2, "heavy-hitter")["events"])


def in_c(checker):
    """The port scan in C raises what the one in JavaScript does, to the last word."""
    packets = list(heapq.merge(c.web_traffic(), c.syn_scan(), c.udp_scan(), c.flood(), c.noise()))
    manifest = json.loads((SHIPPED / "port-scan/function.json").read_text())
    manifest.update(runtime="native", handler="port-scan.port_scan")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        folder = pathlib.Path(directory) / "port-scan"
        folder.mkdir()
        (folder / "function.json").write_text(json.dumps(manifest))
        shutil.copy(BUILD / "tests/replay/port-scan.so", folder)
        result = replay(c.pcap(packets), "--functions", directory)
    expected = [alert for alert in replay(c.pcap(packets))["alerts"] if alert["netlambda"]["function"] == "port-scan"]
    checker.equal("alerts of the port scan in C", expected, result["alerts"])
    checker.that(len(expected) >= 3, "the port scan in JavaScript raises three alerts")


def table(checker):
    done = run("-", data=c.pcap(c.syn_scan()))
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    checker.equal("the table's first alert", "2023-11-14T22:13:20.410Z medium port-scan TCP SYN scan "
                  "10.0.0.3 10.0.0.1".split(), rows[1])
    # 100 ports that were asked, and the target's answers to one port in five periods.
    checker.that(["1", "port", "port-scan", "105", "1", "0", "200", "-"] in rows, "the table's port events")
    checker.that(b"\x1b" not in done.stdout + done.stderr, "no escape sequences into a pipe")


def test(checker):
    for part in (scenes, flood_beyond_the_tables, flood_is_told_at_once, what_is_not_understood, what_is_not_understood_in_a_tunnel, same_each_time, formats,
                 links, cut, capture_time, idle_flows_end_in_a_gap, in_c, table):
        part(checker)


if __name__ == "__main__":
    require_bpf()
    the_checker = Checker()
    test(the_checker)
    finish(the_checker)
