// SPDX-License-Identifier: BSD-2-Clause
/* The parser, natively. test_parse_kernel.c puts the same frames through the kernel. */
#include "tests/bpf/parse_cases.h"
#include "tests/bpf/parse_check.h"
#include "tests/unit/test.h"

#include <string.h>

static void each_frame_gives_its_verdict_and_packet(void **state _unused_)
{
	for (size_t i = 0; i < parse_case_count; i++) {
		const struct parse_case *c = &parse_cases[i];
		struct parse_result expected = {.verdict = c->verdict};
		struct frame f;

		parse_case_build(c, &f);
		parse_case_expected(c, &expected.packet);
		assert_int_equal(0, parse_compare(c->name, expected,
					    parse_native(f.bytes, f.size, f.size, c->inside)));
	}
}

static void cutting_a_frame_never_gives_another_key(void **state _unused_)
{
	for (size_t i = 0; i < parse_case_count; i++) {
		struct frame f;

		parse_case_build(&parse_cases[i], &f);
		parse_check(f.bytes, f.size, 0);
		parse_check(f.bytes, f.size, parse_cases[i].inside);
		parse_check(f.bytes, f.size, TUNNEL_ALL);
	}
}

static const struct parse_case *find_case(const char *name)
{
	for (size_t i = 0; i < parse_case_count; i++)
		if (strcmp(parse_cases[i].name, name) == 0)
			return &parse_cases[i];
	fail_msg("no case named %s", name);
	return NULL;
}

/* The verdict for each size of a frame that is cut so that `gone` bytes and more are left. */
static void expect_cut(const char *name, size_t from, size_t to, enum parse_verdict verdict)
{
	const struct parse_case *c = find_case(name);
	struct frame f;

	parse_case_build(c, &f);
	for (size_t cut = from; cut < to; cut++) {
		struct parse_result r = parse_native(f.bytes, cut, f.size, c->inside);

		if (r.verdict != verdict)
			fail_msg("%s cut to %zu bytes: expected %s, got %s", name, cut,
				parse_verdict_name(verdict), parse_verdict_name(r.verdict));
	}
}

static void each_header_that_is_cut_has_its_own_verdict(void **state _unused_)
{
	expect_cut("ipv4_tcp", 0, 14, PARSE_TRUNCATED_ETHERNET);
	expect_cut("ipv4_tcp", 14, 34, PARSE_TRUNCATED_IPV4);
	expect_cut("ipv4_tcp", 34, 54, PARSE_TRUNCATED_L4);
	expect_cut("ipv4_tcp", 54, 60, PARSE_OK);
	expect_cut("vlan_3", 14, 26, PARSE_TRUNCATED_VLAN);
	expect_cut("mpls_8", 18, 51, PARSE_TRUNCATED_MPLS);
	expect_cut("pppoe_ipv4", 14, 22, PARSE_TRUNCATED_PPPOE);
	expect_cut("ipv6_tcp", 14, 54, PARSE_TRUNCATED_IPV6);
	expect_cut("ipv6_first_fragment", 54, 62, PARSE_TRUNCATED_EXTENSION);
	expect_cut("ipv6_first_fragment", 62, 82, PARSE_SHORT_FRAGMENT);
	expect_cut("gre_all_options", 54, 58, PARSE_TRUNCATED_TUNNEL);
	expect_cut("vxlan_ipv4", 42, 50, PARSE_TRUNCATED_TUNNEL);
	expect_cut("vxlan_ipv4", 50, 64, PARSE_TRUNCATED_ETHERNET);
	expect_cut("gtpu_extended", 42, 59, PARSE_TRUNCATED_TUNNEL);
}

/* The frame's end, not a length field, is what limits the reading of a frame that was cut for good. */
static void a_packet_longer_than_its_frame_is_beyond_it(void **state _unused_)
{
	struct parse_result r;
	struct frame f;

	parse_case_build(find_case("udp"), &f);
	for (size_t cut = 54; cut < f.size; cut++) {
		r = parse_native(f.bytes, cut, cut, 0);
		assert_int_equal(r.verdict, PARSE_IP_BEYOND_FRAME);
	}
}

static void ethernet_padding_is_no_payload(void **state _unused_)
{
	struct parse_result r;
	struct frame f;

	parse_case_build(find_case("udp_empty"), &f);
	assert_int_equal(f.size, 60);
	r = parse_native(f.bytes, f.size, f.size, 0);
	assert_true(packet_is_empty_udp(&r.packet));

	parse_case_build(find_case("udp"), &f);
	r = parse_native(f.bytes, f.size, f.size, 0);
	assert_false(packet_is_empty_udp(&r.packet));
}

static void each_verdict_has_a_name_of_its_own(void **state _unused_)
{
	for (unsigned int i = 0; i < PARSE_VERDICTS; i++) {
		assert_non_null(parse_verdict_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(parse_verdict_name(i), parse_verdict_name(j));
	}
	assert_null(parse_verdict_name(PARSE_VERDICTS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_gives_its_verdict_and_packet),
		cmocka_unit_test(cutting_a_frame_never_gives_another_key),
		cmocka_unit_test(each_header_that_is_cut_has_its_own_verdict),
		cmocka_unit_test(a_packet_longer_than_its_frame_is_beyond_it),
		cmocka_unit_test(ethernet_padding_is_no_payload),
		cmocka_unit_test(each_verdict_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
