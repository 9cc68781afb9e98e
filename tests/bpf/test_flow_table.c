// SPDX-License-Identifier: BSD-2-Clause
/*
 * The flow table in the kernel and its reader, at the same time: what was sent is what is handed on,
 * to the packet and the byte, or declared to be shed.
 */
#include "agent/flow_clock.h"
#include "agent/flow_table.h"
#include "base/clock.h"
#include "flow_slots.h"
#include "tests/bpf/flow_feed.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include "flow_feed.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLOWS_MAX   (2U << 20)
#define TARGETS_MAX 65536
#define CPUS        2    /* that send at once */
#define CHUNK       4096 /* packets a system call */
#define TICK_NS     (4 * NS_PER_MS)
#define START       1000000 /* ticks */
#define START_NS    (1700000000 * NS_PER_SEC)

struct count {
	uint64_t packets, bytes;
};

/* What the reader was handed, all in all and by flow. */
struct account {
	struct count all, records;
	uint64_t increments;
	struct count *flows;   /* FLOWS_MAX */
	struct count *targets; /* TARGETS_MAX: in flows, and shed */
	struct count shed, unplaced;
	struct flow_event last;
	uint64_t misplaced; /* increments of flows that nobody sent */
};

struct rig {
	struct flow_table_options options;
	struct flow_feed *program;
	struct flow_table *table;
	struct feed *feeds; /* the map's memory */
	size_t feeds_bytes;
	uint32_t cpu_count;
	struct account got;
	struct count *sent;            /* FLOWS_MAX */
	struct count *sent_to_targets; /* TARGETS_MAX */
	struct flow_sink sink;
};

/* ---- the rig ---- */

static void on_flow(void *user, const struct flow_event *increment)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t ip6[12] = {0x20, 0x01, 0x0d, 0xb8};
	struct account *got = user;
	uint32_t src, dst, flow, target;

	memcpy(&src, increment->srcip.bytes + 12, 4);
	memcpy(&dst, increment->dstip.bytes + 12, 4);
	flow = ntohl(src) - 0x0a000000;
	got->all.packets += increment->count;
	got->all.bytes += increment->size;
	got->increments++;
	got->last = *increment;
	target = ntohl(dst) - 0xc0a80001;
	if (flow >= FLOWS_MAX || increment->srcport != 1024 + flow % 60000 ||
		increment->dstport != 443 || increment->protocol != 6 || target >= TARGETS_MAX ||
		(memcmp(&increment->srcip, mapped, 12) && memcmp(&increment->srcip, ip6, 12))) {
		got->misplaced++;
		return;
	}
	got->flows[flow].packets += increment->count;
	got->flows[flow].bytes += increment->size;
	got->targets[target].packets += increment->count;
	got->targets[target].bytes += increment->size;
}

static void on_shed(void *user, const struct flow_event *increment)
{
	static const ip_addr nobody = {0};
	struct account *got = user;
	uint32_t dst, target;

	memcpy(&dst, increment->dstip.bytes + 12, 4);
	target = ntohl(dst) - 0xc0a80001;
	got->shed.packets += increment->count;
	got->shed.bytes += increment->size;
	if (memcmp(&increment->dstip, &nobody, sizeof(nobody)) == 0) {
		got->unplaced.packets += increment->count;
		got->unplaced.bytes += increment->size;
	} else if (target >= TARGETS_MAX || increment->srcport || increment->dstport ||
		   increment->protocol || memcmp(&increment->srcip, &nobody, sizeof(nobody))) {
		got->misplaced++;
	} else {
		got->targets[target].packets += increment->count;
		got->targets[target].bytes += increment->size;
	}
}

static struct rig rig_open(uint32_t slots, uint32_t ring_records)
{
	struct rig rig = {.cpu_count = (uint32_t)libbpf_num_possible_cpus()};
	const struct flow_table_options options = {
		.cpu_count = rig.cpu_count,
		.slots4 = slots * rig.cpu_count,
		.slots6 = slots * rig.cpu_count,
		.slots_shed = 512 * rig.cpu_count,
		.ring_records = ring_records * rig.cpu_count,
		.stale_ns = NS_PER_SEC,
		.tick_ns = TICK_NS,
	};
	struct flow_settings *settings;
	struct bpf_map *feeds;

	rig.program = flow_feed__open();
	assert_non_null(rig.program);
	feeds = rig.program->maps.feeds;
	assert_int_equal(bpf_map__set_max_entries(feeds, rig.cpu_count), 0);
	settings = &rig.program->rodata->flow_settings;
	assert_int_equal(flow_table_prepare(&options, rig.program->obj, settings), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(settings->seeds); i++)
		settings->seeds[i] = (i + 1) * 0xd1342543de82ef95ULL; /* each run the same */
	assert_int_equal(flow_feed__load(rig.program), 0);
	assert_int_equal(flow_table_open(&options, settings, rig.program->obj, &rig.table), 0);
	rig.feeds_bytes = rig.cpu_count * sizeof(struct feed);
	rig.feeds = mmap(
		NULL, rig.feeds_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(feeds), 0);
	assert_ptr_not_equal(rig.feeds, MAP_FAILED);
	rig.options = options;
	rig.program->bss->tick = START;
	rig.got.flows = calloc(FLOWS_MAX, sizeof(struct count));
	rig.got.targets = calloc(TARGETS_MAX, sizeof(struct count));
	rig.sent = calloc(FLOWS_MAX, sizeof(struct count));
	rig.sent_to_targets = calloc(TARGETS_MAX, sizeof(struct count));
	assert_non_null(rig.got.flows);
	assert_non_null(rig.got.targets);
	assert_non_null(rig.sent);
	assert_non_null(rig.sent_to_targets);
	return rig;
}

static void rig_close(struct rig *rig)
{
	munmap(rig->feeds, rig->feeds_bytes);
	flow_table_close(rig->table);
	flow_feed__destroy(rig->program);
	free(rig->got.flows);
	free(rig->got.targets);
	free(rig->sent);
	free(rig->sent_to_targets);
}

static struct flow_time now(const struct rig *rig)
{
	const uint64_t tick = rig->program->bss->tick;

	return (struct flow_time){tick, START_NS + (tick - START) * TICK_NS};
}

static size_t collect(struct rig *rig)
{
	const struct flow_time time = now(rig);
	const struct flow_sink sink = {.flow = on_flow, .shed = on_shed, .user = &rig->got};

	return flow_table_collect(rig->table, &time, &sink);
}

static size_t drain(struct rig *rig)
{
	const struct flow_time time = now(rig);
	const struct flow_sink sink = {.flow = on_flow, .shed = on_shed, .user = &rig->got};

	return flow_table_drain(rig->table, &time, SIZE_MAX, &sink);
}

/* ---- senders ---- */

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void feed_packets(const struct rig *rig, uint32_t packets)
{
	uint8_t unused[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = unused, .data_size_in = sizeof(unused),
		.repeat = (int)packets);

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(rig->program->progs.feed_one), &opts), 0);
	assert_int_equal(opts.retval, 2 /* XDP_PASS */);
}

/* Sends on this thread's CPU, which becomes 0. */
static void send_here(struct rig *rig, const struct feed *feed, uint32_t packets)
{
	pin(0);
	rig->feeds[0] = *feed;
	feed_packets(rig, packets);
}

struct sender {
	pthread_t thread;
	const struct rig *rig;
	unsigned int cpu;
	uint32_t packets;
	bool waits; /* for the reader, before a ring is full */
	atomic_bool done;
};

static void wait_for_room(const struct flow_table *table)
{
	size_t capacity;

	while (flow_table_backlog(table, &capacity) + CHUNK > capacity)
		sched_yield();
}

static void *send_on(void *user)
{
	struct sender *s = user;

	pin(s->cpu);
	for (uint32_t left = s->packets; left > 0; left -= MIN(left, CHUNK)) {
		if (s->waits)
			wait_for_room(s->rig->table);
		feed_packets(s->rig, MIN(left, CHUNK));
	}
	atomic_store(&s->done, true);
	return NULL;
}

/* Runs all feeds at once, each on its CPU, and collects all the while. */
static void send_from_all(struct rig *rig, uint32_t packets, bool waits)
{
	const unsigned int cpus = MIN((unsigned int)sysconf(_SC_NPROCESSORS_ONLN), CPUS);
	struct sender senders[CPUS];
	unsigned int running = cpus;

	for (unsigned int i = 0; i < cpus; i++) {
		senders[i] =
			(struct sender){.rig = rig, .cpu = i, .packets = packets, .waits = waits};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_on, &senders[i]), 0);
	}
	for (unsigned int turn = 0; running > 0; turn++) {
		if (turn % 4 == 0)
			collect(rig);
		else
			drain(rig);
		running = 0;
		for (unsigned int i = 0; i < cpus; i++)
			running += !atomic_load(&senders[i].done);
	}
	for (unsigned int i = 0; i < cpus; i++)
		pthread_join(senders[i].thread, NULL);
	collect(rig);
}

/* What all feeds sent, and were told was shed. */
static struct count feeds_sum(const struct rig *rig, struct count *ret_shed)
{
	struct count sent = {0};

	*ret_shed = (struct count){0};
	for (uint32_t cpu = 0; cpu < rig->cpu_count; cpu++) {
		sent.packets += rig->feeds[cpu].sent_packets;
		sent.bytes += rig->feeds[cpu].sent_bytes;
		ret_shed->packets += rig->feeds[cpu].shed_packets;
		ret_shed->bytes += rig->feeds[cpu].shed_bytes;
	}
	return sent;
}

/* The one equation that everything is for. */
static void assert_exact(const struct rig *rig)
{
	struct flow_table_counters counters;
	struct count shed;
	const struct count sent = feeds_sum(rig, &shed);

	flow_table_read_counters(rig->table, &counters);
	assert_int_equal(rig->got.misplaced, 0);
	assert_int_equal(counters.shed_packets, shed.packets);
	assert_int_equal(counters.shed_bytes, shed.bytes);
	assert_int_equal(rig->got.shed.packets, shed.packets);
	assert_int_equal(rig->got.shed.bytes, shed.bytes);
	assert_int_equal(rig->got.all.packets + shed.packets, sent.packets);
	assert_int_equal(rig->got.all.bytes + shed.bytes, sent.bytes);
}

/* Sends a feed's packets again, in the head. */
static void expect_packets(struct rig *rig, const struct feed *feed, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		const uint64_t flow = feed_flow(feed, n), bytes = feed_bytes(flow, n);
		struct count *target = &rig->sent_to_targets[feed_target(feed, flow)];

		rig->sent[flow].packets++;
		rig->sent[flow].bytes += bytes;
		target->packets++;
		target->bytes += bytes;
	}
}

static void expect_flows(struct rig *rig)
{
	for (uint32_t cpu = 0; cpu < rig->cpu_count; cpu++)
		expect_packets(rig, &rig->feeds[cpu], 0, rig->feeds[cpu].next);
}

static void assert_each_flow_exact(struct rig *rig)
{
	expect_flows(rig);
	for (uint32_t flow = 0; flow < FLOWS_MAX; flow++)
		if (rig->got.flows[flow].packets != rig->sent[flow].packets ||
			rig->got.flows[flow].bytes != rig->sent[flow].bytes)
			fail_msg("flow %u: sent %" PRIu64 " packets, %" PRIu64
				 " bytes, got %" PRIu64 ", %" PRIu64,
				flow, rig->sent[flow].packets, rig->sent[flow].bytes,
				rig->got.flows[flow].packets, rig->got.flows[flow].bytes);
}

/* Packets that are in no target's increment are those that were said to be. */
static void assert_each_target_exact(struct rig *rig)
{
	struct count missing = {0};

	for (uint32_t target = 0; target < TARGETS_MAX; target++) {
		const struct count *sent = &rig->sent_to_targets[target];
		const struct count *got = &rig->got.targets[target];

		if (got->packets > sent->packets || got->bytes > sent->bytes)
			fail_msg("target %u: sent %" PRIu64 " packets, %" PRIu64
				 " bytes, got %" PRIu64 ", %" PRIu64,
				target, sent->packets, sent->bytes, got->packets, got->bytes);
		missing.packets += sent->packets - got->packets;
		missing.bytes += sent->bytes - got->bytes;
	}
	assert_int_equal(missing.packets, rig->got.unplaced.packets);
	assert_int_equal(missing.bytes, rig->got.unplaced.bytes);
}

/* ---- sent = counted ---- */

static void count_flows(uint32_t flows, uint32_t slots, bool is_ip6)
{
	struct rig rig = rig_open(slots, 16384);
	struct count shed;

	/* Half of each CPU's flows are the other's as well. */
	for (uint32_t cpu = 0; cpu < CPUS && cpu < rig.cpu_count; cpu++)
		rig.feeds[cpu] =
			(struct feed){.flows = flows, .first = cpu * (flows / 2), .is_ip6 = is_ip6};
	send_from_all(&rig, 1000000, true);
	(void)feeds_sum(&rig, &shed);
	assert_int_equal(shed.packets, 0);
	assert_exact(&rig);
	assert_each_flow_exact(&rig);
	rig_close(&rig);
}

static void one_flow_is_counted_to_the_packet(void **state _unused_)
{
	count_flows(1, 1024, false);
}

static void a_hundred_thousand_flows_are_counted_to_the_packet(void **state _unused_)
{
	count_flows(100000, 131072, false);
}

static void a_million_flows_in_a_small_table_are_counted_to_the_packet(void **state _unused_)
{
	count_flows(1000000, 4096, false);
}

static void ipv6_flows_are_counted_to_the_packet(void **state _unused_)
{
	count_flows(100000, 8192, true);
}

static void a_flood_is_counted_or_declared_shed(void **state _unused_)
{
	struct rig rig = rig_open(4096, 64);
	struct count shed;

	for (uint32_t cpu = 0; cpu < CPUS && cpu < rig.cpu_count; cpu++)
		rig.feeds[cpu] = (struct feed){
			.flows = FLOWS_MAX / CPUS, .first = cpu * (FLOWS_MAX / CPUS), .in_turn = 1};
	send_from_all(&rig, 500000, false);
	(void)feeds_sum(&rig, &shed);
	assert_true(shed.packets > 0);
	assert_exact(&rig);
	for (uint32_t flow = 0; flow < FLOWS_MAX; flow++)
		assert_true(rig.got.flows[flow].packets <= 1);
	rig_close(&rig);
}

/* Of each packet it is known whom it was for, whatever became of its flow. */
static void flood_to_some_targets(uint32_t targets, bool is_ip6)
{
	struct rig rig = rig_open(4096, 64);

	for (uint32_t cpu = 0; cpu < CPUS && cpu < rig.cpu_count; cpu++)
		rig.feeds[cpu] = (struct feed){.flows = FLOWS_MAX / CPUS,
			.first = cpu * (FLOWS_MAX / CPUS),
			.targets = targets,
			.in_turn = 1,
			.is_ip6 = is_ip6};
	send_from_all(&rig, 500000, false);
	assert_true(rig.got.shed.packets > 0);
	assert_exact(&rig);
	expect_flows(&rig);
	assert_each_target_exact(&rig);
	assert_int_equal(rig.got.unplaced.packets, 0);
	rig_close(&rig);
}

static void a_floods_target_is_counted_to_the_packet(void **state _unused_)
{
	flood_to_some_targets(1, false);
	flood_to_some_targets(100, false);
	flood_to_some_targets(10, true);
}

static void a_flood_to_more_targets_than_fit_is_counted_or_declared(void **state _unused_)
{
	struct rig rig = rig_open(512, 64);

	for (uint32_t cpu = 0; cpu < CPUS && cpu < rig.cpu_count; cpu++)
		rig.feeds[cpu] = (struct feed){.flows = FLOWS_MAX / CPUS,
			.first = cpu * (FLOWS_MAX / CPUS),
			.targets = TARGETS_MAX,
			.in_turn = 1};
	send_from_all(&rig, 500000, false);
	assert_true(rig.got.unplaced.packets > 0);
	assert_exact(&rig);
	expect_flows(&rig);
	assert_each_target_exact(&rig);
	rig_close(&rig);
}

/* Goes on with the feed, to other targets. */
static void flood_targets(
	struct rig *rig, struct feed *feed, uint64_t first, uint64_t targets, uint32_t packets)
{
	feed->first_target = first;
	feed->targets = targets;
	expect_packets(rig, feed, feed->next, feed->next + packets);
	send_here(rig, feed, packets);
	*feed = rig->feeds[0];
}

static void what_was_shed_makes_room_when_it_was_read(void **state _unused_)
{
	struct rig rig = rig_open(512, 64);
	struct feed flood = {.flows = FLOWS_MAX, .in_turn = 1};

	for (unsigned int turn = 0; turn < 40; turn++) {
		flood_targets(&rig, &flood, turn * 40, 40, 2000);
		collect(&rig);
	}
	assert_in_range(rig.got.shed.packets, 40 * 1000, 40 * 2000);
	assert_int_equal(rig.got.unplaced.packets, 0);
	assert_exact(&rig);
	assert_each_target_exact(&rig);
	rig_close(&rig);
}

/* Nor may the others' packets be taken for theirs. */
static void what_was_not_read_yet_makes_no_room(void **state _unused_)
{
	struct rig rig = rig_open(512, 64);
	struct feed flood = {.flows = FLOWS_MAX, .in_turn = 1};

	for (unsigned int turn = 0; turn < 10; turn++) {
		flood_targets(&rig, &flood, turn * 40, 40, 2000);
		collect(&rig);
		flood_targets(&rig, &flood, turn * 40, 40, 2000);
		flood_targets(&rig, &flood, 1000, 5000, 10000);
		flood_targets(&rig, &flood, turn * 40, 40, 2000);
	}
	collect(&rig);
	assert_true(rig.got.unplaced.packets > 0);
	assert_exact(&rig);
	assert_each_target_exact(&rig);
	rig_close(&rig);
}

/* ---- what fits, and what does not ---- */

static void a_full_ring_sheds_new_flows_and_keeps_the_old(void **state _unused_)
{
	struct rig rig = rig_open(512, 128);
	const struct feed residents = {.flows = 16, .in_turn = 1};
	const struct feed flood = {.flows = 10000, .first = 1000, .in_turn = 1};
	struct flow_table_counters counters;

	/* They have more packets than what comes after them: what leaves the table is the flood. */
	send_here(&rig, &residents, 16 * 100);
	send_here(&rig, &flood, 10000);
	flow_table_read_counters(rig.table, &counters);
	assert_int_equal(counters.records, 128);
	assert_in_range(counters.shed_packets, 10000 - 128 - 512, 10000 - 128);
	send_here(&rig, &residents, 16);
	assert_int_equal(drain(&rig), 128);
	collect(&rig);
	assert_int_equal(rig.got.all.packets + counters.shed_packets, 1600 + 10000 + 16);
	for (uint32_t flow = 0; flow < 16; flow++)
		assert_int_equal(rig.got.flows[flow].packets, 101);
	rig_close(&rig);
}

static void a_ring_that_was_read_takes_records_again(void **state _unused_)
{
	struct rig rig = rig_open(512, 128);
	const struct feed flood = {.flows = 100000, .in_turn = 1};
	struct flow_table_counters before, after;

	send_here(&rig, &flood, 5000);
	flow_table_read_counters(rig.table, &before);
	assert_int_equal(drain(&rig), 128);
	feed_packets(&rig, 100);
	flow_table_read_counters(rig.table, &after);
	assert_int_equal(after.shed_packets, before.shed_packets);
	assert_int_equal(after.records, before.records + 100);
	collect(&rig);
	assert_exact(&rig);
	rig_close(&rig);
}

static void a_flow_of_many_packets_outlives_a_flood(void **state _unused_)
{
	struct rig rig = rig_open(512, 65536);
	const struct feed heavy = {.flows = 1, .first = 500000};
	const struct feed flood = {.flows = 20000, .in_turn = 1};

	send_here(&rig, &heavy, 10);
	send_here(&rig, &flood, 20000);
	drain(&rig);
	assert_int_equal(rig.got.flows[500000].packets, 0);
	collect(&rig);
	assert_int_equal(rig.got.flows[500000].packets, 10);
	rig_close(&rig);
}

static void a_stale_flow_does_not(void **state _unused_)
{
	struct rig rig = rig_open(512, 65536);
	const struct feed heavy = {.flows = 1, .first = 500000};
	const struct feed flood = {.flows = 20000, .in_turn = 1};

	send_here(&rig, &heavy, 10);
	rig.program->bss->tick += NS_PER_SEC / TICK_NS + 1;
	send_here(&rig, &flood, 20000);
	drain(&rig);
	assert_int_equal(rig.got.flows[500000].packets, 10);
	rig_close(&rig);
}

static void a_flow_that_outgrows_its_counter_goes_on(void **state _unused_)
{
	struct rig rig = rig_open(512, 128);
	const struct feed feed = {.flows = 1};
	const struct bpf_map *map = rig.program->maps.flow_table4;
	const size_t bytes = (size_t)bpf_map__max_entries(map) * sizeof(struct flow_bucket4);
	struct flow_slot4 *slots =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(slots, MAP_FAILED);
	send_here(&rig, &feed, 1);
	collect(&rig);
	for (size_t i = 0; i < bytes / sizeof(*slots); i++)
		if (slots[i].tally.packets == 1)
			slots[i].tally.packets = FLOW_PACKETS_MAX - 1;
	feed_packets(&rig, 5);
	collect(&rig);
	assert_int_equal(rig.got.all.packets, (uint64_t)FLOW_PACKETS_MAX - 1 + 5);
	munmap(slots, bytes);
	rig_close(&rig);
}

/* The tick that a slot keeps is 24 bits, and a slot of zeros is empty. */
static void nothing_is_lost_when_the_tick_wraps(void **state _unused_)
{
	struct rig rig = rig_open(512, 128);
	const struct feed feed = {.flows = 1};

	rig.program->bss->tick = (uint64_t)1 << FLOW_TICK_BITS;
	send_here(&rig, &feed, 3);
	collect(&rig);
	assert_int_equal(rig.got.all.packets, 3);
	rig_close(&rig);
}

/* ---- what is handed on ---- */

static void what_did_not_change_is_not_handed_on_again(void **state _unused_)
{
	struct rig rig = rig_open(4096, 128);
	const struct feed feed = {.flows = 100, .in_turn = 1};
	const struct feed one = {.flows = 1, .first = 7};

	send_here(&rig, &feed, 100);
	assert_int_equal(collect(&rig), 100);
	assert_int_equal(collect(&rig), 0);
	send_here(&rig, &one, 3);
	assert_int_equal(collect(&rig), 1);
	assert_int_equal(rig.got.last.count, 3);
	rig_close(&rig);
}

static void increments_say_when_their_packets_came(void **state _unused_)
{
	struct rig rig = rig_open(1024, 128);
	const struct feed feed = {.flows = 1};

	rig.program->bss->tick = START + 10;
	send_here(&rig, &feed, 1);
	rig.program->bss->tick = START + 20;
	feed_packets(&rig, 1);
	rig.program->bss->tick = START + 30;
	collect(&rig);
	assert_int_equal(rig.got.last.first, START_NS + 10 * TICK_NS);
	assert_int_equal(rig.got.last.last, START_NS + 20 * TICK_NS);
	rig.program->bss->tick = START + 40;
	feed_packets(&rig, 1);
	collect(&rig);
	/* Of the second increment it is only known that it began after the first. */
	assert_int_equal(rig.got.last.first, START_NS + 30 * TICK_NS);
	assert_int_equal(rig.got.last.last, START_NS + 40 * TICK_NS);
	rig_close(&rig);
}

static void tcp_flags_are_those_of_all_packets(void **state _unused_)
{
	struct rig rig = rig_open(1024, 128);
	struct feed feed = {.flows = 1, .flags = TCP_SYN};

	send_here(&rig, &feed, 1);
	feed.flags = TCP_ACK | TCP_PSH;
	send_here(&rig, &feed, 1);
	collect(&rig);
	assert_int_equal(rig.got.last.flags, TCP_SYN | TCP_ACK | TCP_PSH);
	rig_close(&rig);
}

static void one_family_does_not_crowd_out_the_other(void **state _unused_)
{
	struct rig rig = rig_open(512, 65536);
	const struct feed four = {.flows = 1, .first = 3};
	const struct feed six = {.flows = 5000, .in_turn = 1, .is_ip6 = 1};
	struct flow_table_counters counters;

	send_here(&rig, &four, 1);
	send_here(&rig, &six, 5000);
	flow_table_read_counters(rig.table, &counters);
	assert_in_range(counters.records, 5000 - 512, 5000);
	drain(&rig);
	assert_int_equal(rig.got.all.packets, counters.records);
	assert_memory_not_equal(&rig.got.last.srcip, "\0\0\0\0", 4);
	collect(&rig);
	assert_int_equal(rig.got.flows[3].packets, 1 + 1); /* IPv6's flow 3 and IPv4's */
	rig_close(&rig);
}

/* As an agent that is started again, while the program goes on counting. */
static void a_new_reader_goes_on_where_the_last_one_stopped(void **state _unused_)
{
	struct rig rig = rig_open(512, 16384);
	const struct feed residents = {.flows = 100, .in_turn = 1};
	const struct feed flood = {.flows = 5000, .first = 1000, .in_turn = 1};

	send_here(&rig, &residents, 1000);
	assert_int_equal(collect(&rig), 100);
	feed_packets(&rig, 500);
	flow_table_close(rig.table);
	feed_packets(&rig, 500);
	send_here(&rig, &flood, 5000);
	assert_int_equal(flow_table_open(&rig.options, &rig.program->rodata->flow_settings,
				 rig.program->obj, &rig.table),
		0);
	collect(&rig);
	assert_int_equal(rig.got.all.packets, 2000 + 5000);
	assert_int_equal(rig.got.last.first, START_NS);
	for (uint32_t flow = 0; flow < 100; flow++)
		assert_int_equal(rig.got.flows[flow].packets, 20);
	rig_close(&rig);
}

/* As the programs of several interfaces do. */
static void programs_that_share_a_table_count_in_the_same_slots(void **state _unused_)
{
	struct rig rig = rig_open(512, 128);
	const struct feed feed = {.flows = 1, .first = 9};
	struct flow_feed *second = flow_feed__open();
	struct rig other = rig;

	assert_non_null(second);
	second->rodata->flow_settings = rig.program->rodata->flow_settings;
	assert_int_equal(flow_table_share(second->obj, rig.program->obj), 0);
	assert_int_equal(
		bpf_map__reuse_fd(second->maps.feeds, bpf_map__fd(rig.program->maps.feeds)), 0);
	assert_int_equal(flow_feed__load(second), 0);
	second->bss->tick = START;
	other.program = second;
	send_here(&rig, &feed, 2);
	feed_packets(&other, 3);
	assert_int_equal(collect(&rig), 1);
	assert_int_equal(rig.got.flows[9].packets, 5);
	flow_feed__destroy(second);
	rig_close(&rig);
}

static void the_clock_knows_the_kernels_tick(void **state _unused_)
{
	struct flow_clock early, late;
	struct flow_time then;

	assert_int_equal(flow_clock_open(&early), 0);
	assert_true(early.tick_ns >= NS_PER_MS && early.tick_ns <= 10 * NS_PER_MS);
	usleep(50000);
	assert_int_equal(flow_clock_open(&late), 0);
	/* The first one counts on by itself: it must agree with what the kernel says later. */
	assert_true(late.tick > early.tick);
	assert_in_range(
		(late.monotonic_ns - early.monotonic_ns + early.tick_ns / 2) / early.tick_ns,
		late.tick - early.tick - 1, late.tick - early.tick + 1);
	then = flow_clock_now(&early);
	assert_in_range(then.tick, late.tick - 1, late.tick + 2500);
	assert_in_range(then.unix_ns, clock_realtime_ns() - NS_PER_SEC, clock_realtime_ns());
}

static void sizes_that_cannot_be_are_refused(void **state _unused_)
{
	struct flow_feed *program = flow_feed__open();
	struct flow_table_options options = {.cpu_count = 1,
		.slots4 = 512,
		.slots6 = 512,
		.ring_records = 1,
		.slots_shed = 512,
		.tick_ns = 1};
	struct flow_settings settings = {.stale_ticks = 42};

	assert_non_null(program);
	options.slots4 = 511;
	assert_int_equal(flow_table_prepare(&options, program->obj, &settings), -EINVAL);
	options.slots4 = UINT32_MAX;
	assert_int_equal(flow_table_prepare(&options, program->obj, &settings), -EINVAL);
	options.slots4 = 512;
	options.ring_records = 0;
	assert_int_equal(flow_table_prepare(&options, program->obj, &settings), -EINVAL);
	options.ring_records = 1;
	options.slots_shed = 511;
	assert_int_equal(flow_table_prepare(&options, program->obj, &settings), -EINVAL);
	assert_int_equal(settings.stale_ticks, 42);
	options.slots_shed = 512;
	assert_int_equal(flow_table_prepare(&options, program->obj, &settings), 0);
	flow_feed__destroy(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flow_is_counted_to_the_packet),
		cmocka_unit_test(a_hundred_thousand_flows_are_counted_to_the_packet),
		cmocka_unit_test(a_million_flows_in_a_small_table_are_counted_to_the_packet),
		cmocka_unit_test(ipv6_flows_are_counted_to_the_packet),
		cmocka_unit_test(a_flood_is_counted_or_declared_shed),
		cmocka_unit_test(a_floods_target_is_counted_to_the_packet),
		cmocka_unit_test(a_flood_to_more_targets_than_fit_is_counted_or_declared),
		cmocka_unit_test(what_was_shed_makes_room_when_it_was_read),
		cmocka_unit_test(what_was_not_read_yet_makes_no_room),
		cmocka_unit_test(a_full_ring_sheds_new_flows_and_keeps_the_old),
		cmocka_unit_test(a_ring_that_was_read_takes_records_again),
		cmocka_unit_test(a_flow_of_many_packets_outlives_a_flood),
		cmocka_unit_test(a_stale_flow_does_not),
		cmocka_unit_test(a_flow_that_outgrows_its_counter_goes_on),
		cmocka_unit_test(nothing_is_lost_when_the_tick_wraps),
		cmocka_unit_test(what_did_not_change_is_not_handed_on_again),
		cmocka_unit_test(increments_say_when_their_packets_came),
		cmocka_unit_test(tcp_flags_are_those_of_all_packets),
		cmocka_unit_test(one_family_does_not_crowd_out_the_other),
		cmocka_unit_test(a_new_reader_goes_on_where_the_last_one_stopped),
		cmocka_unit_test(programs_that_share_a_table_count_in_the_same_slots),
		cmocka_unit_test(the_clock_knows_the_kernels_tick),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
	};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
