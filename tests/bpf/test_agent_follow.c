// SPDX-License-Identifier: BSD-2-Clause
/* The agent follows interfaces that come, go, come back and are renamed, and loses no packet. */
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct agent_process agent;

static int teardown(void **state _unused_)
{
	agent_clean_up(&agent);
	return 0;
}

static void wait_attached(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "attached interface=%s ", name);
	agent_wait_output(&agent, text);
}

static void assert_all_told(const struct told *told, uint64_t packets)
{
	assert_int_equal(told->bad, 0);
	assert_int_equal(told_interface_packets(told), packets);
	assert_int_equal(told->packets, packets);
	assert_int_equal(agent_summary(&agent, " packets="), packets);
	assert_int_equal(agent_summary(&agent, " unsent="), 0);
}

static void what_matches_is_counted_from_its_coming_to_its_going(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	lab_add_pair("in0", "out0");
	agent_start(&agent, "--protocol 1 --id 3 -i in* --server 127.0.0.1:%u --period 50ms", port);
	agent_wait_output(&agent, "counting id=3 interfaces=1");
	lab_send_packets("out0", 100);
	lab_add_pair("in1", "out1");
	wait_attached("in1");
	lab_send_packets("out1", 30);
	lab_run("ip link del in1");
	agent_wait_output(&agent,
		"interface gone, attached to again when it is back interface=in1 mode=native "
		"packets=30");
	lab_send_packets("out0", 7);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_all_told(&told, 137);
	assert_null(strstr(agent.output, "interface=out"));
	assert_int_equal(lab_xdp_id("in0"), 0);
	lab_run("ip link del in0");
}

/* The slot is the same, and so are its counters in the kernel: each must be told its own only. */
static void interface_that_comes_back_begins_at_zero(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	uint64_t sent = 0;
	struct told told;

	/* A long period: its packets are collected after it is gone. */
	agent_start(&agent, "--protocol 1 --id 3 -i in* --server 127.0.0.1:%u --period 10s", port);
	agent_wait_output(&agent, "no interface to count on yet");
	for (unsigned int i = 1; i <= 10; i++) {
		agent_forget_output(&agent);
		lab_add_pair("in0", "out0");
		wait_attached("in0");
		lab_send_packets("out0", i);
		sent += i;
		lab_run("ip link del in0");
		agent_wait_output(&agent, "interface gone");
	}
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_all_told(&told, sent);
	assert_int_equal(told.incarnation_count, 10);
}

static void named_interface_is_attached_to_again(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	lab_add_pair("in0", "out0");
	agent_start(&agent,
		"--protocol 1 --id 3 -i in0 -i veth0 --server 127.0.0.1:%u --period 50ms", port);
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	lab_send_packets("out0", 5);
	lab_run("ip link del in0");
	agent_wait_output(&agent, "interface gone");
	agent_forget_output(&agent);
	lab_add_pair("in0", "out0");
	wait_attached("in0");
	lab_send_packets("out0", 6);
	lab_send_packets("veth1", 7);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_all_told(&told, 18);
	lab_run("ip link del in0");
}

static void absent_interface_is_waited_for_only_when_told(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	agent_start(&agent, "--protocol 1 --id 3 -i later0 --server 127.0.0.1:%u", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "later0: no such interface"));
	assert_non_null(strstr(agent.output, "--wait waits for it"));
	agent_start(&agent, "--protocol 1 --id 3 -i later0 --wait --server 127.0.0.1:%u", port);
	agent_wait_output(&agent, "counting id=3 interfaces=0");
	assert_non_null(strstr(
		agent.output, "waiting for an interface that is not there interface=later0"));
	lab_add_pair("later0", "later1");
	wait_attached("later0");
	lab_send_packets("later1", 9);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_all_told(&told, 9);
	lab_run("ip link del later0");
}

static void no_more_than_the_limit_are_followed(void **state _unused_)
{
	lab_add_pair("in0", "out0");
	lab_add_pair("in1", "out1");
	lab_add_pair("in2", "out2");
	agent_start(&agent, "--protocol 1 --id 3 -i in* --follow-max 2 --server 127.0.0.1:9 "
			    "--flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	assert_non_null(strstr(agent.output, "more interfaces match than can be followed"));
	assert_int_equal(!!lab_xdp_id("in0") + !!lab_xdp_id("in1") + !!lab_xdp_id("in2"), 2);
	kill(agent.pid, SIGUSR1);
	agent_wait_output(&agent, "netlambda_agent_interfaces_missing 1\n");
	/* One goes, the third has its place. */
	lab_run("ip link del in%d", lab_xdp_id("in0") ? 0 : 1);
	wait_attached("in2");
	assert_int_not_equal(lab_xdp_id("in2"), 0);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_run("ip link del in2; ip link del in0 2>&- || ip link del in1");
}

static void renamed_interface_is_let_go_when_no_pattern_matches(void **state _unused_)
{
	lab_add_pair("in0", "out0");
	agent_start(&agent, "--protocol 1 --id 3 -i in* --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3 interfaces=1");
	lab_run("ip link set in0 down && ip link set in0 name in7 && ip link set in7 up");
	agent_wait_output(&agent, "interface renamed interface=in7 was=in0");
	assert_int_not_equal(lab_xdp_id("in7"), 0);
	lab_run("ip link set in7 down && ip link set in7 name wan0");
	agent_wait_output(&agent, "its new name matches no pattern");
	assert_int_equal(lab_xdp_id("wan0"), 0);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_run("ip link del wan0");
}

/* As an operator would with bpftool: the agent is there again at the next word, or after 5 s. */
static void program_detached_by_somebody_is_attached_again(void **state _unused_)
{
	struct bpf_link_info info = {0};
	uint32_t id = 0, size = sizeof(info);
	int fd = -1;

	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	while (bpf_link_get_next_id(id, &id) == 0) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
			info.prog_id == lab_xdp_id("veth0"))
			break;
		close(fd);
	}
	agent_forget_output(&agent);
	assert_int_equal(bpf_link_detach(fd), 0);
	close(fd);
	lab_run("ip link set veth0 txqueuelen 999");
	agent_wait_output(&agent, "the program was detached by somebody else");
	wait_attached("veth0");
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

static void metrics_tell_generic_mode_and_what_is_gone(void **state _unused_)
{
	lab_add_pair("in0", "out0");
	agent_start(&agent, "--protocol 1 --id 3 -i in0 -i lo --server 127.0.0.1:9 --flush-timeout "
			    "0s --mode auto");
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	kill(agent.pid, SIGUSR1);
	agent_wait_output(&agent, "netlambda_agent_interfaces_generic 1\n");
	agent_wait_output(&agent, "netlambda_agent_interface_changes_total 2\n");
	assert_non_null(strstr(agent.output,
		"netlambda_agent_interface_attached{interface=\"in0\",mode=\"native\"} 1\n"));
	assert_non_null(strstr(agent.output,
		"netlambda_agent_interface_attached{interface=\"lo\",mode=\"generic\"} 1\n"));
	lab_send_packets("out0", 3);
	lab_run("ip link del in0");
	agent_wait_output(&agent, "interface gone");
	agent_forget_output(&agent);
	kill(agent.pid, SIGUSR1);
	agent_wait_output(&agent, "netlambda_agent_interface_changes_total 3\n");
	assert_non_null(strstr(agent.output,
		"netlambda_agent_interface_attached{interface=\"in0\",mode=\"native\"} 0\n"));
	assert_non_null(strstr(agent.output,
		"netlambda_agent_packets_total{interface=\"in0\",mode=\"native\"} 3\n"));
	assert_non_null(strstr(agent.output, "netlambda_agent_interfaces_missing 1\n"));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			what_matches_is_counted_from_its_coming_to_its_going, teardown),
		cmocka_unit_test_teardown(interface_that_comes_back_begins_at_zero, teardown),
		cmocka_unit_test_teardown(named_interface_is_attached_to_again, teardown),
		cmocka_unit_test_teardown(absent_interface_is_waited_for_only_when_told, teardown),
		cmocka_unit_test_teardown(no_more_than_the_limit_are_followed, teardown),
		cmocka_unit_test_teardown(
			renamed_interface_is_let_go_when_no_pattern_matches, teardown),
		cmocka_unit_test_teardown(program_detached_by_somebody_is_attached_again, teardown),
		cmocka_unit_test_teardown(metrics_tell_generic_mode_and_what_is_gone, teardown),
	};

	lab_require();
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
