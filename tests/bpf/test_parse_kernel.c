// SPDX-License-Identifier: BSD-2-Clause
/*
 * The parser in the kernel beside itself natively: the same bytes, the same verdict, the same
 * struct packet, byte by byte.
 */
#include "tests/bpf/lab.h"
#include "tests/bpf/parse_cases.h"
#include "tests/bpf/parse_check.h"
#include "tests/unit/test.h"

#include "parse_test.skel.h"

#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRAMES_MUTATED 20000
#define FRAME_MIN      14 /* BPF_PROG_TEST_RUN takes no less */

static struct parse_test_bpf *skeleton;

static int setup(void **state _unused_)
{
	skeleton = parse_test_bpf__open_and_load();
	return skeleton ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	parse_test_bpf__destroy(skeleton);
	return 0;
}

static struct parse_result parse_kernel(const struct bpf_program *program, const uint8_t *bytes,
	size_t size, size_t frame_bytes, uint32_t inside)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = (uint32_t)size);
	struct parse_result result = {0};

	skeleton->bss->inside = inside;
	skeleton->bss->beyond = frame_bytes - size;
	skeleton->bss->verdict = PARSE_VERDICTS;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	result.verdict = skeleton->bss->verdict;
	if (result.verdict == PARSE_OK)
		memcpy(&result.packet, &skeleton->bss->parsed, sizeof(result.packet));
	return result;
}

static int differs(
	const char *what, const uint8_t *bytes, size_t size, size_t frame_bytes, uint32_t inside)
{
	int r = parse_compare(what, parse_native(bytes, size, frame_bytes, inside),
		parse_kernel(skeleton->progs.parse_tunnels, bytes, size, frame_bytes, inside));

	if (r == 0 && inside == 0)
		r = parse_compare(what, parse_native(bytes, size, frame_bytes, 0),
			parse_kernel(skeleton->progs.parse_outer, bytes, size, frame_bytes, 0));
	return r;
}

static void each_frame_is_parsed_the_same_in_the_kernel(void **state _unused_)
{
	for (size_t i = 0; i < parse_case_count; i++) {
		const struct parse_case *c = &parse_cases[i];
		struct parse_result expected = {.verdict = c->verdict};
		struct frame f;

		parse_case_build(c, &f);
		parse_case_expected(c, &expected.packet);
		assert_int_equal(0, parse_compare(c->name, expected,
					    parse_kernel(skeleton->progs.parse_tunnels, f.bytes,
						    f.size, f.size, c->inside)));
		assert_int_equal(0, differs(c->name, f.bytes, f.size, f.size, 0));
	}
}

static void each_frame_cut_anywhere_is_parsed_the_same_in_the_kernel(void **state _unused_)
{
	for (size_t i = 0; i < parse_case_count; i++) {
		const struct parse_case *c = &parse_cases[i];
		struct frame f;

		parse_case_build(c, &f);
		for (size_t cut = FRAME_MIN; cut < f.size; cut++) {
			assert_int_equal(0, differs(c->name, f.bytes, cut, f.size, c->inside));
			assert_int_equal(0, differs(c->name, f.bytes, cut, cut, c->inside));
		}
	}
}

/* 9000 bytes do not fit in one page, so that the kernel makes fragments of them. */
static void a_jumbo_frame_is_parsed_by_its_first_part(void **state _unused_)
{
	struct parse_result r;
	uint8_t bytes[9000] = {0};
	struct frame f;

	frame_init(&f);
	frame_ethernet(&f);
	frame_ipv4(&f, "10.0.0.1", "10.0.0.2");
	frame_tcp(&f, 40000, 80, TCP_ACK);
	frame_finish(&f);
	memcpy(bytes, f.bytes, f.size);
	bytes[16] = (sizeof(bytes) - 14) >> 8;
	bytes[17] = (sizeof(bytes) - 14) & 0xff;

	r = parse_kernel(skeleton->progs.parse_frags, bytes, sizeof(bytes), sizeof(bytes), 0);
	assert_string_equal(parse_verdict_name(r.verdict), "ok");
	assert_int_equal(r.packet.srcport, 40000);
	assert_int_equal(r.packet.payload_bytes, sizeof(bytes) - 54);

	bytes[17]++;
	r = parse_kernel(skeleton->progs.parse_frags, bytes, sizeof(bytes), sizeof(bytes), 0);
	assert_string_equal(parse_verdict_name(r.verdict), "ip_beyond_frame");
}

/* xorshift64 (Marsaglia 2003): the same frames for the same seed, on any machine. */
static uint64_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/* One to four bytes become others, mostly such as header fields like. */
static void mutate(uint8_t *bytes, size_t size, uint64_t *random)
{
	static const uint8_t likely[] = {0x00, 0x01, 0x04, 0x05, 0x06, 0x08, 0x11, 0x29, 0x2b, 0x2c,
		0x2f, 0x33, 0x3a, 0x3b, 0x3c, 0x45, 0x46, 0x60, 0x81, 0x84, 0x86, 0x88, 0xff};

	for (uint64_t left = 1 + random_next(random) % 4; left > 0; left--) {
		size_t at = random_next(random) % MIN(size, 128);
		uint64_t value = random_next(random);

		bytes[at] = value & 0x100 ? likely[value % sizeof(likely)] : (uint8_t)value;
	}
}

/* A mutated frame of any case, now and then with the head of another one glued in. */
static size_t random_frame(struct frame *f, uint64_t *random)
{
	size_t size;

	parse_case_build(&parse_cases[random_next(random) % parse_case_count], f);
	if (random_next(random) % 8 == 0) {
		size_t at = random_next(random) % f->size;
		struct frame other;

		parse_case_build(&parse_cases[random_next(random) % parse_case_count], &other);
		memcpy(f->bytes + at, other.bytes + MIN(at, other.size - 1),
			MIN(f->size - at, other.size - MIN(at, other.size - 1)));
	}
	mutate(f->bytes, f->size, random);
	size = f->size;
	if (random_next(random) % 4 == 0)
		size = FRAME_MIN + random_next(random) % (size - FRAME_MIN);
	return size;
}

static uint64_t seed_choose(void)
{
	const char *given = getenv("NETLAMBDA_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return given ? strtoull(given, NULL, 0)
		     : ((uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec) | 1;
}

static void mutated_frames_are_parsed_the_same_in_the_kernel(void **state _unused_)
{
	uint64_t seed = seed_choose(), random = seed;
	unsigned int seen[PARSE_VERDICTS] = {0};

	for (unsigned int i = 0; i < FRAMES_MUTATED; i++) {
		struct frame f;
		size_t size = random_frame(&f, &random);
		size_t frame_bytes = size + (random_next(&random) % 4 ? 0 : 64);
		uint32_t inside = random_next(&random) % 2 ? TUNNEL_ALL : 0;

		if (differs("mutated", f.bytes, size, frame_bytes, inside))
			fail_msg("frame %u: repeat with NETLAMBDA_SEED=%#" PRIx64, i, seed);
		seen[parse_native(f.bytes, size, frame_bytes, inside).verdict]++;
	}
	printf("seed %#" PRIx64 ":", seed);
	for (unsigned int i = 0; i < PARSE_VERDICTS; i++)
		printf(" %s %u", parse_verdict_name(i), seen[i]);
	printf("\n");
	/* A mutation that leaves no frame whole, or breaks none, would show nothing. */
	assert_in_range(seen[PARSE_OK], FRAMES_MUTATED / 10, FRAMES_MUTATED * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_is_parsed_the_same_in_the_kernel),
		cmocka_unit_test(each_frame_cut_anywhere_is_parsed_the_same_in_the_kernel),
		cmocka_unit_test(a_jumbo_frame_is_parsed_by_its_first_part),
		cmocka_unit_test(mutated_frames_are_parsed_the_same_in_the_kernel),
	};

	lab_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
