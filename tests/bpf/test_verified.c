// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads the counting program in each of its forms, and holds the number of instructions that the verifier
 * walked against a budget. It differs from kernel to kernel; the limit is a million in each of them.
 */
#include "agent/collect.h"
#include "base/clock.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/utsname.h>

#define BUDGET_PLAIN   200000
#define BUDGET_TUNNELS 400000

static unsigned int verified(uint32_t inside, uint64_t window_ns, bool may_be_preempted)
{
	const struct collector_options options = {.interface_count = 1,
		.flow_max = 65536,
		.port_max = 1024,
		.inside = inside,
		.may_be_preempted = may_be_preempted,
		.fanout = {.window_ns = window_ns, .repeat_ns = NS_PER_SEC, .max = 1024}};
	_cleanup_(collector_freep) struct collector *collector = NULL;
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (collector_new(&options, &collector) < 0)
		return UINT_MAX;
	assert_int_equal(
		bpf_obj_get_info_by_fd(collector_program_fd(collector, 0), &info, &size), 0);
	return info.verified_insns;
}

/* All are told before the first that is over its budget fails the test. */
static unsigned int over;

static void check(const char *what, unsigned int instructions, unsigned int budget)
{
	/* Linux 5.16 and later tell. */
	if (instructions == 0) {
		printf("%-40s not told by this kernel\n", what);
		return;
	}
	if (instructions == UINT_MAX) {
		printf("%-40s REFUSED\n", what);
		over++;
		return;
	}
	printf("%-40s %7u of %u\n", what, instructions, budget);
	over += instructions > budget;
}

static void each_form_is_within_its_budget(void **state _unused_)
{
	static const struct {
		const char *what;
		uint32_t inside;
	} tunnels[] = {
		{"IPv4 in IP", TUNNEL_IPIP},
		{"IPv6 in IP", TUNNEL_6IN4},
		{"GRE", TUNNEL_GRE},
		{"VXLAN", TUNNEL_VXLAN},
		{"Geneve", TUNNEL_GENEVE},
		{"GTP-U", TUNNEL_GTPU},
		{"all tunnels", TUNNEL_ALL},
	};
	struct utsname name;

	libbpf_set_print(NULL);
	assert_int_equal(uname(&name), 0);
	printf("verified instructions, Linux %s\n", name.release);
	check("no tunnels", verified(TUNNEL_NONE, 0, false), BUDGET_PLAIN);
	check("no tunnels, sources and targets", verified(TUNNEL_NONE, NS_PER_SEC, false),
		BUDGET_PLAIN);
	check("all tunnels, no sources and targets", verified(TUNNEL_ALL, 0, false),
		BUDGET_TUNNELS);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++)
		check(tunnels[i].what, verified(tunnels[i].inside, NS_PER_SEC, false),
			BUDGET_TUNNELS);
	check("all tunnels, PREEMPT_RT", verified(TUNNEL_ALL, NS_PER_SEC, true), BUDGET_TUNNELS);
	assert_int_equal(over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_form_is_within_its_budget)};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
