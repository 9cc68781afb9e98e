// SPDX-License-Identifier: BSD-2-Clause
/* The counting program, run on built packets by BPF_PROG_TEST_RUN, and read through the collector. */
#include "account.h"
#include "agent/collect.h"
#include "base/clock.h"
#include "base/fd.h"
#include "flow_slots.h"
#include "tests/bpf/count_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static const uint16_t web[2] = {40000, 80};

static void flow_counts_packets_and_bytes(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	const struct flow_event *flow = &taken.flows[0];
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", web, TCP_ACK, 100);
	count_run(collector, &f, 7);
	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", web, TCP_ACK | TCP_FIN, 0);
	count_run(collector, &f, 1);
	count_collect(collector, &taken);
	assert_int_equal(taken.flow_count, 1);
	assert_ip(&flow->srcip, "192.0.2.1");
	assert_ip(&flow->dstip, "198.51.100.2");
	assert_int_equal(flow->srcport, 40000);
	assert_int_equal(flow->dstport, 80);
	assert_int_equal(flow->protocol, IPPROTO_TCP);
	assert_int_equal(flow->flags, TCP_ACK | TCP_FIN);
	assert_int_equal(flow->ended, 0);
	assert_int_equal(flow->count, 8);
	/* Ethernet 14, IPv4 20, TCP 20. */
	assert_int_equal(flow->size, 7 * 154 + 54);
}

static void ipv6_is_counted_alike(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_SYN, 0);
	count_run(collector, &f, 3);
	count_collect(collector, &taken);
	assert_int_equal(taken.flow_count, 1);
	assert_ip(&taken.flows[0].srcip, "2001:db8::1");
	assert_ip(&taken.flows[0].dstip, "2001:db8::2");
	assert_int_equal(taken.flows[0].count, 3);
	assert_int_equal(taken.flows[0].size, 3 * 74);
	assert_int_equal(taken.port_count, 1);
	assert_ip(&taken.ports[0].dstip, "2001:db8::2");
	assert_int_equal(taken.ports[0].dstport, 80);
	assert_int_equal(taken.ports[0].syn, 3);
}

static void each_five_tuple_is_its_own_flow(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	for (uint16_t port = 0; port < 50; port++) {
		lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1000, port}, 10);
		count_run(collector, &f, port + 1U);
	}
	count_collect(collector, &taken);
	assert_int_equal(taken.flow_count, 50);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(taken.flows[i].count, taken.flows[i].dstport + 1);
}

static void times_are_unix_times_of_first_and_last_packet(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	uint64_t before = clock_realtime_ns(), between, after;
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	count_run(collector, &f, 1);
	between = clock_realtime_ns();
	count_run(collector, &f, 1);
	after = clock_realtime_ns();
	count_collect(collector, &taken);
	/* A flow's times are ticks, of at most 10 ms. */
	assert_in_range(taken.flows[0].first, before - 20 * NS_PER_MS, between + 10 * NS_PER_MS);
	assert_in_range(taken.flows[0].last, between - 20 * NS_PER_MS, after + 10 * NS_PER_MS);
	/* A millisecond for what adjtime(3) may do in between. */
	assert_in_range(taken.ports[0].first, before - NS_PER_MS, between + NS_PER_MS);
	assert_in_range(taken.ports[0].last, between - NS_PER_MS, after + NS_PER_MS);
}

/* The flags of a TCP segment, and what they count as. */
static uint64_t tick_of(uint64_t ns)
{
	return ns >> CLOCK_TICK_SHIFT << CLOCK_TICK_SHIFT;
}

/* As a capture is replayed: in its own time, over several periods. */
static void a_driven_collector_counts_in_the_time_it_is_given(void **state _unused_)
{
	const struct collector_options options = {
		.interface_count = 1, .flow_max = 64, .port_max = 64, .driven = true};
	const uint64_t start = 1000000000123456789ULL;
	_cleanup_(collector_freep) struct collector *collector = NULL;
	struct frame f;

	assert_int_equal(collector_new(&options, &collector), 0);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	for (uint64_t period = 0; period < 3; period++) {
		struct taken taken = {0};

		collector_set_time(collector, start + period * NS_PER_SEC);
		count_run(collector, &f, 1);
		collector_set_time(collector, start + period * NS_PER_SEC + 1);
		count_run(collector, &f, 1);
		count_collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_int_equal(taken.flows[0].count, 2);
		/* In ticks of 2^20 ns. A later increment begins after the collection before it. */
		assert_in_range(taken.flows[0].first,
			tick_of(start + (period ? period - 1 : 0) * NS_PER_SEC),
			start + period * NS_PER_SEC);
		assert_int_equal(taken.flows[0].last, tick_of(start + period * NS_PER_SEC + 1));
		assert_int_equal(taken.port_count, 1);
		assert_int_equal(taken.ports[0].syn, 2);
		assert_int_equal(taken.ports[0].last, start + period * NS_PER_SEC + 1);
	}
}

static void a_period_begins_at_zero(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	/* Both tables in turn, and again. */
	for (unsigned int period = 1; period <= 5; period++) {
		struct taken taken = {0};

		count_run(collector, &f, period);
		count_collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_int_equal(taken.packets, period);
		assert_int_equal(taken.syn, period);
		taken = (struct taken){0};
		count_collect(collector, &taken);
		assert_int_equal(taken.flow_count + taken.port_count, 0);
	}
}

static void totals_say_what_is_not_ip_and_what_is_malformed(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 8, 8);
	struct taken taken = {0};
	struct interface_event sum;
	struct frame f;

	frame_init(&f);
	frame_ethernet(&f);
	frame_set_next(&f, 0x0806); /* ARP */
	frame_payload(&f, 46);
	frame_finish(&f);
	count_run(collector, &f, 3);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	count_run(collector, &f, 2);
	f.size -= 4; /* the IPv4 header promises more */
	count_run(collector, &f, 5);
	count_collect(collector, &taken);
	sum = count_totals(collector, 0);
	assert_int_equal(sum.packets, 10);
	assert_int_equal(sum.size, 3 * 60 + 2 * 54 + 5 * 50);
	assert_int_equal(sum.not_ip, 3);
	assert_int_equal(sum.malformed, 5);
	assert_int_equal(sum.flow_shed, 0);
	assert_int_equal(taken.packets, 2);
}

static void what_has_no_key_is_counted_by_cause(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 8, 8);
	struct unparsed unparsed;
	uint64_t packets = 0;
	struct frame f;

	frame_init(&f);
	frame_ethernet(&f);
	frame_set_next(&f, 0x0806); /* ARP */
	frame_payload(&f, 46);
	frame_finish(&f);
	count_run(collector, &f, 3);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	count_run(collector, &f, 2);
	f.bytes[14 + 20 + 12] = 0x40; /* TCP's data offset */
	count_run(collector, &f, 4);
	f.size -= 4;
	count_run(collector, &f, 5);
	assert_int_equal(collector_read_unparsed(collector, 0, &unparsed), 0);
	assert_int_equal(unparsed.causes[PARSE_NOT_IP].packets, 3);
	assert_int_equal(unparsed.causes[PARSE_NOT_IP].bytes, 3 * 60);
	assert_int_equal(unparsed.causes[PARSE_BAD_TCP].packets, 4);
	assert_int_equal(unparsed.causes[PARSE_BAD_TCP].bytes, 4 * 54);
	assert_int_equal(unparsed.causes[PARSE_IP_BEYOND_FRAME].packets, 5);
	assert_int_equal(unparsed.causes[PARSE_IP_BEYOND_FRAME].bytes, 5 * 50);
	for (int cause = 0; cause < PARSE_VERDICTS; cause++)
		packets += unparsed.causes[cause].packets;
	assert_int_equal(packets, 12);
	assert_int_equal(unparsed.causes[PARSE_OK].packets, 0);
}

/* The key of a flow in VXLAN, with and without looking for it. */
static void tunnels_are_looked_into_on_request(void **state _unused_)
{
	static const char *const sources[] = {"192.0.2.1", "10.9.0.1"};

	for (unsigned int look = 0; look < 2; look++) {
		const struct collector_options options = {
			.interface_count = 1,
			.flow_max = 64,
			.port_max = 8,
			.inside = look ? TUNNEL_GRE | TUNNEL_VXLAN : TUNNEL_GRE,
		};
		_cleanup_(collector_freep) struct collector *collector = NULL;
		struct taken taken = {0};
		struct frame f;

		assert_int_equal(collector_new(&options, &collector), 0);
		frame_init(&f);
		frame_ethernet(&f);
		frame_ipv4(&f, "192.0.2.1", "192.0.2.2");
		frame_vxlan(&f, 7);
		frame_ethernet(&f);
		frame_ipv4(&f, "10.9.0.1", "10.9.0.2");
		frame_tcp(&f, 40000, 80, TCP_SYN);
		frame_finish(&f);
		count_run(collector, &f, 2);
		count_collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_ip(&taken.flows[0].srcip, sources[look]);
		assert_int_equal(taken.syn, look ? 2 : 0);
	}
}

/* A frame larger than a page comes in fragments, of which the program sees the first. */
static void jumbo_frame_is_counted_whole(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 8, 8);
	_cleanup_free_ uint8_t *bytes = calloc(1, 9000);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = 9000);
	struct taken taken = {0};
	struct frame f;

	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) != 1)
		skip();
	assert_non_null(bytes);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	memcpy(bytes, f.bytes, f.size);
	bytes[16] = (9000 - 14) >> 8; /* IPv4 total length */
	bytes[17] = (9000 - 14) & 0xff;
	assert_int_equal(bpf_prog_test_run_opts(collector_program_fd(collector, 0), &options), 0);
	assert_int_equal(options.retval, XDP_PASS);
	count_collect(collector, &taken);
	assert_int_equal(count_totals(collector, 0).malformed, 0);
	assert_int_equal(taken.packets, 1);
	assert_int_equal(taken.bytes, 9000);
}

static void interfaces_have_their_own_totals_and_share_flows(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(3, 8, 8);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	for (unsigned int slot = 0; slot < 3; slot++)
		assert_int_equal(
			count_run_program(collector_program_fd(collector, slot), &f, slot + 1),
			XDP_PASS);
	count_collect(collector, &taken);
	for (unsigned int slot = 0; slot < 3; slot++)
		assert_int_equal(count_totals(collector, slot).packets, slot + 1);
	assert_int_equal(taken.flow_count, 1);
	assert_int_equal(taken.packets, 6);
}

/* A map of the collector's first program. */
static int map_of(const struct collector *collector, const char *name)
{
	uint32_t ids[64], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = ARRAY_SIZE(ids), .map_ids = (uintptr_t)ids};

	assert_int_equal(
		bpf_obj_get_info_by_fd(collector_program_fd(collector, 0), &info, &size), 0);
	for (uint32_t i = 0; i < info.nr_map_ids; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map = {0};

		size = sizeof(map);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &map, &size), 0);
		if (strcmp(map.name, name) == 0)
			return fd;
		close(fd);
	}
	fail_msg("no map %s", name);
	return -1;
}

static void set_busy(int fd, uint64_t busy)
{
	struct flow_cpu cpu;

	for (uint32_t i = 0; bpf_map_lookup_elem(fd, &i, &cpu) == 0; i++) {
		cpu.busy = busy;
		assert_int_equal(bpf_map_update_elem(fd, &i, &cpu, BPF_EXIST), 0);
	}
}

/* As a PREEMPT_RT kernel may have it. */
static void packet_on_a_cpu_that_is_taken_is_counted_and_declared(void **state _unused_)
{
	const struct collector_options options = {
		.interface_count = 1, .flow_max = 64, .port_max = 64, .may_be_preempted = true};
	_cleanup_(collector_freep) struct collector *collector = NULL;
	struct taken taken = {0};
	struct interface_event totals;
	struct frame f;
	int fd;

	assert_int_equal(collector_new(&options, &collector), 0);
	fd = map_of(collector, "flow_cpus");
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	count_run(collector, &f, 3);
	set_busy(fd, 1);
	count_run(collector, &f, 5);
	set_busy(fd, 0);
	/* Each gives its CPU free again. */
	count_run(collector, &f, 2);
	close(fd);
	count_collect(collector, &taken);
	totals = count_totals(collector, 0);
	assert_int_equal(totals.packets, 10);
	assert_int_equal(totals.size, 10 * f.size);
	assert_int_equal(totals.flow_shed, 5);
	assert_int_equal(taken.packets, 5);
	assert_int_equal(taken.syn, 5);
}

static void full_tables_shed_and_say_so(void **state _unused_)
{
	/* More than any CPU's slots and records, so that it does not matter how many there are. */
	const uint32_t flows = 2 * (512 + 8192) * (uint32_t)libbpf_num_possible_cpus();
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 16, 8);
	struct interface_event sum;
	struct taken taken = {0};
	struct frame f;

	for (uint32_t i = 0; i < flows; i++) {
		const uint16_t ports[2] = {(uint16_t)(1 + i / 60000), (uint16_t)(1 + i % 60000)};

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", ports, TCP_SYN, 0);
		count_run(collector, &f, 1);
	}
	count_collect(collector, &taken);
	sum = count_totals(collector, 0);
	assert_int_equal(sum.packets, flows);
	assert_int_equal(taken.flow_count + sum.flow_shed, flows);
	assert_int_equal(taken.packets + sum.flow_shed, flows);
	assert_int_equal(taken.syn + sum.port_shed, flows);
	assert_in_range(taken.port_count, 1, 8);
	assert_true(sum.flow_shed >= flows / 2);
	assert_true(sum.port_shed >= flows - 8);

	/* And the next period has room again. */
	taken = (struct taken){0};
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){9, 9}, TCP_SYN, 0);
	count_run(collector, &f, 1);
	count_collect(collector, &taken);
	assert_int_equal(taken.packets, 1);
}

/* ---- the claim that swapping tables loses nothing ---- */

#define LOAD_THREADS 2
#define LOAD_FLOWS   32
#define LOAD_REPEAT  2000
#define LOAD_ROUNDS  100
#define LOAD_NS      (60 * NS_PER_SEC)

struct load {
	int fd;
	uint16_t number;
	atomic_uint_fast64_t sent;
	atomic_bool *stop;
};

static void *load_main(void *arg)
{
	struct load *load = arg;
	struct frame f;

	for (uint16_t i = 0; !atomic_load(load->stop); i++) {
		/* Half of the flows are the other thread's as well. */
		uint16_t source = i % 2 ? 7 : load->number;

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){source, i % LOAD_FLOWS},
			TCP_SYN, 0);
		if (count_run_program(load->fd, &f, LOAD_REPEAT) != XDP_PASS)
			return (void *)"BPF_PROG_TEST_RUN failed";
		atomic_fetch_add(&load->sent, LOAD_REPEAT);
	}
	return NULL;
}

static void swapping_under_load_is_exact(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 256, 256);
	struct load loads[LOAD_THREADS];
	pthread_t threads[LOAD_THREADS];
	atomic_bool stop = false;
	struct taken taken = {0};
	unsigned int busy_rounds = 0;
	uint64_t deadline_ns;
	uint64_t sent = 0;

	lab_go_anywhere();
	for (uint16_t i = 0; i < LOAD_THREADS; i++) {
		loads[i].fd = collector_program_fd(collector, 0);
		loads[i].number = i;
		loads[i].stop = &stop;
		atomic_init(&loads[i].sent, 0);
		assert_int_equal(pthread_create(&threads[i], NULL, load_main, &loads[i]), 0);
	}
	for (int i = 0; i < LOAD_THREADS; i++)
		while (atomic_load(&loads[i].sent) == 0)
			sched_yield();
	deadline_ns = clock_monotonic_ns() + LOAD_NS;
	/* Only a swap that found something to collect proves anything. */
	while (busy_rounds < LOAD_ROUNDS && clock_monotonic_ns() < deadline_ns) {
		uint64_t before = taken.packets;

		count_collect(collector, &taken);
		busy_rounds += taken.packets > before;
	}
	atomic_store(&stop, true);
	for (int i = 0; i < LOAD_THREADS; i++) {
		void *failure;

		pthread_join(threads[i], &failure);
		assert_null(failure);
		sent += loads[i].sent;
	}
	count_collect(collector, &taken);
	print_message("%llu packets, %u swaps under load\n", (unsigned long long)sent, busy_rounds);
	assert_int_equal(busy_rounds, LOAD_ROUNDS);
	assert_int_equal(count_totals(collector, 0).packets, sent);
	assert_int_equal(count_totals(collector, 0).flow_shed, 0);
	assert_int_equal(count_totals(collector, 0).port_shed, 0);
	assert_int_equal(taken.packets, sent);
	assert_int_equal(taken.bytes, sent * 54);
	assert_int_equal(taken.syn, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_counts_packets_and_bytes),
		cmocka_unit_test(ipv6_is_counted_alike),
		cmocka_unit_test(each_five_tuple_is_its_own_flow),
		cmocka_unit_test(times_are_unix_times_of_first_and_last_packet),
		cmocka_unit_test(a_driven_collector_counts_in_the_time_it_is_given),
		cmocka_unit_test(a_period_begins_at_zero),
		cmocka_unit_test(totals_say_what_is_not_ip_and_what_is_malformed),
		cmocka_unit_test(what_has_no_key_is_counted_by_cause),
		cmocka_unit_test(tunnels_are_looked_into_on_request),
		cmocka_unit_test(jumbo_frame_is_counted_whole),
		cmocka_unit_test(interfaces_have_their_own_totals_and_share_flows),
		cmocka_unit_test(packet_on_a_cpu_that_is_taken_is_counted_and_declared),
		cmocka_unit_test(full_tables_shed_and_say_so),
		cmocka_unit_test(swapping_under_load_is_exact),
	};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
