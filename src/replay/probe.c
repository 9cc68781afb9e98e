// SPDX-License-Identifier: BSD-2-Clause
#include "replay/probe.h"

#include "agent/collect.h"
#include "agent/flows.h"
#include "agent/preflight.h"
#include "base/error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/random.h>

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
	struct flows *flows;
	struct heap flow_heap, port_heap;
	uint64_t first_ns; /* of the first frame */
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

	if (count > 0)
		qsort(ports, count, sizeof(*ports), compare_ports);
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

static void fold_flows(struct probe *probe, uint64_t now_ns)
{
	struct flow_event *increments = probe->flow_heap.records;
	size_t count = probe->flow_heap.count;

	if (count > 0)
		qsort(increments, count, sizeof(*increments), compare_flows);
	for (size_t i = 0; i < count; i++)
		flows_fold(probe->flows, &increments[i], now_ns);
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

static int flows_init(struct probe *probe)
{
	struct flows_options options = {
		.max = 2 * probe->options.flow_max,
		.idle_ns = probe->options.flow_idle_ns,
		.update = on_flow_update,
		.end = on_flow_end,
		/* Without a rate nothing is shed. */
		.user = probe,
	};

	/* Of no influence on the order of anything. */
	if (getrandom(options.seeds, sizeof(options.seeds), 0) != sizeof(options.seeds))
		return -EIO;
	return flows_new(&options, &probe->flows);
}

int probe_new(const struct probe_options *options, struct probe **ret_probe, char **ret_error)
{
	_cleanup_(probe_freep) struct probe *probe = calloc(1, sizeof(*probe));
	const struct collector_options collector = {
		.interface_count = 1,
		.flow_max = options->flow_max,
		.port_max = options->port_max,
		.inside = options->inside,
		.driven = true,
	};
	int r;

	if (!probe)
		return -ENOMEM;
	probe->options = *options;
	r = preflight_capabilities(ret_error);
	if (r < 0)
		return r;
	r = flows_init(probe);
	if (r < 0)
		return r;
	r = collector_new(&collector, &probe->collector);
	if (r < 0)
		return explain(ret_error, r);
	*ret_probe = TAKE_PTR(probe);
	return 0;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	collector_free(probe->collector);
	flows_free(probe->flows);
	free(probe->flow_heap.records);
	free(probe->port_heap.records);
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
	collector_set_time(probe->collector, frame->time_ns);
	r = bpf_prog_test_run_opts(collector_program_fd(probe->collector, 0), &run);
	if (r < 0 && frame->size > LINEAR_MAX) {
		probe->counters.refused++;
		return 0;
	}
	return r;
}

int probe_end_period(struct probe *probe, uint64_t now_ns)
{
	const struct collect_sink sink = {
		.flow = on_flow_increment, .port = on_port, .user = probe};
	int r = collector_collect(probe->collector, &sink);

	if (r < 0)
		return r;
	emit_ports(probe);
	emit_totals(probe);
	fold_flows(probe, now_ns);
	flows_update(probe->flows, now_ns);
	return probe_pass_time(probe, now_ns);
}

int probe_pass_time(struct probe *probe, uint64_t now_ns)
{
	flows_expire(probe->flows, now_ns);
	return probe->error;
}

int probe_finish(struct probe *probe)
{
	int r = collector_read_unparsed(probe->collector, 0, &probe->counters.unparsed);

	flows_end(probe->flows);
	return probe->error ? probe->error : r;
}

/* ---- about it ---- */

size_t probe_flows(const struct probe *probe)
{
	return flows_count(probe->flows);
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
