// SPDX-License-Identifier: BSD-2-Clause
/* The whole agent, in a network namespace: real packets in, real datagrams out. */
#include "agent/advice.h"
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct agent_process agent;

static uint64_t summary(const char *field)
{
	return agent_summary(&agent, field);
}

static int teardown(void **state _unused_)
{
	agent_clean_up(&agent);
	return 0;
}

/* Sends a mix into veth1, which veth0 receives; returns the bytes. */
#define MIX_SYN  300
#define MIX_DATA 2000
#define MIX_RST  50
#define MIX_UDP  70
#define MIX_ALL  (MIX_SYN + MIX_DATA + MIX_RST + MIX_UDP)
static uint64_t send_mix(void)
{
	uint64_t bytes = 0;
	struct frame f;
	int fd = lab_open("veth1");

	for (uint16_t port = 1; port <= MIX_SYN; port++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, port}, TCP_SYN, 0);
		lab_send(fd, &f, 1);
		bytes += f.size;
	}
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", (uint16_t[2]){50000, 443}, TCP_ACK, 900);
	lab_send(fd, &f, MIX_DATA);
	bytes += f.size * MIX_DATA;
	lab_tcp4(&f, "192.0.2.2", "192.0.2.1", (uint16_t[2]){22, 40000}, TCP_RST | TCP_ACK, 0);
	lab_send(fd, &f, MIX_RST);
	bytes += f.size * MIX_RST;
	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, 161}, 0);
	lab_send(fd, &f, MIX_UDP);
	bytes += f.size * MIX_UDP;
	close(fd);
	return bytes;
}

/* Frames that are shorter than their IPv4 header says. */
static void send_cut(unsigned int count)
{
	struct frame f;
	int fd = lab_open("veth1");

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, 80}, TCP_ACK, 0);
	f.size -= 4;
	lab_send(fd, &f, count);
	close(fd);
}

static void assert_told_the_mix(const struct told *told, uint64_t times, uint64_t bytes)
{
	assert_int_equal(told->bad, 0);
	assert_int_equal(told->syn, MIX_SYN * times);
	assert_int_equal(told->rst, MIX_RST * times);
	assert_int_equal(told->udp, MIX_UDP * times);
	assert_int_equal(told->packets, MIX_ALL * times);
	assert_int_equal(told->bytes, bytes);
}

static void what_was_sent_is_what_the_server_adds_up(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	uint64_t bytes = 0;
	struct told told;

	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --period 50ms", port);
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "attached interface=veth0"));
	assert_non_null(strstr(agent.output, "mode=native"));
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	for (int i = 0; i < 4; i++) {
		bytes += send_mix();
		agent_wait_collections(&agent, 1);
	}
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_told_the_mix(&told, 4, bytes);
	assert_int_equal(told.interfaces.packets, 4 * MIX_ALL);
	assert_int_equal(told.interfaces.size, bytes);
	assert_int_equal(told.interfaces.ifindex, if_nametoindex("veth0"));
	assert_true(told.flow_updates > 0);
	assert_int_equal(summary(" shed="), 0);
	assert_int_equal(summary(" lost="), 0);
	assert_int_equal(summary(" unsent="), 0);
	assert_int_equal(summary(" packets_shed="), 0);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void acknowledged_events_survive_loss_exactly_once(void **state _unused_)
{
	uint16_t port = receiver_start(20);
	uint64_t bytes = 0;
	struct told told;

	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --period 50ms", port);
	agent_wait_output(&agent, "counting id=3");
	for (int i = 0; i < 3; i++) {
		bytes += send_mix();
		agent_wait_collections(&agent, 1);
	}
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_true(told.duplicates > 0);
	assert_told_the_mix(&told, 3, bytes);
}

/* All that is left at SIGTERM: nothing was collected before. */
static void sigterm_flushes_what_was_never_collected(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;
	uint64_t bytes;

	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --period 10m", port);
	agent_wait_output(&agent, "counting id=3");
	bytes = send_mix();
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	receiver_stop(&told);
	assert_told_the_mix(&told, 1, bytes);
}

static void flush_is_bounded_and_says_what_is_left(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	receiver_set_deaf(true);
	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --period 50ms "
		"--flush-timeout 300ms",
		port);
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	/* Port records of 302 services at least (each period makes its own), 303 flows. */
	assert_true(summary(" unsent=") >= 302 + 303);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void spool_that_is_full_sheds_and_declares_it(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	receiver_set_deaf(true);
	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --period 50ms --spool "
		"64 "
		"--flush-timeout 100ms",
		port);
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	agent_wait_output(&agent, "events given up class=port");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_true(summary(" shed=") >= 302 + 303 - 2 * (64 + 60));
}

static void second_signal_ends_at_once(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	receiver_set_deaf(true);
	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:%u --flush-timeout 60s",
		port);
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	kill(agent.pid, SIGTERM);
	agent_wait_output(&agent, "stopping");
	usleep(100000);
	assert_int_equal(agent_end(&agent, SIGTERM), 1);
	receiver_stop(&told);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void killed_agent_leaves_nothing_attached(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 --interface veth0 veth1 --server 127.0.0.1:9");
	agent_wait_output(&agent, "counting id=3");
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	assert_int_not_equal(lab_xdp_id("veth1"), 0);
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	assert_int_equal(lab_xdp_id("veth0"), 0);
	assert_int_equal(lab_xdp_id("veth1"), 0);
}

static void several_interfaces_are_counted(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;
	struct frame f;
	int fd;

	agent_start(&agent,
		"--protocol 1 --id 3 --interface veth0,veth1 --server 127.0.0.1:%u --mode generic",
		port);
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	assert_non_null(strstr(agent.output, "interface=veth1 ifindex="));
	assert_non_null(strstr(agent.output, "mode=generic"));
	assert_null(strstr(agent.output, "mode=native"));
	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1, 2}, 100);
	fd = lab_open("veth0");
	lab_send(fd, &f, 11);
	close(fd);
	fd = lab_open("veth1");
	lab_send(fd, &f, 5);
	close(fd);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.packets, 16);
	assert_int_equal(told.bytes, 16 * f.size);
}

/* ---- somebody else's program ---- */

/* A program that passes everything. */
static int load_foreign(const char *name)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", pass, ARRAY_SIZE(pass), NULL);

	assert_true(fd >= 0);
	return fd;
}

static void foreign_program_is_refused_and_left_alone(void **state _unused_)
{
	int fd = load_foreign("foreign");
	char named[64];
	uint32_t id;

	assert_int_equal(
		bpf_xdp_attach((int)if_nametoindex("veth0"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	id = lab_xdp_id("veth0");
	/* veth1 is attached first, and must be given up again. */
	agent_start(&agent, "--protocol 1 --id 3 --interface veth1,veth0 --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	agent.pid = 0;
	snprintf(named, sizeof(named), "veth0: XDP program \"foreign\" (id %u)", id);
	if (!strstr(agent.output, named))
		fail_msg("expected %s in: %s", named, agent.output);
	assert_non_null(strstr(agent.output, "--force"));
	assert_int_equal(lab_xdp_id("veth0"), id);
	assert_int_equal(lab_xdp_id("veth1"), 0);
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("veth0"), XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

static void dispatcher_of_libxdp_is_named(void **state _unused_)
{
	int fd = load_foreign("xdp_dispatcher");

	assert_int_equal(
		bpf_xdp_attach((int)if_nametoindex("veth0"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	agent_start(&agent, "--protocol 1 --id 3 --interface veth0 --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	agent.pid = 0;
	assert_non_null(strstr(agent.output, "veth0: libxdp's dispatcher (id "));
	assert_non_null(strstr(agent.output, "xdp-loader status veth0"));
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("veth0"), XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

static void forced_agent_puts_back_what_it_displaced(void **state _unused_)
{
	static const uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int fd = load_foreign("foreign");
		uint32_t id;

		assert_int_equal(
			bpf_xdp_attach((int)if_nametoindex("veth0"), fd, modes[i], NULL), 0);
		id = lab_xdp_id("veth0");
		agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --force "
				    "--flush-timeout 0s");
		agent_wait_output(&agent, "counting id=3");
		assert_non_null(strstr(agent.output, "displaced"));
		assert_int_not_equal(lab_xdp_id("veth0"), id);
		assert_int_not_equal(lab_xdp_id("veth0"), 0);
		assert_int_equal(agent_end(&agent, SIGTERM), 0);
		assert_int_equal(lab_xdp_id("veth0"), id);
		assert_int_equal(bpf_xdp_detach((int)if_nametoindex("veth0"), modes[i], NULL), 0);
		close(fd);
	}
}

static void forced_agent_displaces_a_link(void **state _unused_)
{
	int fd = load_foreign("foreign");
	int link = bpf_link_create(fd, (int)if_nametoindex("veth0"), BPF_XDP, NULL);

	assert_true(link >= 0);
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --force --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "put_back_at_exit=no"));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	assert_int_equal(lab_xdp_id("veth0"), 0);
	close(link);
	close(fd);
}

/* ---- what an operator gets wrong ---- */

static void mistyped_interface_is_named_with_a_suggestion(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 --interface vet0 --server 127.0.0.1:9");
	assert_int_equal(agent_wait_exit(&agent), 1);
	agent.pid = 0;
	assert_non_null(strstr(agent.output, "vet0: no such interface (did you mean \"veth0\"?)"));
}

static void usage_errors_exit_with_2(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 --interface veth0");
	assert_int_equal(agent_wait_exit(&agent), 2);
	agent.pid = 0;
	assert_non_null(strstr(agent.output, "--server HOST[:PORT] is missing"));
}

/* Runs the agent through setpriv(1), as root with these capabilities only. */
static void start_with_capabilities(const char *capabilities)
{
	char program[512];

	snprintf(program, sizeof(program), "%s", getenv("NETLAMBDA_AGENT"));
	assert_int_equal(setenv("NETLAMBDA_AGENT", "/usr/bin/setpriv", 1), 0);
	agent_start(&agent,
		"--bounding-set %s --inh-caps -all %s --protocol 1 --id 3 -i veth0 --server "
		"127.0.0.1:9 "
		"--flush-timeout 0s",
		capabilities, program);
	assert_int_equal(setenv("NETLAMBDA_AGENT", program, 1), 0);
}

static void three_capabilities_are_enough(void **state _unused_)
{
	start_with_capabilities("-all,+bpf,+perfmon,+net_admin");
	agent_wait_output(&agent, "counting id=3");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void missing_capabilities_are_named(void **state _unused_)
{
	start_with_capabilities("-all,+bpf");
	assert_int_equal(agent_wait_exit(&agent), 1);
	agent.pid = 0;
	assert_non_null(strstr(
		agent.output, "not permitted: missing CAP_PERFMON CAP_NET_ADMIN; run as root"));
}

static void facts_of_a_real_interface_are_read(void **state _unused_)
{
	struct interface_facts facts;

	lab_run("ip link set veth0 mtu 1400");
	facts_gather("veth0", &facts);
	lab_run("ip link set veth0 mtu 1500");
	assert_string_equal(facts.driver, "veth");
	assert_int_equal(facts.mtu, 1400);
	assert_true(facts.cpus > 0);
	assert_false(facts.lro);
}

static void native_is_insisted_on(void **state _unused_)
{
	/* The loopback interface has no native XDP. */
	agent_start(&agent, "--protocol 1 --id 3 -i lo --server 127.0.0.1:9 --mode native");
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "the driver refuses native XDP"));
	agent_start(&agent, "--protocol 1 --id 3 -i lo --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	assert_non_null(strstr(agent.output, "the driver refuses native XDP, so generic is used"));
	/* The kernel's own words. */
	assert_non_null(strstr(agent.output, "driver does not support XDP in native mode"));
	assert_non_null(strstr(agent.output, "mode=generic"));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

static void interface_that_goes_away_is_reported(void **state _unused_)
{
	lab_run("ip link add gone0 type veth peer name gone1 && ip link set gone0 up");
	agent_start(&agent, "--protocol 1 --id 3 -i gone0 --server 127.0.0.1:9 --flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	lab_run("ip link del gone0");
	agent_wait_output(&agent, "interface gone");
	agent_wait_output(&agent, "interface=gone0 mode=native packets=0");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

/* The value of a metric with one label, netlambda_agent_NAME{class="CLASS"}. */
static uint64_t metric(const char *text, const char *name, const char *class)
{
	char label[128];
	const char *at;

	snprintf(label, sizeof(label), "\nnetlambda_agent_%s{class=\"%s\"} ", name, class);
	at = strstr(text, label);
	if (!at) {
		fail_msg("no%s in:%s", label, text);
		return 0;
	}
	return strtoull(at + strlen(label), NULL, 10);
}

static void statistics_are_written_in_prometheus_form(void **state _unused_)
{
	static const char *const classes[] = {"port", "flow_end", "interface", "flow"};
	char path[] = "/tmp/netlambda-agent-stats-XXXXXX";
	char text[16384] = "";
	int fd = mkstemp(path);
	FILE *file;

	assert_true(fd >= 0);
	close(fd);
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --stats-file %s --flush-timeout "
		"0s",
		path);
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	send_cut(3);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	unlink(path);
	assert_non_null(strstr(
		text, "netlambda_agent_packets_total{interface=\"veth0\",mode=\"native\"} 2423\n"));
	assert_non_null(strstr(text,
		"netlambda_agent_unparsed_packets_total{interface=\"veth0\",mode=\"native\","
		"cause=\"ip_beyond_frame\"} 3\n"));
	assert_non_null(strstr(text,
		"netlambda_agent_unparsed_bytes_total{interface=\"veth0\",mode=\"native\","
		"cause=\"ip_beyond_frame\"} 150\n"));
	assert_non_null(strstr(text, "# TYPE netlambda_agent_events_shed_total counter\n"));
	/* What went in came out, or is declared. */
	assert_true(metric(text, "events_total", "flow_end") >= 303);
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		assert_int_equal(metric(text, "events_total", classes[i]),
			metric(text, "events_sent_total", classes[i]) +
				metric(text, "events_lost_total", classes[i]) +
				metric(text, "events_waiting", classes[i]));
}

static void alarm_does_not_wait_for_the_period(void **state _unused_)
{
	uint16_t port = receiver_start(0);
	struct told told;

	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --period 10m "
		"--alarm source-ports=100,target-ports=0",
		port);
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	agent_wait_statistic_above(
		&agent, "netlambda_agent_events_sent_total{class=\"source\"}", 0);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_int_equal(told.bad, 0);
	/* Again after a second, if that is how long it takes to send them. */
	assert_true(told.sources.at_once >= 1);
	assert_int_equal(told.targets.at_once, 0);
	assert_int_equal(told.sources.packets, MIX_ALL);
	assert_int_equal(told.targets.packets, MIX_ALL);
	assert_int_equal(told.sources.size, told.targets.size);
	assert_int_equal(told.sources.syn, MIX_SYN);
	assert_int_equal(told.targets.syn, MIX_SYN);
}

static void sigusr1_writes_statistics_at_once(void **state _unused_)
{
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --period 10m "
			    "--flush-timeout 0s");
	agent_wait_output(&agent, "counting id=3");
	send_mix();
	lab_wait_received();
	kill(agent.pid, SIGUSR1);
	agent_wait_output(&agent,
		"netlambda_agent_packets_total{interface=\"veth0\",mode=\"native\"} 2420\n");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_was_sent_is_what_the_server_adds_up, teardown),
		cmocka_unit_test_teardown(acknowledged_events_survive_loss_exactly_once, teardown),
		cmocka_unit_test_teardown(sigterm_flushes_what_was_never_collected, teardown),
		cmocka_unit_test_teardown(flush_is_bounded_and_says_what_is_left, teardown),
		cmocka_unit_test_teardown(spool_that_is_full_sheds_and_declares_it, teardown),
		cmocka_unit_test_teardown(second_signal_ends_at_once, teardown),
		cmocka_unit_test_teardown(killed_agent_leaves_nothing_attached, teardown),
		cmocka_unit_test_teardown(several_interfaces_are_counted, teardown),
		cmocka_unit_test_teardown(foreign_program_is_refused_and_left_alone, teardown),
		cmocka_unit_test_teardown(dispatcher_of_libxdp_is_named, teardown),
		cmocka_unit_test_teardown(forced_agent_puts_back_what_it_displaced, teardown),
		cmocka_unit_test_teardown(forced_agent_displaces_a_link, teardown),
		cmocka_unit_test_teardown(mistyped_interface_is_named_with_a_suggestion, teardown),
		cmocka_unit_test_teardown(usage_errors_exit_with_2, teardown),
		cmocka_unit_test_teardown(three_capabilities_are_enough, teardown),
		cmocka_unit_test_teardown(missing_capabilities_are_named, teardown),
		cmocka_unit_test_teardown(facts_of_a_real_interface_are_read, teardown),
		cmocka_unit_test_teardown(native_is_insisted_on, teardown),
		cmocka_unit_test_teardown(interface_that_goes_away_is_reported, teardown),
		cmocka_unit_test_teardown(statistics_are_written_in_prometheus_form, teardown),
		cmocka_unit_test_teardown(alarm_does_not_wait_for_the_period, teardown),
		cmocka_unit_test_teardown(sigusr1_writes_statistics_at_once, teardown),
	};

	lab_require();
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
