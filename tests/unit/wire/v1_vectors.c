// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/wire/v1_vectors.h"

/* docs/protocol-1.md shows the same; a test compares. */
const struct v1_vector v1_vectors[] = {
	{"port-v4", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 01              sequence 1\n"
		"01                       1 event\n"
		"00 00 00 25              length 37\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"0a 00 00 03              srcip 10.0.0.3\n"
		"0a 00 00 01              dstip 10.0.0.1\n"
		"00 00 00 50              dstport 80\n"
		"00 00 00 06              protocol 6, TCP\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 2a              syn 42\n"
		"00 00 00 02              rst 2\n"},
	{"flow-v4", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 00              sequence 0\n"
		"01                       1 event\n"
		"00 00 00 25              length 37\n"
		"00 00 00 02              event id 2, flow\n"
		"00                       wants no acknowledgement\n"
		"0a 00 00 02              srcip 10.0.0.2\n"
		"0a 00 00 01              dstip 10.0.0.1\n"
		"c3 50 00 50              ports: source 50000, destination 80\n"
		"00 00 00 06              protocol 6, TCP\n"
		"00 00 03 e8              count 1000\n"
		"00 00 00 01 00 00 00 02  size 4294967298\n"},
	{"port-v6", V1_OK,
		"01                       version\n"
		"ff ff ff ff              switch id 4294967295\n"
		"7f ff ff ff              sequence 2147483647, the last before 1\n"
		"01                       1 event\n"
		"00 00 00 3d              length 61\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 03  srcip 2001:db8::3\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 01  dstip 2001:db8::1\n"
		"00 00 00 35              dstport 53\n"
		"00 00 00 11              protocol 17, UDP\n"
		"00 00 00 09              udp 9\n"
		"00 00 00 00              syn 0\n"
		"00 00 00 00              rst 0\n"},
	{"flow-v6", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 02              sequence 2\n"
		"01                       1 event\n"
		"00 00 00 3d              length 61\n"
		"00 00 00 02              event id 2, flow\n"
		"01                       wants an acknowledgement\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 02  srcip 2001:db8::2\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 01  dstip 2001:db8::1\n"
		"ff ff 00 16              ports: source 65535, destination 22\n"
		"00 00 00 06              protocol 6, TCP\n"
		"ff ff ff ff              count 4294967295, or more\n"
		"00 00 01 23 45 67 89 ab  size 1250999896491\n"},
	{"port-completed-v4", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 04              sequence 4\n"
		"01                       1 event\n"
		"00 00 00 2d              length 45\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"0a 00 00 03              srcip 10.0.0.3\n"
		"0a 00 00 01              dstip 10.0.0.1\n"
		"00 00 00 50              dstport 80\n"
		"00 00 00 06              protocol 6, TCP\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 2a              syn 42\n"
		"00 00 00 02              rst 2\n"
		"00 00 00 28              completed 40\n"
		"00 00 00 01              refused 1\n"},
	{"port-refused-v6", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 05              sequence 5\n"
		"01                       1 event\n"
		"00 00 00 45              length 69\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 03  srcip 2001:db8::3\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 01  dstip 2001:db8::1\n"
		"00 00 00 17              dstport 23\n"
		"00 00 00 06              protocol 6, TCP\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 00              syn 0\n"
		"00 00 00 00              rst 0\n"
		"00 00 00 00              completed 0\n"
		"ff ff ff ff              refused 4294967295, or more\n"},
	{"source-v4", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 06              sequence 6\n"
		"01                       1 event\n"
		"00 00 00 4a              length 74\n"
		"00 00 00 03              event id 3, source\n"
		"01                       wants an acknowledgement\n"
		"0a 00 00 03              srcip 10.0.0.3\n"
		"00 00 00 00 00 00 00 01  first, ns\n"
		"00 00 00 00 00 00 00 02  last, ns\n"
		"00 00 00 00 00 00 00 64  packets 100\n"
		"00 00 00 00 00 00 17 70  size 6000\n"
		"00 00 00 00 00 00 00 07  shed 7\n"
		"00 00 00 5a              syn 90\n"
		"00 00 00 0a              udp 10\n"
		"00 00 00 05              completed 5\n"
		"00 00 00 03              hosts 3\n"
		"00 00 00 62              ports 98\n"
		"00                       has not ended\n"},
	{"target-v6", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 07              sequence 7\n"
		"01                       1 event\n"
		"00 00 00 56              length 86\n"
		"00 00 00 04              event id 4, target\n"
		"01                       wants an acknowledgement\n"
		"20 01 0d b8 00 00 00 00\n"
		"00 00 00 00 00 00 00 01  dstip 2001:db8::1\n"
		"00 00 00 00 00 00 00 01  first, ns\n"
		"00 00 00 00 00 00 00 02  last, ns\n"
		"00 00 00 01 00 00 00 00  packets 4294967296\n"
		"00 00 00 3c 00 00 00 00  size 257698037760\n"
		"00 00 00 00 ff ff ff ff  shed 4294967295\n"
		"ff ff ff ff              syn 4294967295\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 00              completed 0\n"
		"00 00 1b c4              sources 7108\n"
		"00 00 00 01              ports 1\n"
		"01                       has ended\n"},
	{"interface", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 00              sequence 0\n"
		"01                       1 event\n"
		"00 00 00 3d              length 61\n"
		"00 00 00 05              event id 5, interface\n"
		"00                       wants no acknowledgement\n"
		"00 00 00 03              ifindex 3\n"
		"00 00 00 00 00 0f 42 40  packets 1000000\n"
		"00 00 00 00 3b 9a ca 00  size 1000000000\n"
		"00 00 00 00 00 00 00 05  not_ip 5\n"
		"00 00 00 00 00 00 00 04  malformed 4\n"
		"00 00 00 00 00 00 00 03  flow_shed 3\n"
		"00 00 00 00 00 00 00 02  port_shed 2\n"},
	{"two-events", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 03              sequence 3\n"
		"02                       2 events\n"
		"00 00 00 25              length 37\n"
		"00 00 00 02              event id 2, flow\n"
		"01                       wants an acknowledgement\n"
		"0a 00 00 02              srcip 10.0.0.2\n"
		"0a 00 00 01              dstip 10.0.0.1\n"
		"00 08 00 00              ports: source 8, destination 0\n"
		"00 00 00 01              protocol 1, ICMP\n"
		"00 00 00 01              count 1\n"
		"00 00 00 00 00 00 00 62  size 98\n"
		"00 00 00 3d              length 61\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"fe 80 00 00 00 00 00 00\n"
		"00 00 00 00 00 00 00 01  srcip fe80::1\n"
		"00 00 00 00 00 00 00 00\n"
		"00 00 ff ff 0a 00 00 01  dstip 10.0.0.1, v4-mapped beside an IPv6 address\n"
		"00 00 ff ff              dstport 65535\n"
		"00 00 00 84              protocol 132, SCTP\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 01              syn 1\n"
		"00 00 00 00              rst 0\n"},
	{"count-u32", V1_OK,
		"01                       version\n"
		"00 00 00 07              switch id 7\n"
		"00 00 00 01              sequence 1\n"
		"00 00 00 01              1 event, in four octets\n"
		"00 00 00 25              length 37\n"
		"00 00 00 01              event id 1, port\n"
		"01                       wants an acknowledgement\n"
		"0a 00 00 03              srcip 10.0.0.3\n"
		"0a 00 00 01              dstip 10.0.0.1\n"
		"00 00 00 50              dstport 80\n"
		"00 00 00 06              protocol 6, TCP\n"
		"00 00 00 00              udp 0\n"
		"00 00 00 2a              syn 42\n"
		"00 00 00 02              rst 2\n"
		"00 x 1385                padding to 1435 octets\n"},
	{"empty", V1_SHORT, ""},
	{"header-alone", V1_SHORT,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"},
	{"payload-cut", V1_SHORT,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00                    rst, without its last octet\n"},
	{"too-long", V1_LONG,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"00 00 00 01                 1 event, in four octets\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"
		"00 x 1386                   one octet of padding too many\n"},
	{"version-2", V1_BAD_VERSION,
		"02 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"sequence-0", V1_BAD_SEQUENCE,
		"01 00 00 00 07 00 00 00 00  version, switch id, sequence 0\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"sequence-2-31", V1_BAD_SEQUENCE,
		"01 00 00 00 07 80 00 00 00  version, switch id, sequence 2147483648\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"no-events", V1_BAD_COUNT,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"00 00 00 00                 no events\n"},
	{"length-8", V1_BAD_LENGTH,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 08 00 00 00 01 01  length 8, port, wants an acknowledgement\n"},
	{"length-38", V1_BAD_LENGTH,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 26 00 00 00 01 01  length 38, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02 00              rst and an octet more\n"},
	{"length-huge", V1_BAD_LENGTH,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"ff ff ff ff 00 00 00 01 01  length 4294967295, port, wants an acknowledgement\n"},
	{"flag-2", V1_BAD_FLAG,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 02  length 37, port, acknowledge flag 2\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"mixed", V1_MIXED_FLAGS,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"02                          2 events\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"
		"00 00 00 25 00 00 00 01 00  length 37, port, wants none\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"event-6", V1_UNKNOWN_EVENT,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 09 00 00 00 06 01  length 9, event id 6, wants an acknowledgement\n"},
	{"dstport-65536", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 01 00 00 00 00 00 06     dstport 65536, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"protocol-256", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 00  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 02 00  length 37, flow, wants no acknowledgement\n"
		"0a 00 00 02 0a 00 00 01     srcip, dstip\n"
		"c3 50 00 50 00 00 01 00     ports, protocol 256\n"
		"00 00 00 01                 count\n"
		"00 00 00 00 00 00 00 62     size\n"},
	{"v4-in-v6-form", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 3d 00 00 00 01 01  length 61, port, wants an acknowledgement\n"
		"00 00 00 00 00 00 00 00\n"
		"00 00 ff ff 0a 00 00 03     srcip, v4-mapped\n"
		"00 00 00 00 00 00 00 00\n"
		"00 00 ff ff 0a 00 00 01     dstip, v4-mapped\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"},
	{"port-needlessly-long", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 2d 00 00 00 01 01  length 45, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"
		"00 00 00 00 00 00 00 00     completed, refused\n"},
	{"fanout-flag-2", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 4a 00 00 00 03 01  length 74, source, wants an acknowledgement\n"
		"0a 00 00 03                 srcip\n"
		"00 x 40                     first, last, packets, size, shed\n"
		"00 x 20                     syn, udp, completed, hosts, ports\n"
		"02                          ended 2\n"},
	{"fanout-v4-in-v6-form", V1_BAD_PAYLOAD,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 56 00 00 00 04 01  length 86, target, wants an acknowledgement\n"
		"00 00 00 00 00 00 00 00\n"
		"00 00 ff ff 0a 00 00 01     dstip, v4-mapped\n"
		"00 x 40                     first, last, packets, size, shed\n"
		"00 x 20                     syn, udp, completed, sources, ports\n"
		"00                          has not ended\n"},
	{"padded-10", V1_TRAILING,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"01                          1 event\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"
		"00                          one octet more\n"},
	{"padding-not-zero", V1_TRAILING,
		"01 00 00 00 07 00 00 00 01  version, switch id, sequence\n"
		"00 00 00 01                 1 event, in four octets\n"
		"00 00 00 25 00 00 00 01 01  length 37, port, wants an acknowledgement\n"
		"0a 00 00 03 0a 00 00 01     srcip, dstip\n"
		"00 00 00 50 00 00 00 06     dstport, protocol\n"
		"00 00 00 00 00 00 00 2a     udp, syn\n"
		"00 00 00 02                 rst\n"
		"00 00 01                    no padding\n"},
};

const size_t v1_vector_count = ARRAY_SIZE(v1_vectors);
