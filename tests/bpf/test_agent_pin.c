// SPDX-License-Identifier: BSD-2-Clause
/* --pin: agents come and go, and are killed, and each packet is counted once. */
#include "agent/pins.h"
#include "tests/bpf/agent_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct agent_process agent;
static uint16_t port;

static int setup(void **state _unused_)
{
	port = receiver_start(0);
	return 0;
}

/* ---- traffic ---- */

#define ROUND_SYN  60
#define ROUND_DATA 200
#define ROUND_UDP  7
#define ROUND_ALL  (ROUND_SYN + ROUND_DATA + ROUND_UDP)

/* Frames that are sent on, one round after the other, by a process of its own. */
struct stream {
	pid_t pid;
	struct shared {
		atomic_uint rounds, dropped;
		atomic_bool stop;
		atomic_uint_fast64_t bytes;
	} * shared;
};

static struct stream stream;

static uint64_t send_round(int fd)
{
	uint64_t bytes = 0;
	struct frame f;

	for (uint16_t i = 1; i <= ROUND_SYN; i++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, i}, TCP_SYN, 0);
		lab_send(fd, &f, 1);
		bytes += f.size;
	}
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", (uint16_t[2]){50000, 443}, TCP_ACK, 900);
	lab_send(fd, &f, ROUND_DATA);
	bytes += f.size * ROUND_DATA;
	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, 161}, 0);
	lab_send(fd, &f, ROUND_UDP);
	return bytes + f.size * ROUND_UDP;
}

static void send_rounds(unsigned int count)
{
	int fd = lab_open("veth1");

	while (count-- > 0)
		send_round(fd);
	close(fd);
}

static void stream_start(void)
{
	stream.shared = mmap(NULL, sizeof(*stream.shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(stream.shared, MAP_FAILED);
	stream.pid = fork();
	assert_true(stream.pid >= 0);
	if (stream.pid > 0)
		return;
	for (int fd = lab_open("veth1"); !atomic_load(&stream.shared->stop);) {
		atomic_fetch_add(&stream.shared->bytes, send_round(fd));
		atomic_fetch_add(&stream.shared->rounds, 1);
		usleep(500);
	}
	lab_wait_received();
	atomic_store(&stream.shared->dropped, lab_dropped("veth1"));
	_exit(0);
}

/* Waits for some more rounds, so that what was done before was in the midst of them. */
static void stream_wait(void)
{
	unsigned int until = atomic_load(&stream.shared->rounds) + 20;

	while (atomic_load(&stream.shared->rounds) < until)
		usleep(1000);
}

static unsigned int stream_stop(uint64_t *ret_bytes)
{
	atomic_store(&stream.shared->stop, true);
	assert_int_equal(waitpid(stream.pid, NULL, 0), stream.pid);
	stream.pid = 0;
	/* What never came cannot have been counted. */
	assert_int_equal(atomic_load(&stream.shared->dropped), 0);
	*ret_bytes = atomic_load(&stream.shared->bytes);
	return atomic_load(&stream.shared->rounds);
}

/* ---- agents ---- */

static void start_with(const char *options)
{
	receiver_expect_another();
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin %s", port,
		options);
	agent_wait_output(&agent, "counting id=3 interfaces=1");
}

static void assert_nothing_is_left(void)
{
	assert_int_equal(lab_xdp_id("veth0"), 0);
	lab_run("test -z \"$(ls /sys/fs/bpf/netlambda 2>&-)\"");
}

static void unpin(void)
{
	agent_start(&agent, "--unpin");
	assert_int_equal(agent_wait_exit(&agent), 0);
	agent.pid = 0;
}

static int teardown(void **state _unused_)
{
	struct told told;

	agent_clean_up(&agent);
	if (stream.pid > 0) {
		kill(stream.pid, SIGKILL);
		waitpid(stream.pid, NULL, 0);
		stream.pid = 0;
	}
	receiver_stop(&told);
	lab_run("rm -rf /sys/fs/bpf/netlambda");
	return 0;
}

/* For a test that asks for them; the receiver of teardown() is another. */
static void stop_receiver(struct told *ret_told)
{
	receiver_stop(ret_told);
	port = receiver_start(0);
}

static void assert_all_told(const struct told *told, uint64_t rounds)
{
	assert_int_equal(told->bad, 0);
	assert_int_equal(told_interface_packets(told), rounds * ROUND_ALL);
	assert_int_equal(told_flow_packets(told), rounds * ROUND_ALL);
	assert_int_equal(told->syn, rounds * ROUND_SYN);
	assert_int_equal(told->udp, rounds * ROUND_UDP);
	assert_int_equal(told->interfaces.flow_shed, 0);
	assert_int_equal(told->interfaces.port_shed, 0);
}

/* ---- going on ---- */

static void restarts_in_mid_traffic_miss_and_double_nothing(void **state _unused_)
{
	struct told told;
	uint64_t bytes;
	unsigned int rounds;
	uint32_t first;

	start_with("--period 50ms");
	first = lab_xdp_id("veth0");
	stream_start();
	for (int i = 0; i < 3; i++) {
		stream_wait();
		assert_int_equal(agent_end(&agent, SIGTERM), 0);
		assert_int_not_equal(lab_xdp_id("veth0"), 0);
		stream_wait();
		start_with("--period 50ms");
		assert_non_null(strstr(agent.output, "mode=native resumed=yes"));
	}
	rounds = stream_stop(&bytes);
	assert_int_not_equal(lab_xdp_id("veth0"), first);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, rounds);
	assert_int_equal(told.packets, (uint64_t)rounds * ROUND_ALL);
	assert_int_equal(told.bytes, bytes);
	assert_int_equal(told.interfaces.size, bytes);
	assert_int_equal(told.incarnation_count, 1);
	/* Windows went on across agents. */
	assert_int_equal(told.sources.packets, (uint64_t)rounds * ROUND_ALL);
	assert_int_equal(told.targets.packets, (uint64_t)rounds * ROUND_ALL);
	assert_int_equal(told.sources.size, bytes);
	assert_int_equal(told.targets.size, bytes);
	assert_nothing_is_left();
}

/* All of it is in the maps when the agent dies. */
static void killed_before_it_collects_an_agent_loses_nothing(void **state _unused_)
{
	unsigned int rounds;
	struct told told;
	uint64_t bytes;

	start_with("--period 10m");
	stream_start();
	for (int i = 0; i < 3; i++) {
		stream_wait();
		assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
		assert_int_not_equal(lab_xdp_id("veth0"), 0);
		stream_wait();
		start_with("--period 10m");
		assert_null(strstr(agent.output, "packets_at_most"));
	}
	rounds = stream_stop(&bytes);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, rounds);
	assert_int_equal(told.bytes, bytes);
	assert_nothing_is_left();
}

/* A number behind `field` in the agent's output; 0: it is not there. */
static uint64_t said(const char *field)
{
	const char *at = strstr(agent.output, field);

	return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/*
 * Killed while it collects and sends, an agent takes with it what it had taken: never is that more than
 * its successor says, and nothing is told twice. What the interface received is exact all the same.
 */
static void killed_in_mid_traffic_an_agent_loses_no_more_than_is_said(void **state _unused_)
{
	uint64_t lost_packets = 0, lost_ports = 0, bytes;
	unsigned int rounds;
	struct told told;

	start_with("--period 10ms");
	stream_start();
	for (int i = 0; i < 6; i++) {
		stream_wait();
		usleep((unsigned int)i * 2300);
		assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
		start_with("--period 10ms");
		lost_packets += said("packets_at_most=");
		lost_ports += said("port_records_at_most=");
	}
	rounds = stream_stop(&bytes);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told.bad, 0);
	assert_int_equal(told_interface_packets(&told), (uint64_t)rounds * ROUND_ALL);
	assert_int_equal(told.interfaces.size, bytes);
	assert_in_range(
		told_flow_packets(&told), rounds * ROUND_ALL - lost_packets, rounds * ROUND_ALL);
	assert_true(told.syn <= (uint64_t)rounds * ROUND_SYN);
	assert_true(told.udp <= (uint64_t)rounds * ROUND_UDP);
	/* A record has some SYNs each; without a lost record there must be none that lacks. */
	if (lost_ports == 0)
		assert_int_equal(told.syn, (uint64_t)rounds * ROUND_SYN);
	assert_nothing_is_left();
}

/* All is collected, then sent and answered, and then noted by the agent. */
static void wait_until_told(void)
{
	static const char *const nothing_waits[] = {
		"netlambda_agent_events_waiting{class=\"port\"} 0\n",
		"netlambda_agent_events_waiting{class=\"source\"} 0\n",
		"netlambda_agent_events_waiting{class=\"target\"} 0\n",
	};

	agent_wait_collections(&agent, 2);
	for (size_t i = 0; i < ARRAY_SIZE(nothing_waits); i++)
		agent_wait_statistic(&agent, nothing_waits[i]);
	agent_wait_collections(&agent, 2);
}

/* What was sent before it was killed, and came after: nothing was in its memory. */
static void killed_when_all_is_sent_an_agent_loses_nothing(void **state _unused_)
{
	struct told told;

	start_with("--period 20ms");
	send_rounds(5);
	wait_until_told();
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	send_rounds(4);
	start_with("--period 20ms");
	assert_null(strstr(agent.output, "packets_at_most"));
	send_rounds(3);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, 12);
}

/* The old one goes with the first collection. */
static void wait_for_one_set(void)
{
	lab_run("for i in $(seq 300); do "
		"test $(ls -d /sys/fs/bpf/netlambda/maps_* | wc -l) = 1 && exit 0; sleep 0.1; "
		"done; exit 1");
}

static void another_layout_drains_the_maps_of_before(void **state _unused_)
{
	static const char *const layouts[] = {
		"--flows 300000",
		"--flows 300000 --ports 1000",
		"--flows 300000 --ports 1000 --fanout 1s",
		"--flows 1000 -i veth1",
		"--flows 1000 -i v* --follow-max 2",
		"",
	};
	unsigned int rounds;
	struct told told;
	uint64_t bytes;

	start_with("--period 50ms");
	stream_start();
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		stream_wait();
		assert_int_equal(agent_end(&agent, SIGTERM), 0);
		stream_wait();
		receiver_expect_another();
		agent_start(&agent,
			"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin --period 50ms %s",
			port, layouts[i]);
		agent_wait_output(&agent, "counting id=3");
		assert_non_null(strstr(agent.output, "interface=veth0"));
		wait_for_one_set();
	}
	rounds = stream_stop(&bytes);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told.bad, 0);
	for (unsigned int i = 0; i < told.incarnation_count; i++)
		if (told.incarnations[i].ifindex == if_nametoindex("veth0")) {
			assert_int_equal(
				told.incarnations[i].packets, (uint64_t)rounds * ROUND_ALL);
			assert_int_equal(told.incarnations[i].size, bytes);
		}
	assert_int_equal(told_flow_packets(&told), (uint64_t)rounds * ROUND_ALL);
	assert_int_equal(told.syn, (uint64_t)rounds * ROUND_SYN);
	assert_int_equal(told.udp, (uint64_t)rounds * ROUND_UDP);
	assert_nothing_is_left();
}

/* All is in the maps when it dies, and the next agent does not use them. */
static void killed_agents_maps_are_drained_by_one_of_another_layout(void **state _unused_)
{
	unsigned int rounds;
	struct told told;
	uint64_t bytes;

	start_with("--period 10m --fanout 10m");
	stream_start();
	stream_wait();
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	stream_wait();
	start_with("--flows 300000 --ports 2000");
	assert_null(strstr(agent.output, "packets_at_most"));
	stream_wait();
	rounds = stream_stop(&bytes);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, rounds);
	assert_int_equal(told.bytes, bytes);
	assert_int_equal(told.incarnation_count, 1);
	assert_nothing_is_left();
}

/* SYN and ACK have their agents, each with other maps. */
static void handshake_is_completed_across_agents(void **state _unused_)
{
	int fd = lab_open("veth1");
	struct told told;
	struct frame f;

	start_with("");
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, 80}, TCP_SYN, 0);
	lab_send(fd, &f, 1);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	start_with("--flows 300000");
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, 80}, TCP_ACK, 0);
	lab_send(fd, &f, 1);
	close(fd);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told.syn, 1);
	assert_int_equal(told.completed, 1);
}

static void send_ports(uint16_t from, uint16_t count)
{
	int fd = lab_open("veth1");
	struct frame f;

	for (uint16_t i = 0; i < count; i++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){40000, from + i}, TCP_SYN, 0);
		lab_send(fd, &f, 1);
	}
	close(fd);
}

/* Neither agent alone sees enough of it. */
static void window_of_sources_goes_on_across_agents(void **state _unused_)
{
	static const char *const options =
		"--fanout 10m --alarm source-ports=100,target-ports=0,target-half-open=0";
	struct told told;

	start_with(options);
	send_ports(1, 70);
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	send_ports(100, 20);
	start_with(options);
	send_ports(200, 70);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	/* A second time, if that takes longer than a second. */
	assert_true(told.sources.at_once >= 1);
}

/* ---- interfaces ---- */

static void start_following(const char *user, const char *period)
{
	agent_start(&agent,
		"--protocol 1 --id 3 -i in* --server 127.0.0.1:%u --pin --user %s --period %s "
		"--follow-max 4",
		port, user, period);
	agent_wait_output(&agent, "counting id=3");
}

/* Without any privilege by then. */
static void interface_that_came_later_is_pinned_too(void **state _unused_)
{
	struct told told;

	start_following("nobody", "10m");
	lab_add_pair("in0", "out0");
	agent_wait_output(&agent, "attached interface=in0 ");
	lab_send_packets("out0", 10);
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	lab_send_packets("out0", 20);
	start_following("nobody", "10m");
	assert_non_null(strstr(agent.output, "attached interface=in0 "));
	assert_non_null(strstr(agent.output, "resumed=yes"));
	lab_send_packets("out0", 30);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	assert_int_equal(lab_xdp_id("in0"), 0);
	lab_run("ip link del in0");
	stop_receiver(&told);
	assert_int_equal(told_interface_packets(&told), 60);
	assert_int_equal(told.incarnation_count, 1);
	assert_nothing_is_left();
}

static void interface_that_went_meanwhile_is_told_to_the_last_packet(void **state _unused_)
{
	struct told told;

	lab_add_pair("in0", "out0");
	start_following("root", "200ms");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_send_packets("out0", 25);
	lab_run("ip link del in0");
	start_following("root", "200ms");
	agent_wait_output(&agent, "the interface is gone");
	lab_add_pair("in0", "out0");
	agent_wait_output(&agent, "attached interface=in0 ");
	lab_send_packets("out0", 5);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	lab_run("ip link del in0");
	stop_receiver(&told);
	assert_int_equal(told_flow_packets(&told), 30);
	assert_int_equal(told_interface_packets(&told), 30);
	assert_int_equal(told.incarnation_count, 2);
	assert_nothing_is_left();
}

static void interface_that_is_asked_for_no_more_is_let_go(void **state _unused_)
{
	struct told told;

	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0,veth1 --server 127.0.0.1:%u --pin --period 10m",
		port);
	agent_wait_output(&agent, "counting id=3 interfaces=2");
	lab_send_packets("veth0", 3);
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	lab_send_packets("veth0", 4);
	start_with("");
	assert_non_null(strstr(agent.output, "it is not asked for interface=veth1"));
	assert_int_equal(lab_xdp_id("veth1"), 0);
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told_interface_packets(&told), 7);
	assert_int_equal(told_flow_packets(&told), 7);
}

static void another_mode_attaches_anew(void **state _unused_)
{
	struct told told;

	start_with("--mode generic");
	lab_send_packets("veth1", 3);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	lab_send_packets("veth1", 4);
	start_with("--mode native");
	assert_non_null(strstr(agent.output, "another mode is asked for"));
	assert_non_null(strstr(agent.output, "mode=native\n"));
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told_flow_packets(&told), 7);
}

/* ---- the directory ---- */

static void second_agent_is_refused(void **state _unused_)
{
	struct agent_process second;
	char named[64];

	start_with("");
	snprintf(named, sizeof(named), "another agent has it (process %d)", agent.pid);
	agent_start(&second, "--protocol 1 --id 4 -i veth1 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&second), 1);
	assert_non_null(strstr(second.output, named));
	agent_start(&second, "--unpin");
	assert_int_equal(agent_wait_exit(&second), 1);
	assert_non_null(strstr(second.output, named));
	/* It has a directory of its own, then. */
	agent_start(&second,
		"--protocol 1 --id 4 -i veth1 --server 127.0.0.1:%u --pin=/sys/fs/bpf/second "
		"--flush-timeout 0s",
		port);
	agent_wait_output(&second, "counting id=4");
	assert_int_equal(agent_end(&second, SIGINT), 0);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	lab_run("rmdir /sys/fs/bpf/second");
}

static void agent_without_pins_names_who_left_them(void **state _unused_)
{
	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "netlambda-agent --unpin"));
}

static void missing_file_system_is_told_with_the_command(void **state _unused_)
{
	agent_start(
		&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin=/tmp/a/b", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "there is no BPF file system"));
	assert_non_null(strstr(agent.output, "mount -t bpf bpf /tmp"));
	/* There may be another below. */
	lab_run("while umount /sys/fs/bpf 2>&-; do :; done");
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	lab_run("mount -t bpf bpf /sys/fs/bpf");
	assert_non_null(strstr(agent.output, "mount -t bpf bpf /sys/fs/bpf"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static int pin_map(const char *path)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, 8, 1, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	return fd;
}

static void foreign_objects_are_left_alone(void **state _unused_)
{
	struct stat st;

	lab_run("mkdir -m 700 /sys/fs/bpf/netlambda");
	close(pin_map("/sys/fs/bpf/netlambda/mine"));
	start_with("");
	assert_non_null(strstr(agent.output, "path=/sys/fs/bpf/netlambda/mine"));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	unpin();
	assert_non_null(strstr(agent.output, "the directory stays"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
	assert_int_equal(stat("/sys/fs/bpf/netlambda/mine", &st), 0);
	lab_run("test $(ls /sys/fs/bpf/netlambda | wc -l) = 1");
}

static void foreign_objects_under_our_names_are_refused(void **state _unused_)
{
	lab_run("mkdir -m 700 /sys/fs/bpf/netlambda");
	close(pin_map("/sys/fs/bpf/netlambda/link_7"));
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "link_7: it is not the link that an agent left"));
	lab_run("rm /sys/fs/bpf/netlambda/link_7; mkdir /sys/fs/bpf/netlambda/maps_1");
	close(pin_map("/sys/fs/bpf/netlambda/maps_1/agent_state"));
	close(pin_map("/sys/fs/bpf/netlambda/maps_1/agent_slots"));
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "is not what an agent left"));
	assert_int_equal(lab_xdp_id("veth0"), 0);
}

static void directory_that_others_can_write_is_refused(void **state _unused_)
{
	lab_run("mkdir -m 770 /sys/fs/bpf/netlambda");
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "others than its owner can write there"));
	lab_run("chmod 700 /sys/fs/bpf/netlambda && chown 65533 /sys/fs/bpf/netlambda");
	agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin", port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_non_null(strstr(agent.output, "it belongs to user 65533"));
}

static void failed_start_leaves_as_it_was(void **state _unused_)
{
	struct told told;

	/* First with nothing there: nothing stays. */
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin --stats-file /proc/no",
		port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_nothing_is_left();
	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	send_rounds(1);
	agent_start(&agent,
		"--protocol 1 --id 3 -i veth0 --server 127.0.0.1:%u --pin --stats-file /proc/no",
		port);
	assert_int_equal(agent_wait_exit(&agent), 1);
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
	send_rounds(2);
	start_with("");
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, 3);
}

static void unpin_says_what_it_throws_away(void **state _unused_)
{
	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	send_rounds(2);
	unpin();
	assert_int_equal(said(" interfaces="), 1);
	assert_int_equal(said(" lost_packets="), 2 * ROUND_ALL);
	assert_int_equal(said(" lost_port_records="), ROUND_SYN + 1);
	assert_nothing_is_left();
}

static void another_network_namespace_is_refused(void **state _unused_)
{
	pid_t child;
	int status = -1;

	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	child = fork();
	if (child == 0) {
		lab_enter();
		agent_start(&agent, "--protocol 1 --id 3 -i veth0 --server 127.0.0.1:9 --pin");
		_exit(agent_wait_exit(&agent) == 1 &&
					strstr(agent.output, "of another network namespace")
				? 0
				: 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_not_equal(lab_xdp_id("veth0"), 0);
}

/* ---- other versions ---- */

/* Changes what the agent left so that it seems another version's. */
static void change_state(void (*change)(struct pin_state *state))
{
	int fd = bpf_obj_get("/sys/fs/bpf/netlambda/maps_1/agent_state");
	struct pin_state state;
	const uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &state), 0);
	change(&state);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &state, BPF_ANY), 0);
	close(fd);
}

static void change_ports(struct pin_state *state)
{
	state->layout.whole++;
	state->layout.shapes[PIN_PORTS]++;
}

static void change_version(struct pin_state *state)
{
	state->version++;
}

static void maps_with_other_structs_are_given_up_and_that_is_said(void **state _unused_)
{
	struct told told;

	start_with("");
	send_rounds(1);
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	send_rounds(2);
	change_state(change_ports);
	start_with("");
	agent_wait_output(&agent, "counters=\"ports\"");
	assert_null(strstr(agent.output, "counters=\"flows\""));
	send_rounds(4);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told_interface_packets(&told), 7 * ROUND_ALL);
	assert_int_equal(told_flow_packets(&told), 7 * ROUND_ALL);
	assert_int_equal(told.syn, 5 * ROUND_SYN);
	assert_nothing_is_left();
}

static void notes_of_another_version_are_given_up_and_counting_goes_on(void **state _unused_)
{
	struct told told;
	uint32_t id;

	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	id = lab_xdp_id("veth0");
	change_state(change_version);
	start_with("");
	agent_wait_output(&agent, "counters=\"flows\"");
	agent_wait_output(&agent, "counters=\"interface totals\"");
	assert_int_not_equal(lab_xdp_id("veth0"), id);
	send_rounds(3);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, 3);
	assert_nothing_is_left();
}

/* ---- the journal ---- */

#define JOURNAL "/sys/fs/bpf/netlambda/journal"

/* Nobody answers: what is collected waits. */
static void leave_unsent(unsigned int rounds, const char *options)
{
	receiver_set_deaf(true);
	start_with(options);
	send_rounds(rounds);
	agent_wait_collections(&agent, 3);
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	receiver_set_deaf(false);
}

/* Of what was taken only the transaction in flight is lost, which may have been taken in. */
static void killed_unheard_an_agent_loses_what_it_had_sent(void **state _unused_)
{
	uint64_t lost, resumed;
	struct told told;

	leave_unsent(3, "--period 20ms");
	start_with("--period 20ms");
	lost = said("port_records_at_most=");
	resumed = said(" events=");
	assert_in_range(lost, 1, 40);
	assert_true(resumed > 0);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_int_equal(told.bad, 0);
	assert_in_range(told.port_events, ROUND_SYN + 1 - lost, 3 * (ROUND_SYN + 1) - lost);
	assert_in_range(told.syn, 3 * ROUND_SYN - 3 * lost, 3 * ROUND_SYN);
	assert_nothing_is_left();
}

static void spool_of_another_size_keeps_what_waits(void **state _unused_)
{
	struct told told;
	uint64_t lost;

	leave_unsent(2, "--period 20ms --spool 1000");
	start_with("--period 60s --spool 5000");
	lost = said("port_records_at_most=");
	assert_null(strstr(agent.output, "keeps its size"));
	assert_int_equal(agent_end(&agent, SIGKILL), -SIGKILL);
	/* Smaller than what waits: stays as it is. */
	start_with("--period 20ms --spool 2");
	lost += said("port_records_at_most=");
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_true(told.syn + 3 * lost >= 2 * ROUND_SYN);
	assert_true(told.syn <= 2 * ROUND_SYN);
	assert_nothing_is_left();
}

static void change_journal(size_t at, uint8_t bits)
{
	static uint8_t bytes[4096];
	const int fd = bpf_obj_get(JOURNAL);
	const uint32_t first = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &first, bytes), 0);
	bytes[at] ^= bits;
	assert_int_equal(bpf_map_update_elem(fd, &first, bytes, BPF_ANY), 0);
	close(fd);
}

/* And what is counted from then on is told. */
static void assert_begins_anew(const char *why)
{
	start_with("");
	assert_non_null(strstr(agent.output, "the journal is given up"));
	assert_non_null(strstr(agent.output, why));
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
}

static void journal_that_cannot_be_read_is_given_up_and_that_is_said(void **state _unused_)
{
	struct told told;

	start_with("");
	assert_int_equal(agent_end(&agent, SIGTERM), 0);
	change_journal(8, 0x10);
	assert_begins_anew("of another version of the agent");
	assert_true(said("events_at_most=") > 0);
	change_journal(16, 0x10);
	assert_begins_anew("of events as another version of the agent has them");
	change_journal(0, 0x10);
	assert_begins_anew("not what an agent left, or damaged");
	lab_run("rm " JOURNAL);
	close(pin_map(JOURNAL));
	assert_begins_anew("not what an agent left, or damaged");
	start_with("");
	assert_null(strstr(agent.output, "the journal is given up"));
	send_rounds(3);
	assert_int_equal(agent_end(&agent, SIGINT), 0);
	stop_receiver(&told);
	assert_all_told(&told, 3);
	assert_nothing_is_left();
}

static void unpin_says_what_the_journal_had(void **state _unused_)
{
	leave_unsent(2, "--period 20ms");
	unpin();
	assert_true(said(" lost_journal_events_at_most=") > ROUND_SYN);
	assert_nothing_is_left();
}

#define PIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PIN_TEST(restarts_in_mid_traffic_miss_and_double_nothing),
		PIN_TEST(killed_before_it_collects_an_agent_loses_nothing),
		PIN_TEST(killed_in_mid_traffic_an_agent_loses_no_more_than_is_said),
		PIN_TEST(killed_when_all_is_sent_an_agent_loses_nothing),
		PIN_TEST(another_layout_drains_the_maps_of_before),
		PIN_TEST(killed_agents_maps_are_drained_by_one_of_another_layout),
		PIN_TEST(handshake_is_completed_across_agents),
		PIN_TEST(window_of_sources_goes_on_across_agents),
		PIN_TEST(interface_that_came_later_is_pinned_too),
		PIN_TEST(interface_that_went_meanwhile_is_told_to_the_last_packet),
		PIN_TEST(interface_that_is_asked_for_no_more_is_let_go),
		PIN_TEST(another_mode_attaches_anew),
		PIN_TEST(killed_unheard_an_agent_loses_what_it_had_sent),
		PIN_TEST(spool_of_another_size_keeps_what_waits),
		PIN_TEST(journal_that_cannot_be_read_is_given_up_and_that_is_said),
		PIN_TEST(unpin_says_what_the_journal_had),
		PIN_TEST(second_agent_is_refused),
		PIN_TEST(agent_without_pins_names_who_left_them),
		PIN_TEST(missing_file_system_is_told_with_the_command),
		PIN_TEST(foreign_objects_are_left_alone),
		PIN_TEST(foreign_objects_under_our_names_are_refused),
		PIN_TEST(directory_that_others_can_write_is_refused),
		PIN_TEST(failed_start_leaves_as_it_was),
		PIN_TEST(unpin_says_what_it_throws_away),
		PIN_TEST(another_network_namespace_is_refused),
		PIN_TEST(maps_with_other_structs_are_given_up_and_that_is_said),
		PIN_TEST(notes_of_another_version_are_given_up_and_counting_goes_on),
	};

	lab_require();
	lab_enter();
	lab_mount_bpf();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
