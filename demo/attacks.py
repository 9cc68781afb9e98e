# SPDX-License-Identifier: BSD-2-Clause
"""The attacks: which program, from which host, and the alert that it has to lead to.

Every load is bounded, in rate and in number: the demo runs on whatever machine it is tried on.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Attack:
    name: str
    story: str      # what happens, in a sentence
    host: str       # where it runs
    port: str       # the switch's interface that it enters by
    source: str     # the address it comes from
    argv: tuple
    signature: str  # of the alert that must come
    seconds: float  # how long it takes at most


def attacks(web, client, attacker):
    """The four of them, in the order of the demo; the arguments are addresses."""
    return (
        Attack("large transfer", "h2 sends h1 150 MB with iperf3: a heavy hitter",
               "h2", "s1-eth2", client,
               ("iperf3", "-c", web, "-n", "150M", "-b", "500M"), "Heavy hitter", 30),
        Attack("TCP SYN scan", "h3 asks 1000 TCP ports of h1 with nmap, 500 a second",
               "h3", "s1-eth3", attacker,
               ("nmap", "-sS", "-n", "-Pn", "--max-rate", "500", "-p", "1-1000", web),
               "TCP SYN scan", 30),
        Attack("UDP scan", "h3 asks 600 UDP ports of h1 with nmap, 300 a second",
               "h3", "s1-eth3", attacker,
               ("nmap", "-sU", "-n", "-Pn", "--max-rate", "300", "--max-retries", "1",
                "--host-timeout", "25s", "-p", "1-600", web), "UDP scan", 30),
        Attack("SYN flood", "h3 sends h1's web server 10,000 SYN segments with hping3, 5,000 a second",
               "h3", "s1-eth3", attacker,
               ("hping3", "-q", "-S", "-p", "80", "-i", "u200", "-c", "10000", web),
               "SYN flood suspected", 30),
    )
