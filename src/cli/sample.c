// SPDX-License-Identifier: BSD-2-Clause
#include "cli/sample.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdio.h>

#define STEP_US       10000U
#define ORDINARY_US   200000U
#define FRAME_BYTES   54 /* Ethernet, IPv4, TCP */
#define MAGIC_MICROS  0xa1b2c3d4U
#define LINK_ETHERNET 1

/* RFC 9293 3.1 */
enum {
	FIN = 1,
	SYN = 2,
	ACK = 16,
};

#define SERVER 0xc0000201U /* 192.0.2.1, of RFC 5737 */
#define CLIENT 0xc0000202U

struct segment {
	bool from_client;
	uint16_t client_port;
	uint8_t flags;
	uint64_t time_us;
};

static void put_file_header(FILE *out)
{
	uint8_t bytes[24];
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	cursor_put_le(&c, MAGIC_MICROS, 4);
	cursor_put_le(&c, 2, 2);
	cursor_put_le(&c, 4, 2);
	cursor_put_le(&c, 0, 8);
	cursor_put_le(&c, 65535, 4);
	cursor_put_le(&c, LINK_ETHERNET, 4);
	fwrite(bytes, 1, c.pos, out);
}

/* RFC 791 3.1, RFC 9293 3.1. Checksums are left out: a switch counts, and checks none. */
static void put_frame(struct cursor *c, const struct segment *segment)
{
	cursor_put_be(c, 0x020000000001, 6);
	cursor_put_be(c, 0x020000000002, 6);
	cursor_put_be(c, 0x0800, 2);
	cursor_put_be(c, 0x45000028, 4);
	cursor_put_be(c, 0, 4);
	cursor_put_be(c, 0x40060000, 4);
	cursor_put_be(c, segment->from_client ? CLIENT : SERVER, 4);
	cursor_put_be(c, segment->from_client ? SERVER : CLIENT, 4);
	cursor_put_be(c, segment->from_client ? segment->client_port : 80U, 2);
	cursor_put_be(c, segment->from_client ? 80U : segment->client_port, 2);
	cursor_put_be(c, 1, 4);
	cursor_put_be(c, segment->flags & ACK ? 1 : 0, 4);
	cursor_put_be(c, 0x5000U | segment->flags, 2);
	cursor_put_be(c, 64240, 2);
	cursor_put_be(c, 0, 4);
}

static void put_packet(FILE *out, const struct segment *segment)
{
	uint8_t bytes[16 + FRAME_BYTES];
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	cursor_put_le(&c, segment->time_us / 1000000, 4);
	cursor_put_le(&c, segment->time_us % 1000000, 4);
	cursor_put_le(&c, FRAME_BYTES, 4);
	cursor_put_le(&c, FRAME_BYTES, 4);
	put_frame(&c, segment);
	fwrite(bytes, 1, c.pos, out);
}

static void put_connection(FILE *out, uint16_t port, uint64_t time_us, bool completed)
{
	const struct segment segments[] = {
		{true, port, SYN, time_us},
		{false, port, SYN | ACK, time_us + 1000},
		{true, port, ACK, time_us + 2000},
		{true, port, FIN | ACK, time_us + 3000},
		{false, port, FIN | ACK, time_us + 4000},
		{true, port, ACK, time_us + 5000},
	};

	for (size_t i = 0; i < (completed ? ARRAY_SIZE(segments) : 1U); i++)
		put_packet(out, &segments[i]);
}

uint64_t sample_length_us(unsigned int attempts)
{
	return (uint64_t)(attempts - 1) * STEP_US;
}

int sample_write(const char *path, uint64_t start_us, unsigned int attempts, bool completed)
{
	FILE *out = fopen(path, "wxe");
	bool failed;

	if (!out)
		return -errno;
	put_file_header(out);
	for (unsigned int i = 0; i < attempts; i++)
		put_connection(out, (uint16_t)(40000 + i % 20000),
			start_us + (uint64_t)i * (completed ? ORDINARY_US : STEP_US), completed);
	failed = ferror(out);
	return fclose(out) != 0 || failed ? -EIO : 0;
}
