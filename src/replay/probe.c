// SPDX-License-Identifier: BSD-2-Clause
#include "replay/probe.h"

#include "agent/collect.h"
#include "agent/preflight.h"
#include "agent/tally.h"
#include "base/error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

/* What every kernel's BPF_PROG_TEST_RUN takes: a page, but for head- and tailroom. */
#define LINEAR_MAX 3000

/* Records of one kind, as the collector hands them on. */
struct heap {
	void *records;
	size_t count, room;
};

struct probe {
	struct probe_options options;
	struct collector *collector;
	struct tally *tally;
	struct heap flow_heap, port_heap, source_heap, target_heap;
	uint64_t first_ns, last_ns; /* of the first frame, and the last one */
	struct probe_counters counters;
	int error; /* the first one in a callback */
};

/* ---- records ---- */

static void heap_add(struct probe *probe, struct heap *heap, const void *record, size_t size)
{
	if (heap->count == heap->room) {
		size_t room = MAX(heap->room * 2, (size_t)1024);
		void *records = reallocarray(heap->records, room, size);

		if (!records) {
			probe->error = -ENOMEM;
			return;
		}
		heap->records = records;
		heap->room = room;
	}
	memcpy((char *)heap->records + heap->count++ * size, record, size);
}

static void sort(const struct heap *heap, size_t size, int (*compare)(const void *, const void *))
{
	if (heap->count > 0)
		qsort(heap->records, heap->count, size, compare);
}

static void on_flow_increment(void *user, const struct flow_event *increment)
{
	struct probe *probe = user;

	heap_add(probe, &probe->flow_heap, increment, sizeof(*increment));
}

static void on_port(void *user, const struct port_event *event)
{
	struct probe *probe = user;

	heap_add(probe, &probe->port_heap, event, sizeof(*event));
}

static void on_source(void *user, const struct source_event *event)
{
	struct probe *probe = user;

	heap_add(probe, &probe->source_heap, event, sizeof(*event));
}

static void on_target(void *user, const struct target_event *event)
{
	struct probe *probe = user;

	heap_add(probe, &probe->target_heap, event, sizeof(*event));
}

static void on_shed(void *user, const struct flow_event *increment)
{
	struct probe *probe = user;

	tally_add_shed(probe->tally, increment, increment->last);
}

static int compare_time(time_ns a, time_ns b)
{
	return (a > b) - (a < b);
}

/* The key is what comes before `first`; both kinds of records begin with it and have no gaps there. */
static int compare_ports(const void *a, const void *b)
{
	const struct port_event *left = a, *right = b;
	int order = memcmp(left, right, offsetof(struct port_event, first));

	return order ? order : compare_time(left->first, right->first);
}

#define FLOW_KEY_BYTES offsetof(struct flow_event, flags)

static int compare_flows(const void *a, const void *b)
{
	const struct flow_event *left = a, *right = b;
	int order = memcmp(left, right, FLOW_KEY_BYTES);

	return order ? order : compare_time(left->first, right->first);
}

static bool is_same_port(const struct port_event *a, const struct port_event *b)
{
	return memcmp(a, b, offsetof(struct port_event, first)) == 0;
}

_Static_assert(offsetof(struct source_event, ended) == offsetof(struct target_event, ended) &&
		       sizeof(struct source_event) == sizeof(struct target_event),
	"one is compared as the other");

/* By address; of one address as they came: they differ in what was counted. */
static int compare_sources(const void *a, const void *b)
{
	const struct source_event *left = a, *right = b;
	int order = memcmp(&left->srcip, &right->srcip, sizeof(left->srcip));

	if (order != 0 || left->ended != right->ended)
		return order ? order : left->ended - right->ended;
	return left->packets != right->packets ? compare_time(left->packets, right->packets)
					       : compare_time(left->last, right->last);
}

/* ---- events ---- */

static void emit(struct probe *probe, uint32_t event_id, const void *record, bool wants_ack)
{
	if (probe->error == 0)
		probe->error =
			probe->options.event(probe->options.user, event_id, record, wants_ack);
}

static void on_flow_update(void *user, const struct flow_event *record)
{
	emit(user, EVENT_FLOW, record, false);
}

static void on_flow_end(void *user, const struct flow_event *record)
{
	emit(user, EVENT_FLOW, record, true);
}

/* A period has one record a key, also where the collector had it in several pieces. */
static void emit_ports(struct probe *probe)
{
	struct port_event *ports = probe->port_heap.records;
	size_t count = probe->port_heap.count;

	sort(&probe->port_heap, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < count;) {
		struct port_event sum = ports[i++];

		for (; i < count && is_same_port(&sum, &ports[i]); i++) {
			sum.udp += ports[i].udp;
			sum.syn += ports[i].syn;
			sum.rst += ports[i].rst;
			sum.completed += ports[i].completed;
			sum.refused += ports[i].refused;
			sum.last = MAX(sum.last, ports[i].last);
		}
		emit(probe, EVENT_PORT, &sum, true);
	}
	probe->port_heap.count = 0;
}

static void emit_sources(struct probe *probe)
{
	const struct source_event *sources = probe->source_heap.records;
	const struct target_event *targets = probe->target_heap.records;

	sort(&probe->source_heap, sizeof(*sources), compare_sources);
	sort(&probe->target_heap, sizeof(*targets), compare_sources);
	for (size_t i = 0; i < probe->source_heap.count; i++)
		emit(probe, EVENT_SOURCE, &sources[i], true);
	for (size_t i = 0; i < probe->target_heap.count; i++)
		emit(probe, EVENT_TARGET, &targets[i], true);
	probe->source_heap.count = probe->target_heap.count = 0;
}

static void fold_flows(struct probe *probe, uint64_t now_ns)
{
	const struct flow_event *increments = probe->flow_heap.records;

	sort(&probe->flow_heap, sizeof(*increments), compare_flows);
	for (size_t i = 0; i < probe->flow_heap.count; i++)
		tally_add(probe->tally, &increments[i], now_ns);
	probe->flow_heap.count = 0;
}

static void emit_totals(struct probe *probe)
{
	struct interface_event totals;
	int r = probe_read_totals(probe, &totals);

	if (r < 0)
		probe->error = r;
	else
		emit(probe, EVENT_INTERFACE, &totals, false);
}

/* ---- making it ---- */

static int explain(char **ret_error, int error)
{
	const char *advice = "the kernel's reasons are in the lines above";

	if (error == -EPERM)
		advice = "look at lockdown, SELinux or, before Linux 5.11, at the memlock limit "
			 "(ulimit -l)";
	return error_set(ret_error, error, "cannot load the XDP program and its maps: %s; %s",
		strerror(-error), advice);
}

static int tally_init(struct probe *probe)
{
	const struct tally_options options = {
		.collector = probe->collector,
		.flow_max = 2 * probe->options.flow_max,
		.flow_idle_ns = probe->options.flow_idle_ns,
		.update = on_flow_update,
		.end = on_flow_end,
		.user = probe,
	};

	return tally_new(&options, &probe->tally);
}

int probe_new(const struct probe_options *options, struct probe **ret_probe, char **ret_error)
{
	_cleanup_(probe_freep) struct probe *probe = calloc(1, sizeof(*probe));
	const struct collector_options collector = {
		.interface_count = 1,
		.flow_max = options->flow_max,
		.port_max = options->port_max,
		.inside = options->inside,
		.fanout = options->fanout,
		.driven = true,
	};
	int r;

	if (!probe)
		return -ENOMEM;
	probe->options = *options;
	r = preflight_capabilities(ret_error);
	if (r < 0)
		return r;
	r = collector_new(&collector, &probe->collector);
	if (r < 0)
		return explain(ret_error, r);
	r = tally_init(probe);
	if (r < 0)
		return r;
	*ret_probe = TAKE_PTR(probe);
	return 0;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	tally_free(probe->tally);
	collector_free(probe->collector);
	free(probe->flow_heap.records);
	free(probe->port_heap.records);
	free(probe->source_heap.records);
	free(probe->target_heap.records);
	free(probe);
}

/* ---- receiving ---- */

int probe_receive(struct probe *probe, const struct capture_frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes,
		.data_size_in = (uint32_t)frame->size, .repeat = 1);
	int r;

	if (probe->first_ns == 0)
		probe->first_ns = frame->time_ns;
	probe->last_ns = frame->time_ns;
	collector_set_time(probe->collector, frame->time_ns);
	r = bpf_prog_test_run_opts(collector_program_fd(probe->collector, 0), &run);
	if (r < 0 && frame->size > LINEAR_MAX) {
		probe->counters.refused++;
		return 0;
	}
	return r;
}

static struct collect_sink sink_of(struct probe *probe)
{
	return (struct collect_sink){
		.flow = on_flow_increment,
		.shed = on_shed,
		.port = on_port,
		.source = on_source,
		.target = on_target,
		.user = probe,
	};
}

int probe_end_period(struct probe *probe, uint64_t now_ns)
{
	const struct collect_sink sink = sink_of(probe);
	int r;

	collector_set_time(probe->collector, now_ns);
	r = collector_collect(probe->collector, &sink);
	if (r < 0)
		return r;
	/* What crossed a threshold did not wait for the period's end. */
	emit_sources(probe);
	emit_ports(probe);
	emit_totals(probe);
	fold_flows(probe, now_ns);
	return probe_pass_time(probe, now_ns);
}

int probe_pass_time(struct probe *probe, uint64_t now_ns)
{
	const struct collect_sink sink = sink_of(probe);
	int r;

	collector_set_time(probe->collector, now_ns);
	r = tally_round(probe->tally, now_ns, now_ns, &sink);
	if (r < 0)
		return r;
	emit_sources(probe);
	return probe->error;
}

int probe_finish(struct probe *probe)
{
	const struct collect_sink sink = sink_of(probe);
	int r = collector_read_unparsed(probe->collector, 0, &probe->counters.unparsed);

	tally_end_flows(probe->tally, probe->last_ns);
	if (r == 0)
		r = collector_end_window(probe->collector, &sink);
	emit_sources(probe);
	return probe->error ? probe->error : r;
}

/* ---- about it ---- */

bool probe_is_empty(const struct probe *probe)
{
	return tally_is_empty(probe->tally);
}

const struct probe_counters *probe_counters(const struct probe *probe)
{
	return &probe->counters;
}

int probe_read_totals(const struct probe *probe, struct interface_event *ret_totals)
{
	struct interface_event totals = {.ifindex = 1, .first = probe->first_ns};
	int r = collector_read_interface(probe->collector, 0, &totals);

	if (r == 0)
		*ret_totals = totals;
	return r;
}
