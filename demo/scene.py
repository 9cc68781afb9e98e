# SPDX-License-Identifier: BSD-2-Clause
"""The network of the thesis's figure 6.1, in namespaces, with netlambda's daemons in it.

    h1 web server ---+
    h2 client -------+--- s1, a Linux bridge; the agent is on its ports --- lambda, the server
    h3 attacker -----+

The link between s1 and the lambda server is not a port of the bridge: what netlambda says to itself
does not cross what it watches.
"""
import subprocess
import sys

from lab import authority, daemons, network

PREFIX = "nldemo"
HOSTS = {"h1": ("10.61.0.1", "fd61::1"), "h2": ("10.61.0.2", "fd61::2"), "h3": ("10.61.0.3", "fd61::3")}
SERVER_ADDRESS = "10.62.0.2"
SERVER_PORT = 5005
TRIGGERS = {"1": "port-scan", "2": "heavy-hitter"}
# Small enough for a demo of half a minute, far above what ordinary browsing does.
FUNCTIONS = {"heavy-hitter": {"config": {"bytes": 50_000_000}}}


class Scene:
    def __init__(self, build):
        self.build = build
        self.lab = network.Network(PREFIX)
        self.server = self.agent = None

    def hosts(self):
        """The three hosts on the bridge, and the server's machine beside it."""
        lab = self.lab
        for name in ("s1", "lambda", *HOSTS):
            lab.namespace(name)
        for number, (name, (ip4, ip6)) in enumerate(HOSTS.items(), 1):
            lab.link(name, "eth0", "s1", f"s1-eth{number}")
            lab.address(name, "eth0", f"{ip4}/24", f"{ip6}/64")
        lab.bridge("s1", "br0", self.ports())
        lab.link("s1", "uplink", "lambda", "eth0")
        lab.address("s1", "uplink", "10.62.0.1/30")
        lab.address("lambda", "eth0", f"{SERVER_ADDRESS}/30")
        # h1 answers every probe, as a host does that nobody has tuned against scans yet.
        lab.sysctl("h1", "net.ipv4.icmp_ratelimit=0")
        lab.sysctl("h1", "net.ipv4.icmp_msgs_per_sec=100000")

    @staticmethod
    def ports():
        return [f"s1-eth{number}" for number in range(1, len(HOSTS) + 1)]

    def services(self):
        """What h1 offers: a web site and an iperf3 server."""
        site = self.lab.directory / "www"
        site.mkdir()
        (site / "index.html").write_text("<h1>h1</h1>\n")
        (site / "picture.bin").write_bytes(bytes(40_000))
        self.lab.start("h1", [sys.executable, "-m", "http.server", "80", "--bind", "::",
                              "--directory", site], "web.log")
        self.lab.start("h1", ["iperf3", "-s"], "iperf3.log")
        network.wait_for(lambda: self.listening("h1") >= {80, 5201}, 10, "h1's servers to listen")

    def listening(self, name):
        """The TCP ports that something listens on in a namespace."""
        lines = self.lab.run_in(name, ["ss", "-Hltn"]).splitlines()
        return {int(line.split()[3].rsplit(":", 1)[1]) for line in lines}

    def daemons(self):
        """Server and agent, with certificates of a CA that lives as long as the demo."""
        endpoint = f"{SERVER_ADDRESS}:{SERVER_PORT}"
        issuer = authority.Authority(self.lab.directory / "pki", self.build)
        tls = {"credentials": str(issuer.server(SERVER_ADDRESS)), "crl": str(issuer.crl)}
        self.server = daemons.Server(self.lab, self.build, "lambda", endpoint, tls=tls,
                                     triggers=TRIGGERS, functions=FUNCTIONS).start()
        self.agent = daemons.Agent(self.lab, self.build, "s1", self.ports(), endpoint,
                                   credentials=issuer.switch(1)).start()

    def link(self):
        """What agent and server speak, once they do."""
        def sessions():
            return [one for one in self.server.json("/v1/switches")["switches"] if one.get("session")]
        switch, = network.wait_for(sessions, 10, "the agent to have a session")
        return f"protocol version {switch['version']}, sealed with {switch['session']['cipher']}"

    def deploy(self, name, folder):
        """Puts a function of the user's to work; gives what the command says."""
        argv = [f"{self.build}/src/cli/netlambda", "--socket", self.server.config["api"], "function", "deploy", name,
                "--from-file", folder]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise network.LabError(done.stderr.strip())
        return done.stdout.strip()

    def packets(self, port):
        """What entered the switch by a port, by the kernel's own count."""
        return self.lab.statistics("s1", port)["rx"]["packets"]

    def alerts_path(self):
        return self.server.config["alerts"]
