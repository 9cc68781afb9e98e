// SPDX-License-Identifier: BSD-2-Clause
/* What came in is told or declared, though the agent stands still; and each mode counts the same. */
#include "base/clock.h"
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/bpf/parse_cases.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct agent_process agent;

static int teardown(void **state _unused_)
{
	if (agent.pid > 0)
		kill(agent.pid, SIGCONT);
	agent_clean_up(&agent);
	return 0;
}

/* ---- an agent that stands still ---- */

#define FLOOD     40000 /* of one packet each: more than slots and ring hold */
#define STOPPED_S 5

static uint64_t send_flood(unsigned int first, unsigned int count)
{
	int fd = lab_open("veth1");
	char source[16];
	uint64_t bytes = 0;
	struct frame f;

	for (unsigned int i = first; i < first + count; i++) {
		snprintf(source, sizeof(source), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		lab_tcp4(&f, source, "192.0.2.2", (uint16_t[2]){40000, 80}, TCP_SYN, 0);
		lab_send(fd, &f, 1);
		bytes += f.size;
	}
	close(fd);
	return bytes;
}

static void assert_all_accounted(const struct told *told, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(told->bad, 0);
	assert_int_equal(told_interface_packets(told), packets);
	assert_int_equal(told->interfaces.size, bytes);
	assert_int_equal(told->targets.packets, packets);
	assert_int_equal(told->targets.size, bytes);
	assert_int_equal(told->sources.packets, packets);
	assert_int_equal(told->sources.size, bytes);
	/* Of all SYN segments there is a record, or one that was shed. */
	assert_int_equal(told->syn + told->interfaces.port_shed, packets);
	/* A packet is in a flow's last record, or its target says that it is in none. */
	assert_int_equal(told->packets + told->targets.shed, packets);
	assert_int_equal(agent_summary(&agent, " unsent="), 0);
}

static void all_is_accounted_for_when_the_agent_stood_still(void **state _unused_)
{
	const uint64_t start_ns = clock_monotonic_ns();
	uint16_t port = receiver_start(0);
	struct told told;
	uint64_t bytes;

	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --flows 1024 --ports 2000 --period 50ms "
		"--server 127.0.0.1:%u",
		port);
	agent_wait_output(&agent, "counting id=3");
	bytes = send_flood(1, 100);
	agent_wait_collections(&agent, 1);
	assert_int_equal(kill(agent.pid, SIGSTOP), 0);
	bytes += send_flood(1000, FLOOD);
	while (clock_monotonic_ns() < start_ns + STOPPED_S * NS_PER_SEC)
		usleep(10000);
	assert_int_equal(kill(agent.pid, SIGCONT), 0);
	bytes += send_flood(100, 100);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&told);
	assert_all_accounted(&told, FLOOD + 200, bytes);
	/* Rings and tables were full, each of them. */
	assert_true(told.interfaces.flow_shed > 0);
	assert_true(told.interfaces.port_shed > 0);
	assert_true(told.targets.shed >= told.interfaces.flow_shed);
}

/* ---- modes ---- */

#define TIMES       3
#define CAUSES_MAX  8192
#define CAUSE_START "\nnetlambda_agent_unparsed_"

struct outcome {
	struct told told;
	char causes[CAUSES_MAX]; /* the statistics' lines */
};

static void send_cases(void)
{
	int fd = lab_open("veth1");

	for (size_t i = 0; i < parse_case_count; i++) {
		struct frame f;

		parse_case_build(&parse_cases[i], &f);
		lab_send(fd, &f, TIMES);
	}
	close(fd);
}

/* `{interface="veth0",mode="native",cause="bad_tcp"} 3`: what is said from the cause on. */
static void take_causes(char causes[static CAUSES_MAX])
{
	const char *line = agent.output;
	size_t used = 0;

	causes[0] = '\0';
	while ((line = strstr(line, CAUSE_START)) != NULL && used < CAUSES_MAX) {
		const char *cause = strstr(line, "cause="), *end = strchr(line + 1, '\n');

		assert_non_null(cause);
		assert_non_null(end);
		used += (size_t)snprintf(
			causes + used, CAUSES_MAX - used, "%.*s\n", (int)(end - cause), cause);
		line = end;
	}
	assert_true(used > 0 && used < CAUSES_MAX);
}

static void count_in_mode(const char *mode, struct outcome *ret_outcome)
{
	uint16_t port = receiver_start(0);
	char line[128];

	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --mode %s --inside all --period 50ms --fanout 10m "
		"--flow-idle 10m --server 127.0.0.1:%u",
		mode, port);
	agent_wait_output(&agent, "counting id=3");
	send_cases();
	snprintf(line, sizeof(line),
		"netlambda_agent_packets_total{interface=\"veth0\",mode=\"%s\"} %zu\n", mode,
		parse_case_count * TIMES);
	agent_wait_statistic(&agent, line);
	take_causes(ret_outcome->causes);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	receiver_stop(&ret_outcome->told);
}

static void both_modes_count_the_same(void **state _unused_)
{
	static struct outcome native, generic;
	const struct told *a = &native.told, *b = &generic.told;

	count_in_mode("native", &native);
	count_in_mode("generic", &generic);
	assert_string_equal(native.causes, generic.causes);
	assert_int_equal(a->interfaces.packets, parse_case_count * TIMES);
	assert_int_equal(a->interfaces.packets, b->interfaces.packets);
	assert_int_equal(a->interfaces.size, b->interfaces.size);
	assert_int_equal(a->interfaces.not_ip, b->interfaces.not_ip);
	assert_int_equal(a->interfaces.malformed, b->interfaces.malformed);
	assert_int_equal(a->flow_ends, b->flow_ends);
	assert_int_equal(a->packets, b->packets);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->syn, b->syn);
	assert_int_equal(a->rst, b->rst);
	assert_int_equal(a->udp, b->udp);
	assert_int_equal(a->completed, b->completed);
	assert_memory_equal(&a->sources, &b->sources, sizeof(a->sources));
	assert_memory_equal(&a->targets, &b->targets, sizeof(a->targets));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			all_is_accounted_for_when_the_agent_stood_still, teardown),
		cmocka_unit_test_teardown(both_modes_count_the_same, teardown),
	};

	lab_require();
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
