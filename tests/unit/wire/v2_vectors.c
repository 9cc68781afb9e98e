// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/wire/v2_vectors.h"

const struct v2_schemas v2_vector_schemas = {
	.count = 2,
	.list = {{.event_id = 1, .record_bytes = 4}, {.event_id = 2, .record_bytes = 8}},
};

/* docs/protocol-2.md shows the same; a test compares. */
const struct v2_vector v2_vectors[] = {
	{"ping", V2_VECTOR_TO_SERVER, V2_OK,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"01 00 00 00              PING\n"},
	{"events", V2_VECTOR_TO_SERVER, V2_OK,
		"90 00 00 00 00 00 00 07  key phase 1, session 7\n"
		"00 00 00 00 00 00 01 00  packet 256\n"
		"02 01 00 1c              EVENTS, lane 1, 28 octets\n"
		"00 01 00 02              schema 1, 2 records\n"
		"00 00 00 00 00 00 00 05  sequence 5\n"
		"01 x 8                   record 5\n"
		"02 x 8                   record 6\n"},
	{"greased", V2_VECTOR_TO_SERVER, V2_OK,
		"8f 00 00 00 00 00 00 07  key phase 0, reserved bits set, session 7\n"
		"00 00 00 00 00 00 00 01  packet 1\n"
		"ba ff 00 03              a frame type that may be skipped, 3 octets\n"
		"11 22 33\n"
		"01 ff 00 00              PING, reserved bits set\n"
		"02 fd 00 10              EVENTS, lane 1, reserved bits set, 16 octets\n"
		"00 00 00 01              schema 0, 1 record\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"0a 0b 0c 0d              record 0\n"},
	{"shed", V2_VECTOR_TO_SERVER, V2_OK,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"03 02 00 14              SHED, lane 2, 20 octets\n"
		"01 00 00 00              cause 1, spool-full\n"
		"00 00 00 00 00 00 00 0a  sequence 10\n"
		"00 00 00 00 00 00 03 e8  1000 events\n"},
	{"path-response", V2_VECTOR_TO_SERVER, V2_OK,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"07 00 00 0c              PATH_RESPONSE, 12 octets\n"
		"00 00 00 00              reserved\n"
		"01 23 45 67 89 ab cd ef  the challenge's value\n"},
	{"answer", V2_VECTOR_TO_AGENT, V2_OK,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"04 00 00 1c              ACK, 28 octets\n"
		"00 00 00 fa              the newest waited 250 us\n"
		"00 00 00 00 00 00 00 0a  largest 10\n"
		"00 00 00 00 00 00 00 03  no gap, 3 packets: 8 to 10\n"
		"00 00 00 02 00 00 00 01  a gap of 2, 1 packet: 5\n"
		"05 00 00 14              PROCESSED, lane 0, 20 octets\n"
		"00 00 00 00              reserved\n"
		"00 00 00 00 00 00 00 20  all below 32\n"
		"00 00 00 00 00 00 10 20  credit: below 4128\n"
		"06 00 00 0c              PATH_CHALLENGE, 12 octets\n"
		"00 00 00 00              reserved\n"
		"01 23 45 67 89 ab cd ef  the challenge's value\n"},
	{"fixed-bits", V2_VECTOR_TO_SERVER, V2_NOT_V2,
		"41 00 00 00 00 00 00 07  the two leftmost bits are not 10\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"01 00 00 00              PING\n"},
	{"packet-2-63", V2_VECTOR_TO_SERVER, V2_NOT_V2,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"80 00 00 00 00 00 00 00  packet 2^63\n"
		"01 00 00 00              PING\n"},
	{"frame-8", V2_VECTOR_TO_SERVER, V2_UNKNOWN_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"08 00 00 00              a type without meaning, not to be skipped\n"},
	{"frame-cut", V2_VECTOR_TO_SERVER, V2_BAD_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"80 00 00 05              PADDING, 5 octets\n"
		"00 00 00 00              4 octets\n"},
	{"ping-with-body", V2_VECTOR_TO_SERVER, V2_BAD_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"01 00 00 01              PING, 1 octet\n"
		"00\n"},
	{"no-records", V2_VECTOR_TO_SERVER, V2_BAD_COUNT,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 0c              EVENTS, lane 0, 12 octets\n"
		"00 00 00 00              schema 0, no records\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"},
	{"records-cut", V2_VECTOR_TO_SERVER, V2_BAD_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 13              EVENTS, lane 0, 19 octets\n"
		"00 01 00 01              schema 1, 1 record of 8 octets\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 x 7                   7 octets\n"},
	{"records-trailing", V2_VECTOR_TO_SERVER, V2_BAD_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 11              EVENTS, lane 0, 17 octets\n"
		"00 00 00 01              schema 0, 1 record of 4 octets\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 x 5                   5 octets\n"},
	{"schema-2", V2_VECTOR_TO_SERVER, V2_BAD_SCHEMA,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 10              EVENTS, lane 0, 16 octets\n"
		"00 02 00 01              schema 2, which was not announced\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 00 00 00\n"},
	{"sequence-2-63", V2_VECTOR_TO_SERVER, V2_BAD_SEQUENCE,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 10              EVENTS, lane 0, 16 octets\n"
		"00 00 00 01              schema 0, 1 record\n"
		"7f ff ff ff ff ff ff ff  ends beyond 2^63 - 1\n"
		"00 00 00 00\n"},
	{"shed-nothing", V2_VECTOR_TO_SERVER, V2_BAD_COUNT,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"03 00 00 14              SHED, lane 0, 20 octets\n"
		"01 00 00 00              cause 1\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 00 00 00 00 00 00 00  no events\n"},
	{"shed-cause-0", V2_VECTOR_TO_SERVER, V2_BAD_CAUSE,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"03 00 00 14              SHED, lane 0, 20 octets\n"
		"00 00 00 00              cause 0\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 00 00 00 00 00 00 01  1 event\n"},
	{"ack-to-server", V2_VECTOR_TO_SERVER, V2_WRONG_WAY,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"04 00 00 14              ACK, 20 octets\n"
		"00 00 00 00              no delay\n"
		"00 00 00 00 00 00 00 00  largest 0\n"
		"00 00 00 00 00 00 00 01  1 packet\n"},
	{"events-to-agent", V2_VECTOR_TO_AGENT, V2_WRONG_WAY,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"02 00 00 10              EVENTS, lane 0, 16 octets\n"
		"00 00 00 01              schema 0, 1 record\n"
		"00 00 00 00 00 00 00 00  sequence 0\n"
		"00 00 00 00\n"},
	{"ack-no-range", V2_VECTOR_TO_AGENT, V2_BAD_FRAME,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"04 00 00 0c              ACK, 12 octets\n"
		"00 00 00 00              no delay\n"
		"00 00 00 00 00 00 00 00  largest 0, and no range\n"},
	{"ack-below-0", V2_VECTOR_TO_AGENT, V2_BAD_RANGES,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"04 00 00 14              ACK, 20 octets\n"
		"00 00 00 00              no delay\n"
		"00 00 00 00 00 00 00 02  largest 2\n"
		"00 00 00 00 00 00 00 04  4 packets: 2 to -1\n"},
	{"ack-ranges-touch", V2_VECTOR_TO_AGENT, V2_BAD_RANGES,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"04 00 00 1c              ACK, 28 octets\n"
		"00 00 00 00              no delay\n"
		"00 00 00 00 00 00 00 09  largest 9\n"
		"00 00 00 00 00 00 00 01  1 packet: 9\n"
		"00 00 00 00 00 00 00 01  no gap\n"},
	{"processed-lane-3", V2_VECTOR_TO_AGENT, V2_BAD_LANE,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"05 03 00 14              PROCESSED, lane 3, 20 octets\n"
		"00 00 00 00              reserved\n"
		"00 00 00 00 00 00 00 00\n"
		"00 00 00 00 00 00 00 00\n"},
	{"processed-over-limit", V2_VECTOR_TO_AGENT, V2_BAD_SEQUENCE,
		"80 00 00 00 00 00 00 07  key phase 0, session 7\n"
		"00 00 00 00 00 00 00 00  packet 0\n"
		"05 00 00 14              PROCESSED, lane 0, 20 octets\n"
		"00 00 00 00              reserved\n"
		"00 00 00 00 00 00 00 02  all below 2\n"
		"00 00 00 00 00 00 00 01  credit: below 1\n"},
	{"hello", V2_VECTOR_CONTROL, V2_OK,
		"01 00 00 39              HELLO, 57 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 01 00 02              datagram_max, 2 octets\n"
		"05 c0                    1472\n"
		"00 03 00 03              ciphers, 3 octets\n"
		"02 7f 01                 ChaCha20-Poly1305, one to overlook, AES-256-GCM\n"
		"83 14 00 02              a parameter to skip, 2 octets\n"
		"ab cd\n"
		"00 02 00 0e              schema, 14 octets\n"
		"00 00 00 01              event id 1\n"
		"00 48                    records of 72 octets\n"
		"01 23 45 67 89 ab cd ef  hash\n"},
	{"welcome", V2_VECTOR_CONTROL, V2_OK,
		"02 00 00 5f              WELCOME, 95 octets\n"
		"02 00 00 00              version 2, reserved\n"
		"00 00 00 00 00 00 00 07  session 7\n"
		"00 00 00 00 00 00 00 03  epoch 3\n"
		"00 00 00 00 00 00 00 00  lane 0: all below 0 is processed\n"
		"00 00 00 00 00 00 00 40  credit: below 64\n"
		"00 00 00 00 00 00 00 05  lane 1: all below 5 is processed\n"
		"00 00 00 00 00 00 01 05  credit: below 261\n"
		"00 00 00 00 00 00 00 00  lane 2: all below 0 is processed\n"
		"00 00 00 00 00 00 01 00  credit: below 256\n"
		"00 00 00 00 00 00 00 09  lane 3: all below 9 is processed\n"
		"00 00 00 00 00 00 00 49  credit: below 73\n"
		"00 01 00 02              datagram_max, 2 octets\n"
		"23 0c                    8972\n"
		"00 04 00 01              cipher, 1 octet\n"
		"02                       ChaCha20-Poly1305\n"},
	{"refused", V2_VECTOR_CONTROL, V2_STALE_EPOCH,
		"03 00 00 04              REFUSED, 4 octets\n"
		"16 00 00 00              stale-epoch, reserved\n"},
	{"hello-version-3", V2_VECTOR_CONTROL, V2_NO_VERSION,
		"01 00 00 14              HELLO, 20 octets\n"
		"03 04 00 00              versions 3 to 4, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"},
	{"hello-boot-0", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"01 00 00 14              HELLO, 20 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 00  no boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"},
	{"hello-parameter-99", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 18              HELLO, 24 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 63 00 00              a parameter without meaning, not to be skipped\n"},
	{"hello-no-cipher", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 18              HELLO, 24 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 03 00 00              ciphers, none\n"},
	{"hello-ciphers-9", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 21              HELLO, 33 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 03 00 09              ciphers, 9 octets\n"
		"01 02 03 04 05 06 07 08 09  one too many\n"},
	{"hello-ciphers-twice", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 1e              HELLO, 30 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 03 00 01              ciphers, 1 octet\n"
		"01                       AES-256-GCM\n"
		"00 03 00 01              ciphers again\n"
		"02                       ChaCha20-Poly1305\n"},
	{"hello-cipher", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 19              HELLO, 25 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 04 00 01              cipher, which is WELCOME's\n"
		"01                       AES-256-GCM\n"},
	{"hello-record-0", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"01 00 00 26              HELLO, 38 octets\n"
		"02 02 00 00              versions 2 to 2, reserved\n"
		"00 00 00 00 00 00 00 99  boot\n"
		"00 00 00 00 00 00 00 00  no epoch yet\n"
		"00 02 00 0e              schema, 14 octets\n"
		"00 00 00 01              event id 1\n"
		"00 00                    records of 0 octets\n"
		"01 23 45 67 89 ab cd ef  hash\n"},
	{"welcome-session-0", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"02 00 00 54              WELCOME, 84 octets\n"
		"02 00 00 00              version 2, reserved\n"
		"00 00 00 00 00 00 00 00  no session\n"
		"00 00 00 00 00 00 00 03  epoch 3\n"
		"00 00 00 00 00 00 00 00  lane 0: all below 0 is processed\n"
		"00 00 00 00 00 00 00 40  credit: below 64\n"
		"00 00 00 00 00 00 00 05  lane 1: all below 5 is processed\n"
		"00 00 00 00 00 00 01 05  credit: below 261\n"
		"00 00 00 00 00 00 00 00  lane 2: all below 0 is processed\n"
		"00 00 00 00 00 00 01 00  credit: below 256\n"
		"00 00 00 00 00 00 00 09  lane 3: all below 9 is processed\n"
		"00 00 00 00 00 00 00 49  credit: below 73\n"},
	{"schema-request", V2_VECTOR_CONTROL, V2_OK,
		"04 00 00 10              SCHEMA_REQUEST, 16 octets\n"
		"01 23 45 67 89 ab cd ef  hash\n"
		"fe dc ba 98 76 54 32 10  hash\n"},
	{"schema", V2_VECTOR_CONTROL, V2_OK,
		"05 00 00 2f              SCHEMA, 47 octets\n"
		"40 be 5b a7 7b a7 9e 88  hash of what follows\n"
		"01 00                    format 1, little-endian\n"
		"00 00 00 10              event id 16\n"
		"00 18                    records of 24 octets\n"
		"07 64 72 6f 70 70 65 64  dropped\n"
		"02                       2 fields\n"
		"02 00 00 10              ip, offset 0, 16 octets\n"
		"05 73 72 63 69 70        srcip\n"
		"00 00 10 08              uint, offset 16, 8 octets\n"
		"07 70 61 63 6b 65 74 73  packets\n"},
	{"settings", V2_VECTOR_CONTROL, V2_OK,
		"06 00 00 26              SETTINGS, 38 octets\n"
		"00 00 00 00 00 00 00 03  generation 3\n"
		"00 01                    period\n"
		"00 00 00 00 00 0f 42 40  1 s\n"
		"00 04                    source-hosts\n"
		"00 00 00 00 00 00 01 f4  500\n"
		"83 14                    a key to skip\n"
		"00 00 00 00 00 00 00 00\n"},
	{"settings-result", V2_VECTOR_CONTROL, V2_OK,
		"07 00 00 0c              SETTINGS_RESULT, 12 octets\n"
		"00 00 00 00 00 00 00 03  generation 3\n"
		"02 00                    out-of-bounds, reserved\n"
		"00 04                    source-hosts\n"},
	{"control-ping", V2_VECTOR_CONTROL, V2_OK,
		"08 00 00 08              PING, 8 octets\n"
		"01 23 45 67 89 ab cd ef  token\n"},
	{"control-pong", V2_VECTOR_CONTROL, V2_OK,
		"09 00 00 08              PONG, 8 octets\n"
		"01 23 45 67 89 ab cd ef  the token of the PING\n"},
	{"bye", V2_VECTOR_CONTROL, V2_OK,
		"0a 00 00 04              BYE, 4 octets\n"
		"04 00 00 00              revoked, no error, reserved\n"},
	{"control-greased", V2_VECTOR_CONTROL, V2_OK,
		"9e 5a 00 03              a type that may be skipped, reserved, 3 octets\n"
		"11 22 33\n"},
	{"control-11", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"0b 00 00 00              a type without meaning, not to be skipped\n"},
	{"schema-request-none", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"04 00 00 00              SCHEMA_REQUEST of none\n"},
	{"schema-request-cut", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"04 00 00 0c              SCHEMA_REQUEST, 12 octets\n"
		"01 23 45 67 89 ab cd ef  hash\n"
		"fe dc ba 98              half a hash\n"},
	{"schema-empty", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"05 00 00 08              SCHEMA, 8 octets\n"
		"01 23 45 67 89 ab cd ef  hash, and no description\n"},
	{"settings-generation-0", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"06 00 00 08              SETTINGS, 8 octets\n"
		"00 00 00 00 00 00 00 00  generation 0\n"},
	{"settings-key-twice", V2_VECTOR_CONTROL, V2_BAD_PARAMETER,
		"06 00 00 1c              SETTINGS, 28 octets\n"
		"00 00 00 00 00 00 00 03  generation 3\n"
		"00 01                    period\n"
		"00 00 00 00 00 0f 42 40  1 s\n"
		"00 01                    period again\n"
		"00 00 00 00 00 1e 84 80  2 s\n"},
	{"settings-result-status-4", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"07 00 00 0c              SETTINGS_RESULT, 12 octets\n"
		"00 00 00 00 00 00 00 03  generation 3\n"
		"04 00                    no such status, reserved\n"
		"00 00\n"},
	{"control-ping-short", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"08 00 00 04              PING, 4 octets\n"
		"01 23 45 67\n"},
	{"bye-reason-0", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"0a 00 00 04              BYE, 4 octets\n"
		"00 00 00 00              no reason\n"},
	{"control-trailing", V2_VECTOR_CONTROL, V2_BAD_CONTROL,
		"03 00 00 04              REFUSED, 4 octets\n"
		"16 00 00 00 00           5 octets\n"},
};

const size_t v2_vector_count = ARRAY_SIZE(v2_vectors);
