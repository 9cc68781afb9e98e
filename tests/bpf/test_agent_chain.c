// SPDX-License-Identifier: BSD-2-Clause
/* --chain: the agent and another program in libxdp's dispatcher, each counting what is its to count. */
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include "chain_other.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

static struct agent_process agent;
static uint16_t port;
static bool possible; /* the kernel has what it takes */

/* ---- the other program ---- */

static struct other {
	struct chain_other *skeleton;
	struct xdp_program *program;
	enum xdp_attach_mode mode;
} other;

static void other_attach(unsigned int priority, enum xdp_attach_mode mode, uint32_t verdict)
{
	other.skeleton = chain_other__open();
	assert_non_null(other.skeleton);
	other.skeleton->rodata->verdict = verdict;
	other.program = xdp_program__from_bpf_obj(other.skeleton->obj, "xdp");
	assert_int_equal(libxdp_get_error(other.program), 0);
	other.mode = mode;
	assert_int_equal(xdp_program__set_run_prio(other.program, priority), 0);
	assert_int_equal(
		xdp_program__attach(other.program, (int)if_nametoindex("veth0"), mode, 0), 0);
}

static void other_detach(void)
{
	assert_int_equal(
		xdp_program__detach(other.program, (int)if_nametoindex("veth0"), other.mode, 0), 0);
	xdp_program__close(other.program);
	chain_other__destroy(other.skeleton);
	other = (struct other){0};
}

static uint64_t other_packets(void)
{
	uint64_t values[256] = {0}, sum = 0;
	const uint32_t zero = 0;

	assert_true(libbpf_num_possible_cpus() <= 256);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(other.skeleton->maps.other_packets), &zero, values),
		0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		sum += values[cpu];
	return sum;
}

/* ---- ---- */

static int setup(void **state _unused_)
{
	port = receiver_start(0);
	return 0;
}

static int teardown(void **state _unused_)
{
	struct told told;

	agent_clean_up(&agent);
	receiver_stop(&told);
	return 0;
}

static void need_chain(void)
{
	if (!possible)
		skip();
}

static void start_with(const char *options)
{
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u %s", port, options);
	agent_wait_output(&agent, "counting id=3 interfaces=1");
}

static uint64_t end_and_take_packets(void)
{
	struct told told;

	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	port = receiver_start(0);
	assert_int_equal(told.bad, 0);
	assert_int_equal(told_interface_packets(&told), told.packets);
	return told.packets;
}

static void both_count_and_ours_leaves_the_other(enum xdp_attach_mode mode, const char *options)
{
	other_attach(50, mode, XDP_PASS);
	start_with(options);
	lab_send_packets("veth1", 40);
	assert_int_equal(end_and_take_packets(), 40);
	assert_int_equal(other_packets(), 40);
	/* Ours is gone, the other goes on. */
	lab_send_packets("veth1", 7);
	assert_int_equal(other_packets(), 47);
	other_detach();
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void both_count_in_native_mode(void **state _unused_)
{
	need_chain();
	both_count_and_ours_leaves_the_other(XDP_MODE_NATIVE, "--chain");
}

static void both_count_in_generic_mode(void **state _unused_)
{
	need_chain();
	both_count_and_ours_leaves_the_other(XDP_MODE_SKB, "--chain --mode generic");
}

static void mode_of_the_dispatcher_is_taken(void **state _unused_)
{
	need_chain();
	other_attach(50, XDP_MODE_SKB, XDP_PASS);
	start_with("--chain");
	assert_non_null(strstr(agent.output, "mode=generic chain=yes priority=10"));
	lab_send_packets("veth1", 3);
	assert_int_equal(end_and_take_packets(), 3);
	other_detach();
}

static void who_comes_later_is_let_in(void **state _unused_)
{
	need_chain();
	start_with("--chain");
	assert_non_null(strstr(agent.output, "mode=native chain=yes priority=10"));
	lab_send_packets("veth1", 5);
	other_attach(50, XDP_MODE_NATIVE, XDP_PASS);
	lab_send_packets("veth1", 6);
	other_detach();
	lab_send_packets("veth1", 7);
	assert_int_equal(end_and_take_packets(), 18);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void lower_priority_comes_first(void **state _unused_)
{
	need_chain();
	other_attach(20, XDP_MODE_NATIVE, XDP_DROP);
	start_with("--chain");
	lab_send_packets("veth1", 9);
	assert_int_equal(end_and_take_packets(), 9);
	assert_int_equal(other_packets(), 9);
	/* What the other drops we do not see. */
	start_with("--chain=30");
	lab_send_packets("veth1", 8);
	assert_int_equal(end_and_take_packets(), 0);
	assert_int_equal(other_packets(), 17);
	other_detach();
}

static void killed_agent_is_taken_out_by_its_keeper(void **state _unused_)
{
	need_chain();
	other_attach(50, XDP_MODE_NATIVE, XDP_PASS);
	start_with("--chain --user nobody");
	assert_non_null(strstr(agent.output, "sandboxed uid=65534 capabilities=none"));
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	/* agent_end() waited for the end of its output, which the keeper has open too. */
	lab_send_packets("veth1", 4);
	assert_int_equal(other_packets(), 4);
	other_detach();
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void several_interfaces_are_chained(void **state _unused_)
{
	need_chain();
	agent_start(
		&agent, "--protocol 1 --id 3 -i veth0,veth1 --chain --server 127.0.0.1:%u", port);
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	lab_send_packets("veth0", 3);
	lab_send_packets("veth1", 4);
	assert_int_equal(end_and_take_packets(), 7);
	assert_int_equal(lab_xdp_id("veth0"), 0);
	assert_int_equal(lab_xdp_id("veth1"), 0);
}

static void plain_program_in_the_way_is_named(void **state _unused_)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd, link;

	need_chain();
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "plain", "GPL", pass, ARRAY_SIZE(pass), NULL);
	link = bpf_link_create(fd, (int)if_nametoindex("veth0"), BPF_XDP, NULL);
	assert_true(link >= 0);
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --chain --server 127.0.0.1:%u", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "not by way of libxdp's dispatcher"));
	close(link);
	close(fd);
}

static void missing_capability_is_named(void **state _unused_)
{
	char program[512];

	snprintf(program, sizeof(program), "%s", getenv("NETLAMBDA_AGENT"));
	assert_int_equal(setenv("NETLAMBDA_AGENT", "/usr/bin/setpriv", 1), 0);
	agent_start(&agent,
		"--bounding-set -all,+bpf,+perfmon,+net_admin --inh-caps -all %s --protocol 1 --id "
		"3 -i veth0 "
		"--chain --server 127.0.0.1:9",
		program);
	assert_int_equal(setenv("NETLAMBDA_AGENT", program, 1), 0);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "--chain: CAP_SYS_ADMIN is missing"));
}

static void kernel_without_it_is_told(void **state _unused_)
{
	if (possible)
		skip();
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --chain --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "this kernel cannot run several XDP programs"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

#define CHAIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_TEST(kernel_without_it_is_told),
		CHAIN_TEST(missing_capability_is_named),
		CHAIN_TEST(both_count_in_native_mode),
		CHAIN_TEST(both_count_in_generic_mode),
		CHAIN_TEST(mode_of_the_dispatcher_is_taken),
		CHAIN_TEST(who_comes_later_is_let_in),
		CHAIN_TEST(lower_priority_comes_first),
		CHAIN_TEST(killed_agent_is_taken_out_by_its_keeper),
		CHAIN_TEST(several_interfaces_are_chained),
		CHAIN_TEST(plain_program_in_the_way_is_named),
	};

	lab_require();
	lab_enter();
	lab_mount_bpf();
	possible = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 1;
	if (!possible)
		printf("this kernel has no BPF_PROG_TYPE_EXT: tests that take it are skipped; "
		       "./dev kernels runs them on others\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
