#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A bad network between an agent and the server, as a program: relay.py LISTEN_IP LISTEN_PORT SERVER_PORT SEED

It takes TCP connections and datagrams at LISTEN_PORT and hands them on to the same address's SERVER_PORT, and
back. Orders come by standard input, an object of JSON a line; each is answered by a line, the counters.

    {"set": {"loss": 0.05, "duplicate": 0.05, "delay": 0.1, "corrupt": 0.02}}    shares of the datagrams, each way
    {"set": {"tcp": false, "udp": false}}       takes no new connections; lets no datagram through
    {"cut": true}                               breaks all connections
    {"rebind": true}                            the server sees the agents at other addresses from now on
    {"attack": "replay"}                        sends what agents sent before once more, from a stranger's address;
                  "again"                       from the agent's own; "forge": changed; "truncate": cut;
                  "reflect"                     what the server sent, back to it; "mirror": what the agent sent, to it
"""
import json
import random
import selectors
import socket
import sys
import time

KEPT = 2000  # datagrams of each way that attacks are made of
DELAY = 0.01  # seconds, at most: enough to come after hundreds of others


class Flow:
    """An agent's datagrams: where they come from, and the socket that they leave by."""

    def __init__(self, relay, client):
        self.relay, self.client, self.upstream = relay, client, None
        self.rebind()

    def rebind(self):
        if self.upstream:
            self.relay.selector.unregister(self.upstream)
            self.upstream.close()
        self.upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.upstream.setblocking(False)
        self.upstream.connect(self.relay.server)
        self.relay.watch(self.upstream, self.back)

    def back(self):
        for datagram in self.relay.take(self.upstream):
            self.relay.remember(self.relay.answers, datagram)
            self.relay.pass_on(datagram, lambda d: self.relay.udp.sendto(d, self.client))


class Relay:
    def __init__(self, address, port, server_port, seed):
        self.random = random.Random(seed)
        self.server = (address, server_port)
        self.selector = selectors.DefaultSelector()
        self.settings = {"loss": 0, "duplicate": 0, "delay": 0, "corrupt": 0, "tcp": True, "udp": True}
        self.counts = dict.fromkeys(("connections", "datagrams", "lost", "duplicated", "delayed", "corrupted",
                                     "blocked", "attacks", "answers_to_attacks"), 0)
        self.flows, self.pipes, self.delayed = {}, [], []
        self.sent, self.answers = [], []
        self.tcp = socket.create_server((address, port), reuse_port=False)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, port))
        self.stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stranger.connect(self.server)
        for each in (self.tcp, self.udp, self.stranger):
            each.setblocking(False)
        self.watch(self.tcp, self.connection)
        self.watch(self.udp, self.forward)
        self.watch(self.stranger, self.answered)
        self.watch(sys.stdin, self.order)

    def watch(self, source, act):
        self.selector.register(source, selectors.EVENT_READ, act)

    # ---- datagrams ----

    @staticmethod
    def take(source):
        while True:
            try:
                yield source.recv(65536)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # the server is not there: its machine says so
                continue

    def remember(self, kept, datagram):
        if len(kept) < KEPT:
            kept.append(datagram)
        else:
            kept[self.random.randrange(KEPT)] = datagram

    def happens(self, what, count):
        if self.random.random() >= self.settings[what]:
            return False
        self.counts[count] += 1
        return True

    def changed(self, datagram):
        changed = bytearray(datagram)
        changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def pass_on(self, datagram, send):
        self.counts["datagrams"] += 1
        if not self.settings["udp"]:
            self.counts["blocked"] += 1
            return
        if self.happens("loss", "lost"):
            return
        for _ in range(2 if self.happens("duplicate", "duplicated") else 1):
            copy = self.changed(datagram) if self.happens("corrupt", "corrupted") else datagram
            if self.happens("delay", "delayed"):
                self.delayed.append((time.monotonic() + self.random.random() * DELAY, copy, send))
            else:
                self.out(copy, send)

    @staticmethod
    def out(datagram, send):
        try:
            send(datagram)
        except OSError:
            pass  # lost, as on any way

    def release(self):
        now = time.monotonic()
        due = [item for item in self.delayed if item[0] <= now]
        self.delayed = [item for item in self.delayed if item[0] > now]
        for _, datagram, send in due:
            self.out(datagram, send)

    def forward(self):
        while True:
            try:
                datagram, client = self.udp.recvfrom(65536)
            except OSError:
                return
            flow = self.flows.get(client)
            if not flow:
                flow = self.flows[client] = Flow(self, client)
            self.remember(self.sent, datagram)
            self.pass_on(datagram, lambda d, flow=flow: flow.upstream.send(d))

    def answered(self):
        self.counts["answers_to_attacks"] += sum(1 for _ in self.take(self.stranger))

    # ---- connections ----

    def connection(self):
        client, _ = self.tcp.accept()
        self.counts["connections"] += 1
        if not self.settings["tcp"]:
            client.close()
            return
        try:
            server = socket.create_connection(self.server, timeout=60)
        except OSError:
            client.close()
            return
        pipe = (client, server)
        self.pipes.append(pipe)
        for a, b in (pipe, pipe[::-1]):
            self.watch(a, lambda a=a, b=b, pipe=pipe: self.pump(a, b, pipe))

    def pump(self, a, b, pipe):
        try:
            data = a.recv(65536)
            if data:
                b.sendall(data)
                return
        except OSError:
            pass
        self.close(pipe)

    def close(self, pipe):
        if pipe in self.pipes:
            self.pipes.remove(pipe)
            for end in pipe:
                self.selector.unregister(end)
                end.close()

    # ---- orders ----

    def attack(self, how):
        flow = next(reversed(self.flows.values()))
        to_agent = [lambda d: self.udp.sendto(d, flow.client)]
        kinds = {
            "replay": (self.sent, [self.stranger.send], lambda d: d),
            "again": (self.sent, [flow.upstream.send], lambda d: d),
            "forge": (self.sent, [self.stranger.send, flow.upstream.send], self.changed),
            "truncate": (self.sent, [self.stranger.send, flow.upstream.send],
                         lambda d: d[:self.random.randrange(len(d))]),
            "reflect": (self.answers, [self.stranger.send, flow.upstream.send], lambda d: d),
            "mirror": (self.sent, to_agent, lambda d: d),
        }
        kept, ways, change = kinds[how]
        for number, datagram in enumerate(list(kept)):
            if number % 32 == 31:
                time.sleep(0.001)  # lest the receiver's buffer run over
            for send in ways:
                self.counts["attacks"] += 1
                self.out(change(datagram), send)

    def order(self):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        order = json.loads(line)
        self.settings.update(order.get("set", {}))
        if order.get("cut"):
            for pipe in list(self.pipes):
                self.close(pipe)
        if order.get("rebind"):
            for flow in self.flows.values():
                flow.rebind()
        if order.get("attack"):
            self.attack(order["attack"])
        print(json.dumps(self.counts), flush=True)

    def run(self):
        print("{}", flush=True)
        while True:
            for key, _ in self.selector.select(0.001 if self.delayed else None):
                if key.fileobj.fileno() >= 0:  # not closed by one before
                    key.data()
            self.release()


if __name__ == "__main__":
    Relay(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])).run()
