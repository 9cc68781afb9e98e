# SPDX-License-Identifier: BSD-2-Clause
"""Builds captures for the replay's tests: frames, traffic in the order of its times, files.

A packet is (time in nanoseconds since the epoch, frame). The scenes below are generators of packets
that always yield the same.
"""
import ipaddress
import struct

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
SECOND = 1000 * MS

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETHERNET, RAW, SLL, SLL2, LOOPBACK, WIFI = 1, 101, 113, 276, 0, 105  # LINKTYPE_ numbers

WEB, CLIENT, ATTACKER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
WEB6, ATTACKER6 = "2001:db8::1", "2001:db8::bad"


# ---- headers ----

def tcp(sport, dport, flags, payload=0):
    header = struct.pack("!HHIIBBHHH", sport, dport, 1, 1 if flags & ACK else 0, 5 << 4, flags, 64240, 0, 0)
    return 6, header + bytes(payload)


def udp(sport, dport, payload=0):
    return 17, struct.pack("!HHHH", sport, dport, 8 + payload, 0) + bytes(payload)


def ip(src, dst, transport):
    protocol, payload = transport
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if src.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + src.packed + dst.packed + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + src.packed \
        + dst.packed + payload


def ethernet(packet, tags=()):
    """An IP packet in a frame, behind VLAN tags [(tpid, vid)]."""
    ethertype = 0x86dd if packet[0] >> 4 == 6 else 0x0800
    header = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
    for tpid, vid in tags:
        header += struct.pack("!HH", tpid, vid)
    return header + struct.pack("!H", ethertype) + packet


def arp():
    return b"\xff" * 6 + b"\x02\0\0\0\0\2" + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + bytes(20)


# ---- scenes ----

def web_traffic(sessions=40, start=START_NS):
    """A client that fetches pages: complete handshakes, one connection after the other."""
    for i in range(sessions):
        sport, now = 40000 + i, start + i * 200 * MS
        there = lambda flags, size=0, p=sport: ethernet(ip(CLIENT, WEB, tcp(p, 80, flags, size)))
        back = lambda flags, size=0, p=sport: ethernet(ip(WEB, CLIENT, tcp(80, p, flags, size)))
        exchange = [there(SYN), back(SYN | ACK), there(ACK), there(PSH | ACK, 120)]
        exchange += [back(ACK, 1400)] * 10 + [there(ACK), back(FIN | ACK), there(FIN | ACK), back(ACK)]
        for n, frame in enumerate(exchange):
            yield now + n * MS, frame


def syn_scan(ports=100, source=ATTACKER, target=WEB, tags=(), start=START_NS):
    """Each port is asked once; closed ones say so."""
    for port in range(1, ports + 1):
        now = start + port * 10 * MS
        yield now, ethernet(ip(source, target, tcp(50000, port, SYN)), tags)
        yield now + MS, ethernet(ip(target, source, tcp(port, 50000, RST | ACK)), tags)


def udp_scan(ports=50, start=START_NS):
    for port in range(1, ports + 1):
        yield start + port * 20 * MS, ethernet(ip(ATTACKER, WEB, udp(50000, port)))


def flood(packets=4000, start=START_NS):
    """From one source to one port, 2000 a second."""
    for i in range(packets):
        yield start + i * MS // 2, ethernet(ip(ATTACKER, WEB, tcp(1024 + i % 60000, 80, SYN)))


def spoofed_flood(packets=4000, start=START_NS):
    for i in range(packets):
        source = str(ipaddress.ip_address("172.16.0.0") + i % 1000)
        yield start + i * MS // 2, ethernet(ip(source, WEB, tcp(1024 + i % 60000, 80, SYN)))


def transfer(packets=20000, start=START_NS):
    """Full frames, 30 MB in 8 s."""
    frame = ethernet(ip(WEB, CLIENT, tcp(5201, 45000, ACK, 1460)))
    for i in range(packets):
        yield start + i * 8 * SECOND // packets, frame


def noise(start=START_NS):
    """What has no key: three frames that are not IP, and two kinds of broken ones."""
    whole = ethernet(ip(CLIENT, WEB, tcp(40000, 80, SYN)))
    yield start, arp()
    yield start + MS, arp()
    yield start + 2 * MS, arp()
    yield start + 3 * MS, whole[:30]  # inside the IPv4 header
    yield start + 4 * MS, whole[:-1]  # shorter than the IPv4 header says
    yield start + 5 * MS, whole[:-1]
    yield start + 6 * MS, whole


# ---- files ----

def pcap(packets, link=ETHERNET, snaplen=65535, nano=True, order="<"):
    magic = 0xa1b23c4d if nano else 0xa1b2c3d4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for now, frame in packets:
        cut = frame[:snaplen]
        fraction = now % SECOND // (1 if nano else 1000)
        parts += [struct.pack(order + "IIII", now // SECOND, fraction, len(cut), len(frame)), cut]
    return b"".join(parts)


def block(kind, body, order):
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def pcapng(packets, link=ETHERNET, snaplen=65535, order="<"):
    parts = [
        block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order),
        # if_tsresol: nanoseconds
        block(1, struct.pack(order + "HHIHHB3xHH", link, 0, snaplen, 9, 1, 9, 0, 0), order),
    ]
    for now, frame in packets:
        cut = frame[:snaplen]
        head = struct.pack(order + "IIIII", 0, now >> 32, now & 0xffffffff, len(cut), len(frame))
        parts.append(block(6, head + cut, order))
    return b"".join(parts)


def relink(packets, link):
    """The same packets as another link type has them; those must be IP without tags."""
    for now, frame in packets:
        packet, ethertype = frame[14:], frame[12:14]
        family = 2 if ethertype == b"\x08\0" else 10
        header = {
            RAW: b"",
            SLL: struct.pack("!HHH8x", 0, 1, 6) + ethertype,
            SLL2: ethertype + bytes(18),
            LOOPBACK: struct.pack("<I", family),
        }[link]
        yield now, header + packet
