// SPDX-License-Identifier: BSD-2-Clause
/* Sources and targets: the program run by BPF_PROG_TEST_RUN, read through the collector. */
#include "agent/collect.h"
#include "base/clock.h"
#include "event/render.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define RECORDS_MAX 64
#define START_NS    (1000 * NS_PER_SEC)

struct taken {
	struct collector *collector;
	struct source_event sources[RECORDS_MAX];
	struct target_event targets[RECORDS_MAX];
	size_t source_count, target_count;
};

/* As if each increment were a flow that grew. */
static void take_flow(void *user, const struct flow_event *flow)
{
	struct taken *taken = user;

	fanout_count(collector_fanout(taken->collector), flow, flow->last);
}

static void take_shed(void *user, const struct flow_event *flow)
{
	struct taken *taken = user;

	fanout_count_shed(collector_fanout(taken->collector), flow, flow->last);
}

static void take_port(void *user _unused_, const struct port_event *port _unused_)
{
}

static void take_source(void *user, const struct source_event *event)
{
	struct taken *taken = user;

	if (taken->source_count < RECORDS_MAX)
		taken->sources[taken->source_count] = *event;
	taken->source_count++;
}

static void take_target(void *user, const struct target_event *event)
{
	struct taken *taken = user;

	if (taken->target_count < RECORDS_MAX)
		taken->targets[taken->target_count] = *event;
	taken->target_count++;
}

static struct collect_sink sink(struct taken *taken)
{
	return (struct collect_sink){
		.flow = take_flow,
		.shed = take_shed,
		.port = take_port,
		.source = take_source,
		.target = take_target,
		.user = taken,
	};
}

static struct collector *make(
	struct fanout_thresholds source, struct fanout_thresholds target, uint32_t max, bool driven)
{
	const struct collector_options options = {
		.interface_count = 1,
		.flow_max = 65536,
		.port_max = 65536,
		.driven = driven,
		.fanout = {.window_ns = 10 * NS_PER_SEC,
			.repeat_ns = NS_PER_SEC,
			.max = max,
			.source = source,
			.target = target},
	};
	struct collector *collector = NULL;

	assert_int_equal(collector_new(&options, &collector), 0);
	if (driven)
		collector_set_time(collector, START_NS);
	return collector;
}

static void run(struct collector *collector, const struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes,
		.data_size_in = (uint32_t)frame->size, .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(collector_program_fd(collector, 0), &run), 0);
	assert_int_equal(run.retval, XDP_PASS);
}

static void tcp(struct collector *collector, unsigned int from, unsigned int to, uint16_t port,
	uint8_t flags)
{
	char src[32], dst[32];
	struct frame f;

	snprintf(src, sizeof(src), "10.1.%u.%u", from >> 8, from & 255);
	snprintf(dst, sizeof(dst), "10.2.%u.%u", to >> 8, to & 255);
	lab_tcp4(&f, src, dst, (uint16_t[2]){40000, port}, flags, 0);
	run(collector, &f);
}

static void take(struct collector *collector, struct taken *taken)
{
	const struct collect_sink records = sink(taken);

	assert_int_equal(collector_take_alarms(collector, &records), 0);
}

static void collect(struct collector *collector, struct taken *taken)
{
	const struct collect_sink records = sink(taken);

	taken->collector = collector;
	assert_int_equal(collector_collect(collector, &records), 0);
	assert_int_equal(collector_take_alarms(collector, &records), 0);
	if (collector_window_is_over(collector))
		assert_int_equal(collector_end_window(collector, &records), 0);
}

static void assert_ip(const ip_addr *ip, const char *expected)
{
	char text[IP_TEXT_MAX];

	assert_string_equal(ip_render(ip, text), expected);
}

static void scan_is_told_at_once_and_once_a_second(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make(
		(struct fanout_thresholds){.ports = 50}, (struct fanout_thresholds){0}, 64, true);
	struct taken taken = {0};

	for (uint16_t port = 1; port <= 200; port++) {
		collector_set_time(collector, START_NS + port * NS_PER_MS);
		tcp(collector, 1, 2, port, TCP_SYN);
	}
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_int_equal(taken.target_count, 0);
	assert_ip(&taken.sources[0].srcip, "10.1.0.1");
	/* Within the sketch's error: 50 values seldom set the average number of bits exactly. */
	assert_in_range(taken.sources[0].syn, 45, 60);
	assert_int_equal(taken.sources[0].packets, taken.sources[0].syn);
	assert_int_equal(taken.sources[0].size, 54 * taken.sources[0].packets);
	assert_in_range(taken.sources[0].ports, 48, 52);
	assert_int_equal(taken.sources[0].hosts, 1);
	assert_int_equal(taken.sources[0].ended, 0);
	assert_int_equal(taken.sources[0].first, START_NS + NS_PER_MS);
	assert_int_equal(taken.sources[0].last, START_NS + taken.sources[0].packets * NS_PER_MS);

	collector_set_time(collector, START_NS + 2 * NS_PER_SEC);
	tcp(collector, 1, 2, 201, TCP_SYN);
	tcp(collector, 1, 2, 202, TCP_SYN);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 2);
	assert_int_equal(taken.sources[1].syn, 201);
	assert_int_equal(taken.sources[1].first, taken.sources[0].first);
}

static void sweep_and_crowd_are_told_by_their_other_ends(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.hosts = 100},
			(struct fanout_thresholds){.hosts = 100}, 1024, true);
	struct taken taken = {0};

	for (unsigned int host = 0; host < 150; host++)
		tcp(collector, 5, 1000 + host, 22, TCP_SYN);
	for (unsigned int host = 0; host < 150; host++)
		tcp(collector, 1000 + host, 7, 80, TCP_SYN);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_int_equal(taken.target_count, 1);
	assert_ip(&taken.sources[0].srcip, "10.1.0.5");
	assert_ip(&taken.targets[0].dstip, "10.2.0.7");
	assert_in_range(taken.targets[0].sources, 97, 103);
	assert_int_equal(taken.targets[0].ports, 1);
}

static void half_open_is_told_and_completed_is_not(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.half_open = 30},
			(struct fanout_thresholds){.half_open = 30}, 1024, true);
	struct taken taken = {0};

	for (uint16_t i = 0; i < 200; i++) {
		tcp(collector, 1, 2, 1000 + i, TCP_SYN);
		tcp(collector, 1, 2, 1000 + i, TCP_ACK);
	}
	take(collector, &taken);
	assert_int_equal(taken.source_count + taken.target_count, 0);
	for (uint16_t i = 0; i < 30; i++)
		tcp(collector, 3, 2, 80, TCP_SYN);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_int_equal(taken.target_count, 1);
	assert_int_equal(taken.sources[0].syn, 30);
	assert_int_equal(taken.sources[0].completed, 0);
	assert_int_equal(taken.targets[0].syn, 230);
	assert_int_equal(taken.targets[0].completed, 200);
}

static void end_window(struct collector *collector, struct taken *taken)
{
	const struct collect_sink records = sink(taken);

	taken->collector = collector;
	assert_int_equal(collector_collect(collector, &records), 0);
	assert_int_equal(collector_end_window(collector, &records), 0);
}

/* By the text of its address; NULL: there is none. */
static const struct source_event *last_source(const struct taken *taken, const char *address)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < taken->source_count; i++)
		if (taken->sources[i].ended &&
			strcmp(ip_render(&taken->sources[i].srcip, text), address) == 0)
			return &taken->sources[i];
	return NULL;
}

static const struct target_event *last_target(const struct taken *taken, const char *address)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < taken->target_count; i++)
		if (taken->targets[i].ended &&
			strcmp(ip_render(&taken->targets[i].dstip, text), address) == 0)
			return &taken->targets[i];
	return NULL;
}

static void window_ends_with_a_last_record_and_begins_at_zero(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.half_open = 10}, (struct fanout_thresholds){0}, 64,
			true);
	struct taken taken = {0};

	collect(collector, &taken); /* the first window begins */
	for (unsigned int i = 0; i < 25; i++)
		tcp(collector, 1, 2, 80, TCP_SYN);
	collect(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_int_equal(taken.sources[0].syn, 10);
	collector_set_time(collector, START_NS + 10 * NS_PER_SEC);
	collect(collector, &taken);
	assert_int_equal(taken.source_count, 2);
	assert_int_equal(taken.sources[1].syn, 25);
	assert_int_equal(taken.sources[1].ended, 1);
	for (unsigned int i = 0; i < 9; i++)
		tcp(collector, 1, 2, 80, TCP_SYN);
	collect(collector, &taken);
	assert_int_equal(taken.source_count, 2);
	tcp(collector, 1, 2, 80, TCP_SYN);
	collect(collector, &taken);
	assert_int_equal(taken.source_count, 3);
	assert_int_equal(taken.sources[2].syn, 10);
}

/* 3,000 sources of one packet, and one of 2,000: who has not a thousandth is in the sum of all others. */
static void last_records_add_up_to_all_packets(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){0}, (struct fanout_thresholds){0}, 4096, true);
	struct taken taken = {0};
	uint64_t sources = 0, targets = 0, syn = 0;

	collect(collector, &taken);
	for (unsigned int i = 0; i < 3000; i++)
		tcp(collector, 100 + i, 2, 80, TCP_SYN);
	for (unsigned int i = 0; i < 2000; i++)
		tcp(collector, 1, 3, 80, TCP_ACK);
	end_window(collector, &taken);
	for (size_t i = 0; i < taken.source_count; i++) {
		sources += taken.sources[i].packets;
		syn += taken.sources[i].syn;
	}
	for (size_t i = 0; i < taken.target_count; i++)
		targets += taken.targets[i].packets;
	assert_int_equal(sources, 5000);
	assert_int_equal(targets, 5000);
	assert_int_equal(syn, 3000);
	assert_int_equal(taken.source_count, 2);
	assert_int_equal(last_source(&taken, "10.1.0.1")->packets, 2000);
	assert_int_equal(last_source(&taken, "10.1.0.1")->size, 2000 * 54);
	assert_int_equal(last_source(&taken, "::")->packets, 3000);
	assert_int_equal(last_source(&taken, "::")->syn, 3000);
	assert_int_equal(taken.target_count, 2);
	assert_int_equal(last_target(&taken, "10.2.0.2")->packets, 3000);
	assert_int_equal(last_target(&taken, "10.2.0.2")->syn, 3000);
	assert_in_range(last_target(&taken, "10.2.0.2")->sources, 2700, 3300);
	assert_int_equal(last_target(&taken, "10.2.0.3")->packets, 2000);
	assert_int_equal(last_target(&taken, "10.2.0.3")->syn, 0);
	assert_int_equal(last_target(&taken, "10.2.0.3")->first, START_NS >> 20 << 20);

	taken = (struct taken){0};
	end_window(collector, &taken);
	assert_int_equal(taken.source_count + taken.target_count, 0);
}

/* More flows than table and ring hold: detail is shed, and whom the packets were for is not. */
static void a_floods_target_is_exact_whatever_is_shed(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){0}, (struct fanout_thresholds){0}, 1024, true);
	struct interface_event totals = {0};
	struct taken taken = {0};

	collect(collector, &taken);
	tcp(collector, 1, 3, 80, TCP_ACK);
	for (unsigned int i = 0; i < 200000; i++)
		tcp(collector, i % 60000, 2, (uint16_t)(1 + i / 60000), TCP_SYN);
	end_window(collector, &taken);
	assert_int_equal(collector_read_interface(collector, 0, &totals), 0);
	assert_in_range(totals.flow_shed, 10000, 190000);
	assert_int_equal(last_target(&taken, "10.2.0.2")->packets, 200000);
	assert_int_equal(last_target(&taken, "10.2.0.2")->size, 200000 * 54);
	assert_int_equal(last_target(&taken, "10.2.0.2")->syn, 200000);
	assert_int_equal(last_target(&taken, "10.2.0.2")->shed, totals.flow_shed);
	assert_int_equal(last_target(&taken, "::")->packets, 1);
	assert_int_equal(last_source(&taken, "::")->packets, 200001);
}

static void a_volume_is_told_when_it_is_collected(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make((struct fanout_thresholds){0},
		(struct fanout_thresholds){.packets = 100}, 64, true);
	struct taken taken = {0};

	collect(collector, &taken);
	for (unsigned int i = 0; i < 99; i++)
		tcp(collector, i, 2, 80, i < 50 ? TCP_SYN : TCP_ACK);
	collect(collector, &taken);
	assert_int_equal(taken.source_count + taken.target_count, 0);
	tcp(collector, 7, 2, 80, TCP_ACK);
	collect(collector, &taken);
	assert_int_equal(taken.source_count, 0);
	assert_int_equal(taken.target_count, 1);
	assert_ip(&taken.targets[0].dstip, "10.2.0.2");
	assert_int_equal(taken.targets[0].packets, 100);
	assert_int_equal(taken.targets[0].syn, 50);
	assert_int_equal(taken.targets[0].ended, 0);
	for (unsigned int i = 0; i < 500; i++)
		tcp(collector, 7, 2, 80, TCP_ACK);
	collect(collector, &taken);
	assert_int_equal(taken.target_count, 1);
	collector_set_time(collector, START_NS + NS_PER_SEC);
	for (unsigned int i = 0; i < 500; i++)
		tcp(collector, 7, 2, 80, TCP_ACK);
	collect(collector, &taken);
	assert_int_equal(taken.target_count, 2);
	assert_int_equal(taken.targets[1].packets, 1100);
}

static void thresholds_change_while_it_runs(void **state _unused_)
{
	const struct fanout_thresholds off = {0}, low = {.half_open = 5};
	_cleanup_(collector_freep) struct collector *collector = make(off, off, 64, true);
	struct taken taken = {0};

	for (unsigned int i = 0; i < 20; i++)
		tcp(collector, 1, 2, 80, TCP_SYN);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 0);
	assert_int_equal(fanout_set_thresholds(collector_fanout(collector), &low, &off), 0);
	tcp(collector, 1, 2, 80, TCP_SYN);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_int_equal(taken.sources[0].syn, 21);
}

static void full_table_is_counted(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.half_open = 5},
			(struct fanout_thresholds){.half_open = 5}, 8, true);
	struct fanout_counters counters;

	for (unsigned int source = 0; source < 100; source++)
		tcp(collector, source, 2, 80, TCP_SYN);
	assert_int_equal(fanout_read_counters(collector_fanout(collector), &counters), 0);
	assert_int_equal(counters.source_shed, 92);
	assert_int_equal(counters.target_shed, 0);
	assert_int_equal(counters.put_off, 0);
}

/* 256 KiB hold some 2,900 records. What was put off comes with the address's next packet. */
static void full_ring_is_counted_and_tried_again(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.half_open = 1}, (struct fanout_thresholds){0},
			8192, true);
	struct fanout_counters counters;
	struct taken taken = {0};

	for (unsigned int source = 0; source < 4000; source++)
		tcp(collector, source, 2, 80, TCP_SYN);
	assert_int_equal(fanout_read_counters(collector_fanout(collector), &counters), 0);
	assert_in_range(counters.put_off, 1, 3999);
	take(collector, &taken);
	assert_int_equal(taken.source_count + counters.put_off, 4000);
	tcp(collector, 3999, 2, 80, TCP_SYN);
	taken = (struct taken){0};
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_ip(&taken.sources[0].srcip, "10.1.15.159");
}

/* The stated error: standard deviation sqrt(e^t - t - 1) / (t sqrt(m)), with t = n / m. */
static void estimate_is_within_the_stated_error(void **state _unused_)
{
	static const unsigned int numbers[] = {100, 1000, 4000};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		_cleanup_(collector_freep) struct collector *collector =
			make((struct fanout_thresholds){0},
				(struct fanout_thresholds){.half_open = 1}, 8192, true);
		const double t = numbers[i] / 1024.0;
		const double sigma = sqrt(exp(t) - t - 1) / (t * 32);
		const struct collect_sink records = sink(&(struct taken){0});
		struct taken *taken = records.user;
		double off;

		for (unsigned int source = 0; source < numbers[i]; source++)
			tcp(collector, source, 2, 80, TCP_SYN);
		assert_int_equal(collector_end_window(collector, &records), 0);
		/* The one that was told at once, and the last one. */
		assert_int_equal(taken->target_count, 2);
		assert_int_equal(taken->targets[1].syn, numbers[i]);
		off = taken->targets[1].sources / (double)numbers[i] - 1;
		if (fabs(off) > 5 * sigma)
			fail_msg("%u sources: estimated %u, sigma %.3f", numbers[i],
				taken->targets[1].sources, sigma);
	}
}

static void alarm_wakes_who_polls(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector =
		make((struct fanout_thresholds){.half_open = 3}, (struct fanout_thresholds){0}, 64,
			false);
	struct pollfd fd = {.fd = collector_alarm_fd(collector), .events = POLLIN};
	const uint64_t before = clock_realtime_ns();
	struct taken taken = {0};

	for (unsigned int i = 0; i < 2; i++)
		tcp(collector, 1, 2, 80, TCP_SYN);
	assert_int_equal(poll(&fd, 1, 0), 0);
	tcp(collector, 1, 2, 80, TCP_SYN);
	assert_int_equal(poll(&fd, 1, 60000), 1);
	take(collector, &taken);
	assert_int_equal(taken.source_count, 1);
	assert_in_range(taken.sources[0].first, before - NS_PER_SEC, before + 10 * NS_PER_SEC);
	assert_int_equal(poll(&fd, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_is_told_at_once_and_once_a_second),
		cmocka_unit_test(sweep_and_crowd_are_told_by_their_other_ends),
		cmocka_unit_test(half_open_is_told_and_completed_is_not),
		cmocka_unit_test(window_ends_with_a_last_record_and_begins_at_zero),
		cmocka_unit_test(last_records_add_up_to_all_packets),
		cmocka_unit_test(a_floods_target_is_exact_whatever_is_shed),
		cmocka_unit_test(a_volume_is_told_when_it_is_collected),
		cmocka_unit_test(thresholds_change_while_it_runs),
		cmocka_unit_test(full_table_is_counted),
		cmocka_unit_test(full_ring_is_counted_and_tried_again),
		cmocka_unit_test(estimate_is_within_the_stated_error),
		cmocka_unit_test(alarm_wakes_who_polls),
	};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
