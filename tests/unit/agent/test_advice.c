// SPDX-License-Identifier: BSD-2-Clause
#include "agent/advice.h"
#include "agent/preflight.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct interface_facts plain = {
	.name = "eth0", .driver = "ixgbe", .mtu = 1500, .queues = 2, .queues_max = 63, .cpus = 2};

static const char *advise(const struct interface_facts *facts, bool refused)
{
	static char text[ADVICE_MAX];

	advice_write(facts, refused, text);
	return text;
}

static void assert_advises(const struct interface_facts *facts, bool refused, const char *words)
{
	const char *text = advise(facts, refused);

	if (!strstr(text, words))
		fail_msg("expected \"%s\" in \"%s\"", words, text);
}

static void ordinary_interface_gets_no_advice(void **state _unused_)
{
	assert_string_equal(advise(&plain, false), "");
	assert_string_equal(advise(&plain, true), "");
}

static void vlan_is_sent_to_its_parent(void **state _unused_)
{
	struct interface_facts facts = plain;

	strcpy(facts.parent, "eth7");
	assert_advises(&facts, true, "a VLAN device has no native XDP: count on its parent eth7");
	/* Said also when generic mode was asked for. */
	assert_advises(&facts, false, "parent eth7");
}

static void bond_is_told_which_modes_can(void **state _unused_)
{
	struct interface_facts facts = plain;

	strcpy(facts.bond_mode, "balance-tlb");
	assert_advises(&facts, true, "this one's is balance-tlb: count on its ports");
	assert_string_equal(advise(&facts, false), "");
	strcpy(facts.bond_mode, "802.3ad");
	assert_advises(&facts, true, "in mode 802.3ad has native XDP only if all its ports have");
}

static void lro_is_to_be_switched_off(void **state _unused_)
{
	struct interface_facts facts = plain;

	facts.lro = true;
	assert_advises(&facts, false, "ethtool -K eth0 lro off");
}

static void large_mtu_is_named_when_native_is_refused(void **state _unused_)
{
	struct interface_facts facts = plain;

	facts.mtu = 9000;
	assert_advises(&facts, true, "MTU of 9000");
	assert_string_equal(advise(&facts, false), "");
}

static void virtio_is_told_how_many_queues_it_lacks(void **state _unused_)
{
	struct interface_facts facts = plain;

	strcpy(facts.driver, "virtio_net");
	facts.cpus = 4;
	facts.queues = 4;
	facts.queues_max = 8;
	assert_string_equal(advise(&facts, true), "");
	facts.queues_max = 7;
	assert_advises(&facts, true, "uses 4 of 7 queues and wants 4 more");
	assert_advises(&facts, true, "queues=8");
	assert_advises(&facts, true, "ethtool -L eth0 combined 3");
}

static void all_advice_at_once_fits(void **state _unused_)
{
	struct interface_facts facts = {
		.name = "interface-name0",
		.driver = "virtio_net",
		.parent = "interface-name1",
		.bond_mode = "a mode with a name of 31 bytes.",
		.mtu = UINT32_MAX,
		.lro = true,
		.queues = UINT32_MAX,
		.queues_max = 1,
		.cpus = 1U << 30,
	};
	const char *text = advise(&facts, true);

	assert_true(strlen(text) > 500);
	assert_true(strlen(text) < ADVICE_MAX - 1);
	assert_true(text[0] != ';');
}

/* ---- sysfs ---- */

static void write_file(const char *top, const char *file, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", top, file);
	out = fopen(path, "we");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void make_directory(const char *top, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void facts_are_found_where_the_kernel_puts_them(void **state _unused_)
{
	char top[] = "/tmp/netlambda-sysfs-XXXXXX";
	struct interface_facts vlan = {.name = "eth0.5"}, bond = {.name = "bond0"};
	char command[64];

	assert_non_null(mkdtemp(top));
	make_directory(top, "eth0.5");
	make_directory(top, "eth0.5/lower_eth0");
	write_file(top, "eth0.5/uevent", "DEVTYPE=vlan\nINTERFACE=eth0.5\nIFINDEX=9\n");
	make_directory(top, "bond0");
	make_directory(top, "bond0/bonding");
	write_file(top, "bond0/bonding/mode", "active-backup 1\n");
	write_file(top, "bond0/uevent", "DEVTYPE=bond\nINTERFACE=bond0\n");
	facts_read_sysfs(top, &vlan);
	facts_read_sysfs(top, &bond);
	snprintf(command, sizeof(command), "rm -r %s", top);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): its own words */
	assert_string_equal(vlan.parent, "eth0");
	assert_string_equal(vlan.bond_mode, "");
	assert_string_equal(bond.bond_mode, "active-backup");
	assert_string_equal(bond.parent, "");
}

static void kernel_versions_are_read(void **state _unused_)
{
	unsigned long major = 0, minor = 0;

	kernel_version_parse("5.10.0-28-amd64", &major, &minor);
	assert_int_equal(major, 5);
	assert_int_equal(minor, 10);
	kernel_version_parse("6", &major, &minor);
	assert_int_equal(major, 6);
	assert_int_equal(minor, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_interface_gets_no_advice),
		cmocka_unit_test(vlan_is_sent_to_its_parent),
		cmocka_unit_test(bond_is_told_which_modes_can),
		cmocka_unit_test(lro_is_to_be_switched_off),
		cmocka_unit_test(large_mtu_is_named_when_native_is_refused),
		cmocka_unit_test(virtio_is_told_how_many_queues_it_lacks),
		cmocka_unit_test(all_advice_at_once_fits),
		cmocka_unit_test(facts_are_found_where_the_kernel_puts_them),
		cmocka_unit_test(kernel_versions_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
