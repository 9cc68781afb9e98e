// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/parse_check.h"
#include "parse.bpf.h"
#include "tests/unit/wire/guard.h"

#include <stdio.h>
#include <stdlib.h>

struct parse_result parse_native(
	const uint8_t *bytes, size_t size, size_t frame_bytes, uint32_t inside)
{
	const uint8_t *data = guard_place(bytes, size);
	struct parse_result result;

	/* A byte that is not written stays 0xdb, and differs from what the kernel says. */
	memset(&result.packet, 0xdb, sizeof(result.packet));
	result.verdict = packet_parse_with(data, data + size, frame_bytes, inside, &result.packet);
	if (result.verdict != PARSE_OK)
		memset(&result.packet, 0, sizeof(result.packet));
	return result;
}

static void packet_print(const char *what, const struct parse_result *r)
{
	const uint8_t *bytes = (const uint8_t *)&r->packet;

	fprintf(stderr, "  %s: %s ", what, parse_verdict_name(r->verdict));
	for (size_t i = 0; i < sizeof(r->packet); i++)
		fprintf(stderr, "%s%02x", i % 16 ? "" : " ", bytes[i]);
	fprintf(stderr, "\n");
}

int parse_compare(const char *what, struct parse_result a, struct parse_result b)
{
	if (a.verdict == b.verdict && memcmp(&a.packet, &b.packet, sizeof(a.packet)) == 0)
		return 0;
	fprintf(stderr, "%s\n", what);
	packet_print("a", &a);
	packet_print("b", &b);
	return -1;
}

static void give_up(const char *what, size_t size, size_t cut)
{
	fprintf(stderr, "%s: frame of %zu bytes, cut to %zu\n", what, size, cut);
	abort();
}

static void check_ranges(const struct parse_result *r, size_t size, uint32_t inside)
{
	const struct packet *pkt = &r->packet;

	if ((unsigned int)r->verdict >= PARSE_VERDICTS || !parse_verdict_name(r->verdict))
		give_up("no such verdict", size, size);
	if (r->verdict != PARSE_OK)
		return;
	if (pkt->fragment > FRAGMENT_LATER || pkt->seq_is_zero > 1 || pkt->payload_known > 1)
		give_up("a member is out of range", size, size);
	if (pkt->tunnel & ~inside || pkt->tunnel & (pkt->tunnel - 1))
		give_up("a tunnel that was not asked for", size, size);
	if (!pkt->payload_known && pkt->payload_bytes)
		give_up("an unknown payload has a length", size, size);
	if (pkt->fragment == FRAGMENT_NONE && pkt->payload_bytes > size)
		give_up("more payload than frame", size, size);
	if (pkt->fragment == FRAGMENT_LATER &&
		(pkt->srcport || pkt->dstport || pkt->flags || pkt->icmp_type))
		give_up("a later fragment has ports", size, size);
}

/*
 * `frame_bytes` is `size` where the rest is only not in reach, and `cut` where it was never there. In
 * the latter case bytes that only pad the frame may go.
 */
static void check_cut(const uint8_t *bytes, size_t size, size_t cut, uint32_t inside,
	const struct parse_result *whole)
{
	struct parse_result hidden = parse_native(bytes, cut, size, inside);
	struct parse_result gone = parse_native(bytes, cut, cut, inside);

	if (hidden.verdict == PARSE_OK && parse_compare("hidden", *whole, hidden))
		give_up("another key when the rest is out of reach", size, cut);
	if (gone.verdict == PARSE_OK && whole->verdict == PARSE_OK &&
		parse_compare("gone", *whole, gone))
		give_up("another key when the rest is gone", size, cut);
	if (gone.verdict == PARSE_OK && whole->verdict != PARSE_OK)
		give_up("a bad frame has a key when it is cut", size, cut);
}

void parse_check(const uint8_t *bytes, size_t size, uint32_t inside)
{
	struct parse_result whole = parse_native(bytes, size, size, inside);

	check_ranges(&whole, size, inside);
	for (size_t cut = 0; cut < size; cut++)
		check_cut(bytes, size, cut, inside, &whole);
}
