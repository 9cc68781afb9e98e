// SPDX-License-Identifier: BSD-2-Clause
/* What the agent says of real devices that have no native XDP: those that this kernel can make. */
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

static struct agent_process agent;

static int teardown(void **state _unused_)
{
	agent_clean_up(&agent);
	return 0;
}

/* A kernel may lack the kind. */
static void make_or_skip(const char *command)
{
	char quiet[256];

	snprintf(quiet, sizeof(quiet), "%s 2>&-", command);
	if (system(quiet) != 0) { /* NOLINT(cert-env33-c): the test's own words, no input */
		printf("skipped: this kernel cannot: %s\n", command);
		skip();
	}
}

static void assert_counts_with_hint(const char *interface, const char *hint)
{
	agent_start(&agent, "--protocol 1 --id 3 -i %s --server 127.0.0.1:9 --flush-timeout 0s",
		interface);
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "mode=generic"));
	if (!strstr(agent.output, hint))
		fail_msg("expected \"%s\" in: %s", hint, agent.output);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

static void vlan_device_is_sent_to_its_parent(void **state _unused_)
{
	make_or_skip("ip link add link veth0 name veth0.5 type vlan id 5");
	lab_run("ip link set veth0.5 up");
	assert_counts_with_hint(
		"veth0.5", "a VLAN device has no native XDP: count on its parent veth0 instead");
	agent_start(&agent, "--protocol 1 --id 3 -i veth0.5 --mode native --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "count on its parent veth0"));
}

static void bond_is_told_that_its_mode_cannot(void **state _unused_)
{
	make_or_skip("ip link add bond0 type bond mode balance-tlb");
	lab_run("ip link set bond0 up");
	assert_counts_with_hint("bond0", "and this one's is balance-tlb: count on its ports");
}

static void bond_is_told_to_look_at_its_ports(void **state _unused_)
{
	make_or_skip("ip link add bond1 type bond mode active-backup");
	make_or_skip("ip link add dummy0 type dummy");
	lab_run("ip link set dummy0 master bond1 && ip link set bond1 up");
	assert_counts_with_hint(
		"bond1", "a bond in mode active-backup has native XDP only if all its ports have");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(vlan_device_is_sent_to_its_parent, teardown),
		cmocka_unit_test_teardown(bond_is_told_that_its_mode_cannot, teardown),
		cmocka_unit_test_teardown(bond_is_told_to_look_at_its_ports, teardown),
	};

	lab_require();
	lab_enter();
	lab_mount_bpf();
	/* That of the new network namespace. */
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		abort();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
