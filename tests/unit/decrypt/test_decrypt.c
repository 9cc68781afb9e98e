// SPDX-License-Identifier: BSD-2-Clause
/* Key logs, datagrams found in packets of several link types, and captures that are opened. */
#include "decrypt/captured.h"
#include "decrypt/decrypt.h"
#include "tests/unit/test.h"
#include "tests/unit/wire/ping.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <unistd.h>

#define UP   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DOWN "202122232425262728292A2B2C2D2E2F303132333435363738393a3b3c3d3e3f"

static const uint8_t up[V2_SECRET_BYTES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t down[V2_SECRET_BYTES] = {32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44,
	45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* ---- key logs ---- */

static int read_keys(const char *text, struct key_file **ret_keys, unsigned long *ret_line)
{
	FILE *log = fmemopen((void *)text, strlen(text), "r");
	int r;

	assert_non_null(log);
	r = key_file_read(log, ret_keys, ret_line);
	fclose(log);
	return r;
}

static struct key_file *keys_of(const char *text)
{
	struct key_file *keys = NULL;
	unsigned long line;

	assert_int_equal(read_keys(text, &keys, &line), 0);
	return keys;
}

static void other_lines_are_overlooked(void **state _unused_)
{
	struct key_file *keys =
		keys_of("# SSL/TLS secrets log file\n\nCLIENT_RANDOM 00 11\nNETLAMBDA_3 x\n"
			"NETLAMBDA_2 00000000000007 01 " UP " " DOWN "\r\n"
			"NETLAMBDA_2 ffffffffffffff 02 " UP " " DOWN);

	assert_int_equal(key_file_count(keys), 2);
	key_file_free(keys);
}

static void damaged_line_is_named(void **state _unused_)
{
	static const char *const damaged[] = {
		"NETLAMBDA_2 ",
		"NETLAMBDA_2 0000000000007 01 " UP " " DOWN "\n",
		"NETLAMBDA_2 000000000000007 01 " UP " " DOWN "\n",
		"NETLAMBDA_2 0000000000000g 01 " UP " " DOWN "\n",
		"NETLAMBDA_2 00000000000007 1 " UP " " DOWN "\n",
		"NETLAMBDA_2 00000000000007 01 " UP DOWN "\n",
		"NETLAMBDA_2 00000000000007 01 " UP " " UP "00\n",
		"NETLAMBDA_2 00000000000007 01 " UP "\n",
		"NETLAMBDA_2 00000000000007 01 " UP " " UP " \n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		char text[400];
		struct key_file *keys = NULL;
		unsigned long line = 0;

		snprintf(text, sizeof(text), "\n# first\n%s", damaged[i]);
		if (read_keys(text, &keys, &line) != -EBADMSG)
			fail_msg("taken: %s", damaged[i]);
		assert_int_equal(line, 3);
		assert_null(keys);
	}
}

static void number_of_sessions_has_a_bound(void **state _unused_)
{
	size_t length = sizeof("NETLAMBDA_2 00000000000007 01 " UP " " DOWN "\n") - 1;
	char *text = malloc((KEY_FILE_SESSIONS_MAX + 1) * length + 1), *at = text;
	struct key_file *keys = NULL;
	unsigned long line;

	assert_non_null(text);
	for (int i = 0; i <= KEY_FILE_SESSIONS_MAX; i++)
		at += sprintf(at, "NETLAMBDA_2 %014x 01 " UP " " DOWN "\n", i + 1);
	assert_int_equal(read_keys(text, &keys, &line), -E2BIG);
	assert_int_equal(line, KEY_FILE_SESSIONS_MAX + 1);
	*(at - length) = '\0';
	keys = keys_of(text);
	assert_int_equal(key_file_count(keys), KEY_FILE_SESSIONS_MAX);
	key_file_free(keys);
	free(text);
}

/* ---- packets ---- */

struct packet {
	struct cursor c;
	uint8_t bytes[512];
};

static void put_link(struct packet *packet, int link_type, bool v6)
{
	cursor_write_init(&packet->c, packet->bytes, sizeof(packet->bytes));
	switch (link_type) {
	case DLT_EN10MB:
		memset(cursor_put(&packet->c, 12), 2, 12);
		cursor_put_be(&packet->c, 0x88a80001, 4); /* twice tagged */
		cursor_put_be(&packet->c, 0x81000002, 4);
		break;
	case DLT_LINUX_SLL:
		memset(cursor_put(&packet->c, 14), 0, 14);
		break;
	case DLT_LINUX_SLL2:
		cursor_put_be(&packet->c, v6 ? 0x86dd : 0x0800, 2);
		memset(cursor_put(&packet->c, 18), 0, 18);
		return;
	case DLT_NULL:
		memset(cursor_put(&packet->c, 4), 2, 4);
		return;
	default:
		return;
	}
	cursor_put_be(&packet->c, v6 ? 0x86dd : 0x0800, 2);
}

static void put_ip(struct packet *packet, bool v6, size_t payload)
{
	if (v6) {
		cursor_put_be(&packet->c, 0x60000000, 4);
		cursor_put_be(&packet->c, 8 + 8 + payload, 2);
		cursor_put_be(&packet->c, 0x0040, 2); /* hop-by-hop options, before UDP */
		memset(cursor_put(&packet->c, 32), 0x20, 32);
		cursor_put_be(&packet->c, 0x1100010400000000, 8);
	} else {
		cursor_put_be(&packet->c, 0x46000000 | (24 + 8 + payload), 4); /* with an option */
		cursor_put_be(&packet->c, 0x0001400040110000, 8);
		cursor_put_be(&packet->c, 0xc0000201c0000202, 8);
		cursor_put_be(&packet->c, 0x01010101, 4);
	}
	cursor_put_be(&packet->c, 40000, 2);
	cursor_put_be(&packet->c, 5005, 2);
	cursor_put_be(&packet->c, 8 + payload, 2);
	cursor_put_be(&packet->c, 0x1234, 2);
}

/* A packet around a payload. */
static void make(struct packet *packet, int link_type, bool v6, const uint8_t *payload, size_t size)
{
	put_link(packet, link_type, v6);
	put_ip(packet, v6, size);
	cursor_put_bytes(&packet->c, payload, size);
	assert_true(cursor_ok(&packet->c));
}

static const int link_types[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_RAW};

static void datagram_is_found_behind_every_link_layer(void **state _unused_)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(link_types); i++) {
		struct captured captured;
		struct packet packet;

		make(&packet, link_types[i / 2], i % 2, (const uint8_t *)"payload", 7);
		assert_true(
			captured_find(link_types[i / 2], packet.bytes, packet.c.pos, &captured));
		assert_int_equal(captured.size, 7);
		assert_memory_equal(captured.payload, "payload", 7);
		assert_int_equal(captured.address_bytes, i % 2 ? 16 : 4);
		/* Cut short at every octet there is none. */
		for (size_t size = 0; size < packet.c.pos; size++)
			assert_false(
				captured_find(link_types[i / 2], packet.bytes, size, &captured));
	}
}

static void fragments_and_other_protocols_are_left_alone(void **state _unused_)
{
	static const struct {
		size_t at;
		uint8_t becomes;
	} changes[] = {
		{0, 0x56},  /* IP version 5 */
		{0, 0x44},  /* a header of 16 octets */
		{6, 0x60},  /* more fragments */
		{7, 0x01},  /* a later fragment */
		{9, 6},     /* TCP */
		{29, 0},    /* UDP's length is less than its header's */
		{29, 0xff}, /* or more than there is */
		{3, 0xff},  /* so is IP's */
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct captured captured;
		struct packet packet;

		make(&packet, DLT_RAW, false, (const uint8_t *)"payload", 7);
		packet.bytes[changes[i].at] = changes[i].becomes;
		if (captured_find(DLT_RAW, packet.bytes, packet.c.pos, &captured))
			fail_msg("taken with octet %zu changed to %x", changes[i].at,
				changes[i].becomes);
	}
	assert_false(captured_knows(DLT_IEEE802_11));
}

/* The sum over everything, the checksum included, is all ones. */
static bool checksum_fits(const struct captured *captured)
{
	size_t length = 8 + captured->size;
	uint32_t sum = 17 + (uint32_t)length;

	for (size_t i = 0; i < 2 * captured->address_bytes; i++)
		sum += (uint32_t)captured->addresses[i] << (i % 2 ? 0 : 8);
	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)captured->udp[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static void checksum_fits_afterwards_unless_there_was_none(void **state _unused_)
{
	for (size_t size = 1; size < 40; size++) {
		uint8_t payload[40];
		struct captured captured;
		struct packet packet;

		memset(payload, (int)(size * 37), sizeof(payload));
		make(&packet, DLT_RAW, size % 3 == 0, payload, size);
		assert_true(captured_find(DLT_RAW, packet.bytes, packet.c.pos, &captured));
		captured_fix_checksum(&captured);
		assert_true(checksum_fits(&captured));
		captured.udp[6] = captured.udp[7] = 0;
		captured_fix_checksum(&captured);
		assert_int_equal(captured.udp[6] | captured.udp[7], 0);
	}
}

/* ---- decrypting ---- */

#define LOG                                                                                        \
	"NETLAMBDA_2 00000000000007 01 " UP " " DOWN "\n"                                          \
	"NETLAMBDA_2 00000000000007 01 " DOWN " " UP "\n" /* the first one counts */

struct ends {
	struct v2_aead *agent, *server;
	struct v2_seal at_agent, at_server;
};

static void ends_init(struct ends *ends)
{
	assert_int_equal(v2_aead_new(V2_CIPHER_AES_256_GCM, up, down, 0, &ends->agent), 0);
	assert_int_equal(v2_aead_new(V2_CIPHER_AES_256_GCM, down, up, 0, &ends->server), 0);
	ends->at_agent = v2_aead_seal(ends->agent);
	ends->at_server = v2_aead_seal(ends->server);
}

static void ends_done(struct ends *ends)
{
	v2_aead_free(ends->agent);
	v2_aead_free(ends->server);
}

static struct decrypt_counters decrypt(struct key_file *keys, struct packet *packet)
{
	struct decrypt_counters counters = {0};

	assert_int_equal(decrypt_packet(keys, DLT_RAW, packet->bytes, packet->c.pos, packet->c.pos,
				 &counters),
		0);
	return counters;
}

static void assert_open_ping(struct packet *packet)
{
	static const uint8_t expected[PING_SEALED] = {1};
	struct captured captured;

	assert_true(captured_find(DLT_RAW, packet->bytes, packet->c.pos, &captured));
	assert_memory_equal(captured.payload + V2_HEADER_BYTES, expected, sizeof(expected));
	assert_true(checksum_fits(&captured));
}

static void datagrams_open_whichever_way_they_went(void **state _unused_)
{
	struct key_file *keys = keys_of(LOG);
	struct ends ends;

	ends_init(&ends);
	for (uint64_t number = 0; number < 4; number++) {
		uint8_t ping[PING_BYTES];
		struct packet packet;

		make_ping(number % 2 ? &ends.at_server : &ends.at_agent, number, ping);
		make(&packet, DLT_RAW, number > 1, ping, sizeof(ping));
		assert_int_equal(decrypt(keys, &packet).opened, 1);
		assert_open_ping(&packet);
		assert_int_equal(decrypt(keys, &packet).open, 1);
		assert_open_ping(&packet);
	}
	ends_done(&ends);
	key_file_free(keys);
}

/* The capture begins late, has a hole, and datagrams overtake each other at the turn. */
static void keys_are_found_where_they_have_turned(void **state _unused_)
{
	static const uint64_t numbers[] = {5 * V2_PACKETS_A_KEY + 1, 6 * V2_PACKETS_A_KEY,
		6 * V2_PACKETS_A_KEY - 1, 300 * V2_PACKETS_A_KEY};
	struct key_file *keys = keys_of(LOG);
	uint8_t pings[ARRAY_SIZE(numbers)][PING_BYTES];
	static const int in_order[] = {0, 2, 1, 3};
	struct ends ends;

	ends_init(&ends);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		make_ping(&ends.at_agent, numbers[in_order[i]], pings[in_order[i]]);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct packet packet;

		make(&packet, DLT_RAW, false, pings[i], PING_BYTES);
		assert_int_equal(decrypt(keys, &packet).opened, 1);
		assert_open_ping(&packet);
	}
	ends_done(&ends);
	key_file_free(keys);
}

static void what_does_not_open_stays_as_it_was(void **state _unused_)
{
	struct key_file *keys = keys_of(LOG);
	struct packet packet, before;
	uint8_t ping[PING_BYTES];
	struct ends ends;

	ends_init(&ends);
	make_ping(&ends.at_agent, 1, ping);
	ping[PING_BYTES - 1] ^= 1;
	make(&packet, DLT_RAW, false, ping, sizeof(ping));
	before = packet;
	assert_int_equal(decrypt(keys, &packet).unsealed, 1);
	assert_memory_equal(packet.bytes, before.bytes, packet.c.pos);
	/* A number as far ahead as no sender is. */
	memset(ping + 8, 0x7f, 8);
	make(&packet, DLT_RAW, false, ping, sizeof(ping));
	before = packet;
	assert_int_equal(decrypt(keys, &packet).unsealed, 1);
	assert_memory_equal(packet.bytes, before.bytes, packet.c.pos);
	ping[7] = 8; /* another session */
	make(&packet, DLT_RAW, false, ping, sizeof(ping));
	assert_int_equal(decrypt(keys, &packet).unknown_session, 1);
	ends_done(&ends);
	key_file_free(keys);
}

static void write_capture(const char *path, uint8_t pings[][PING_BYTES], int count)
{
	pcap_t *pcap = pcap_open_dead(DLT_RAW, 65535);
	pcap_dumper_t *dump = pcap_dump_open(pcap, path);

	assert_non_null(dump);
	for (int i = 0; i < count; i++) {
		struct pcap_pkthdr header = {.ts = {i, 0}};
		struct packet packet;

		make(&packet, DLT_RAW, false, pings[i], PING_BYTES);
		/* The last one was cut. */
		header.len = (uint32_t)packet.c.pos;
		header.caplen = header.len - (i + 1 == count);
		pcap_dump((uint8_t *)dump, &header, packet.bytes);
	}
	pcap_dump_close(dump);
	pcap_close(pcap);
}

static void capture_is_opened_and_counted(void **state _unused_)
{
	char from[] = "/tmp/test_decrypt_from.XXXXXX", to[] = "/tmp/test_decrypt_to.XXXXXX";
	struct key_file *keys = keys_of(LOG);
	struct decrypt_counters counters;
	uint8_t pings[5][PING_BYTES];
	char *error = NULL;
	struct ends ends;

	close(mkstemp(from));
	close(mkstemp(to));
	ends_init(&ends);
	for (uint64_t i = 0; i < 5; i++)
		make_ping(&ends.at_agent, i, pings[i]);
	pings[2][7] = 9;
	pings[3][20] ^= 1;
	write_capture(from, pings, 5);
	assert_int_equal(decrypt_file(keys, from, to, &counters, &error), 0);
	assert_int_equal(counters.packets, 5);
	assert_int_equal(counters.opened, 2);
	assert_int_equal(counters.unknown_session, 1);
	assert_int_equal(counters.unsealed, 1);
	assert_int_equal(counters.cut, 1);
	/* What was made can be read, and is open. */
	assert_int_equal(decrypt_file(keys, to, "/dev/null", &counters, &error), 0);
	assert_int_equal(counters.packets, 5);
	assert_int_equal(counters.open, 2);
	unlink(from);
	unlink(to);
	ends_done(&ends);
	key_file_free(keys);
}

static void files_that_cannot_be_used_are_named(void **state _unused_)
{
	char from[] = "/tmp/test_decrypt_from.XXXXXX";
	struct key_file *keys = keys_of(LOG);
	struct decrypt_counters counters = {.packets = 77};
	uint8_t pings[2][PING_BYTES] = {0};
	char *error = NULL;

	close(mkstemp(from));
	assert_int_equal(decrypt_file(keys, "/nonexistent.pcap", "-", &counters, &error), -EINVAL);
	assert_non_null(strstr(error, "/nonexistent.pcap"));
	free(error);
	write_capture(from, pings, 2);
	assert_int_equal(decrypt_file(keys, from, "/nonexistent/x.pcap", &counters, &error), -EIO);
	assert_non_null(strstr(error, "/nonexistent/x.pcap"));
	free(error);
	assert_int_equal(decrypt_file(keys, from, "/dev/full", &counters, &error), -ENOSPC);
	assert_non_null(strstr(error, "/dev/full"));
	free(error);
	assert_int_equal(truncate(from, 50), 0);
	assert_int_equal(decrypt_file(keys, from, "/dev/null", &counters, &error), -EBADMSG);
	assert_non_null(strstr(error, from));
	free(error);
	assert_int_equal(counters.packets, 77);
	unlink(from);
	key_file_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_lines_are_overlooked),
		cmocka_unit_test(damaged_line_is_named),
		cmocka_unit_test(number_of_sessions_has_a_bound),
		cmocka_unit_test(datagram_is_found_behind_every_link_layer),
		cmocka_unit_test(fragments_and_other_protocols_are_left_alone),
		cmocka_unit_test(checksum_fits_afterwards_unless_there_was_none),
		cmocka_unit_test(datagrams_open_whichever_way_they_went),
		cmocka_unit_test(keys_are_found_where_they_have_turned),
		cmocka_unit_test(what_does_not_open_stays_as_it_was),
		cmocka_unit_test(capture_is_opened_and_counted),
		cmocka_unit_test(files_that_cannot_be_used_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
