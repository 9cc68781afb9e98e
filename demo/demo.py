#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Attacks an emulated network and shows how netlambda sees it.

Ordinary web traffic comes first and must raise no alert; then a large transfer, a TCP SYN scan, a UDP
scan and a SYN flood, each of which must raise its own. Everything happens in network namespaces that
are gone afterwards. The exit code is 0 only if all four attacks were found and nothing else was alerted.
Functions of your own (--function) run beside; what they raise is shown, and not judged.
"""
import argparse
import dataclasses
import json
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

# pylint: disable=wrong-import-position
from attacks import attacks  # noqa: E402
from lab import network  # noqa: E402
from scene import HOSTS, PREFIX, Scene  # noqa: E402
from story import Story  # noqa: E402
from watch import AlertFile, describe  # noqa: E402

WEB_SECONDS = 6
USUAL_SECONDS = 5  # of an attack
GRACE_SECONDS = 15  # how long an alert may come after the attack's end


class Interrupted(BaseException):
    """A signal asked for the end."""


@dataclasses.dataclass
class Finding:
    attack: object
    began: float
    latency: float = None  # seconds from the attacking program's start to the alert in the file
    packets: int = 0       # that had entered the switch by the attacker's port by then


class Demo:
    def __init__(self, scene, story, folders):
        self.scene, self.story = scene, story
        self.own = {pathlib.Path(folder).resolve().name: pathlib.Path(folder) for folder in folders}
        self.own_alerts = []
        self.findings = []
        self.unexpected = []
        self.alert_file = None

    def set_up(self):
        self.story.heading("Setting up: h1 web server, h2 client, h3 attacker, switch s1, lambda server")
        steps = (("hosts and links", self.scene.hosts), ("web and iperf3 servers", self.scene.services),
                 ("netlambda server and agent", self.scene.daemons))
        for number, (what, step) in enumerate(steps):
            self.story.progress(number / len(steps), what)
            step()
        self.alert_file = AlertFile(self.scene.alerts_path())
        ports = ", ".join(self.scene.ports())
        self.story.line(f"  XDP counts on {ports}; the server runs the functions port-scan and heavy-hitter")
        self.story.line(f"  They speak {self.scene.link()}, with certificates of a CA that lives as long as the demo")
        for name, folder in self.own.items():
            self.story.line(f"  {self.scene.deploy(name, folder)}")

    def browse(self):
        self.story.heading("Ordinary traffic: h2 visits h1's web site, over IPv4 and IPv6")
        ip4, ip6 = HOSTS["h1"]
        urls = [f"http://{host}/{page}" for page in ("", "picture.bin") for host in (ip4, f"[{ip6}]")]
        argv = [sys.executable, str(HERE / "browse.py"), WEB_SECONDS, *urls]
        visitor = self.scene.lab.start("h2", argv, "browse.log")
        self.follow(visitor, WEB_SECONDS + GRACE_SECONDS, WEB_SECONDS, "browsing", "s1-eth2")
        if visitor.returncode != 0:
            raise network.LabError(f"browsing failed: {visitor.log.read_text().strip()}")
        if not self.unexpected:
            self.story.good(f"{visitor.log.read_text().strip()} pages fetched, no alert")

    def carry_out(self, attack):
        self.story.heading(f"Attack: {attack.story}")
        self.story.command(attack.argv)
        finding = Finding(attack, time.monotonic())
        self.findings.append(finding)
        before = self.scene.packets(attack.port)
        process = self.scene.lab.start(attack.host, attack.argv, f"{attack.name}.log")
        self.follow(process, attack.seconds, USUAL_SECONDS, attack.argv[0], attack.port)
        network.end_process(process)
        end = time.monotonic() + GRACE_SECONDS
        while finding.latency is None and time.monotonic() < end:
            self.story.progress(1, "waiting for the alert")
            self.look(before)
            time.sleep(0.02)
        if finding.latency is None:
            self.story.bad("not detected")

    def follow(self, process, seconds, expected_seconds, what, port):
        """Shows progress and alerts until the process ends, at most so many seconds."""
        began, before, packets = time.monotonic(), self.scene.packets(port), 0
        while process.poll() is None and time.monotonic() - began < seconds:
            elapsed = time.monotonic() - began
            self.story.progress(elapsed / expected_seconds,
                                f"{what}, {elapsed:.1f} s, {packets:,} packets into {port}")
            self.look(before)
            time.sleep(0.02)
            if self.story.live:
                packets = self.scene.packets(port) - before
        self.look(before)

    def look(self, packets_before):
        for seen, alert in self.alert_file.new():
            finding = self.attributed(alert)
            if alert["netlambda"]["function"] in self.own:
                self.own_alerts.append(alert)
                self.story.alert(describe(alert), expected=True)
            elif finding is None:
                self.unexpected.append(alert)
                self.story.alert(describe(alert), expected=False)
            elif finding.latency is None:
                finding.latency = seen - finding.began
                finding.packets = self.scene.packets(finding.attack.port) - packets_before
                self.story.alert(f"{describe(alert)}  {finding.latency:.2f} s after the attack began", True)

    def attributed(self, alert):
        """The latest attack that an alert can be about; None if it is about none."""
        for finding in reversed(self.findings):
            attack = finding.attack
            if (alert["alert"]["signature"] == attack.signature
                    and alert.get("src_ip") == attack.source):
                return finding
        return None

    def settle(self):
        """Alerts that still come, a little after the last attack, count too."""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            self.look(0)
            time.sleep(0.05)

    def success(self):
        return not self.unexpected and all(finding.latency is not None for finding in self.findings)


def summarize(demo):
    story = demo.story
    story.heading("Summary")
    rows = [("attack", "detected", "seconds", "packets seen")]
    for finding in demo.findings:
        found = finding.latency is not None
        rows.append((finding.attack.name, "yes" if found else "NO",
                     f"{finding.latency:.2f}" if found else "-",
                     f"{finding.packets:,}" if found else "-"))
    story.table(rows)
    story.line("  (seconds: from the start of the attacking program to the alert;")
    story.line("  packets seen: what had entered the switch from the attacker by then)")
    for name in demo.own:
        raised = sum(alert["netlambda"]["function"] == name for alert in demo.own_alerts)
        story.line(f"  {name} raised {raised} alert{'' if raised == 1 else 's'}.")
    if demo.success():
        story.good("All four attacks were found, and nothing else was alerted.")
    else:
        missed = sum(finding.latency is None for finding in demo.findings)
        story.bad(f"{missed} attacks were missed, {len(demo.unexpected)} alerts were unexpected.")


def tell_real_interface(story):
    story.heading("The same on a real interface")
    story.line("  sudo ./dev install")
    story.line("  sudo netlambda pki init")
    story.line("  sudo netlambda pki issue server localhost --to /etc/netlambda/server.pem")
    story.line("  sudo netlambda pki issue switch 1 --server localhost --to /etc/netlambda/switch.pem")
    story.line("  sudo systemctl daemon-reload && sudo systemctl enable --now netlambda-server")
    story.line("  sudo netlambda-agent --interface eth0")
    story.line("  sudo netlambda alerts --follow")


def write_json(demo, path):
    attacks_json = [{
        "attack": finding.attack.name,
        "detected": finding.latency is not None,
        "latency_ms": None if finding.latency is None else round(finding.latency * 1000),
        "packets": finding.packets,
    } for finding in demo.findings]
    summary = {"attacks": attacks_json, "false_alerts": len(demo.unexpected),
               "unexpected": demo.unexpected, "own": demo.own_alerts}
    pathlib.Path(path).write_text(json.dumps(summary, indent=2) + "\n")


def tell_kept(scene, story):
    lab, api = scene.lab, scene.server.config["api"]
    story.heading("The network is still up")
    netlambda = f"sudo {pathlib.Path(scene.build).resolve()}/src/cli/netlambda --socket {api}"
    story.line("  See alerts, and put a function of yours to work:")
    story.line(f"  {netlambda} alerts --follow")
    story.line(f"  {netlambda} function deploy NAME --from-file FOLDER")
    story.line("  Be the attacker (or, by 'bash' in the place of hping3, whatever you want):")
    story.line(f"  sudo ip netns exec {lab.full('h3')} hping3 -q -S -p 443 -i u2000 -c 600 {HOSTS['h1'][0]}")
    story.line(f"  files and logs: {lab.directory}")
    story.line("  sudo ./dev demo --remove     # removes it")


def remnants(story, remove):
    """Runs whose process is gone: killed ones are removed, kept ones only if asked for."""
    for run, names in network.dead_runs(PREFIX).items():
        kept = any(pathlib.Path(tempfile.gettempdir()).glob(f"{run}-*/kept"))
        if remove or not kept:
            network.remove_run(run, names)
            story.line(f"removed what an earlier run left: {run}")
        else:
            story.line(f"an earlier run's network is still up ({run}); ./dev demo --remove removes it")


def handle_signals():
    def interrupt(number, _):
        raise Interrupted(number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def ignore_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def play(demo, options):
    began = time.monotonic()
    demo.set_up()
    demo.browse()
    web, client, attacker = (HOSTS[host][0] for host in ("h1", "h2", "h3"))
    for attack in attacks(web, client, attacker):
        demo.carry_out(attack)
    demo.settle()
    summarize(demo)
    if options.json:
        write_json(demo, options.json)
    tell_real_interface(demo.story)
    demo.story.line(f"\nThe demo took {time.monotonic() - began:.0f} s.")


def run(options):
    story = Story()
    scene = Scene(options.build)
    demo = Demo(scene, story, options.function)
    kept = False
    try:
        handle_signals()
        play(demo, options)
        if options.keep:
            (scene.lab.directory / "kept").touch()
            tell_kept(scene, story)
            scene.lab.leave()
            kept = True
        return 0 if demo.success() else 1
    except network.LabError as error:
        story.bad(str(error))
        return 1
    except Interrupted as interrupted:
        story.line("interrupted: cleaning up")
        return 128 + interrupted.args[0]
    finally:
        ignore_signals()
        if not kept:
            scene.lab.close()


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(HERE.parent / "build"), help="the build directory")
    parser.add_argument("--function", metavar="DIR", action="append", default=[],
                        help="a function of your own, by its folder; again for more")
    parser.add_argument("--json", metavar="FILE", help="write the summary to a file")
    parser.add_argument("--keep", action="store_true", help="leave the network up for exploring")
    parser.add_argument("--remove", action="store_true", help="remove kept networks, and do nothing else")
    options = parser.parse_args()
    remnants(Story(), options.remove)
    return 0 if options.remove else run(options)


if __name__ == "__main__":
    sys.exit(main())
