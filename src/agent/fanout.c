// SPDX-License-Identifier: BSD-2-Clause
#include "agent/fanout.h"

#include "fanout_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64 /* entries a system call */

_Static_assert(FANOUT_KINDS == 2, "as in struct fanout_maps");

struct fanout {
	struct fanout_options options;
	struct fanout_maps maps;
	bool driven;
	int cpu_count;
	struct ring_buffer *ring;
	uint64_t window_ends_ns;
	uint64_t *window_ends; /* that one, or one that outlives us */
	pthread_mutex_t lock;
	struct fanout_limits limits[FANOUT_KINDS]; /* under the lock */
	/* For the ring's callback, while it runs. */
	const struct fanout_sink *sink;
	uint64_t epoch_ns;
	ip_addr keys[BATCH];
	struct fanout_entry entries[BATCH];
};

/* ---- the sketch ---- */

/* With no bit left unset there is no estimate: as if half a bit were. */
uint32_t sketch_estimate(uint32_t ones)
{
	const double unset = ones < SKETCH_BITS ? SKETCH_BITS - ones : 0.5;

	return (uint32_t)lround(-SKETCH_BITS * log(unset / SKETCH_BITS));
}

uint32_t sketch_ones_for(uint32_t values)
{
	const double ones = SKETCH_BITS * -expm1(-(double)values / SKETCH_BITS);

	if (values == 0)
		return 0;
	return (uint32_t)fmin(fmax(lround(ones), 1), SKETCH_BITS);
}

/* ---- records ---- */

static void hand_on(const struct fanout *fanout, const struct fanout_record *record, bool ended)
{
	const struct fanout_totals *totals = &record->totals;
	const struct source_event source = {
		.srcip = record->address,
		.first = totals->first + fanout->epoch_ns,
		.last = totals->last + fanout->epoch_ns,
		.packets = totals->packets,
		.size = totals->size,
		.syn = totals->syn,
		.udp = totals->udp,
		.completed = totals->completed,
		.hosts = sketch_estimate(record->peers_ones),
		.ports = sketch_estimate(record->ports_ones),
		.ended = ended,
	};
	const struct target_event target = {
		.dstip = record->address,
		.first = source.first,
		.last = source.last,
		.packets = source.packets,
		.size = source.size,
		.syn = source.syn,
		.udp = source.udp,
		.completed = source.completed,
		.sources = source.hosts,
		.ports = source.ports,
		.ended = ended,
	};

	if (record->kind == FANOUT_SOURCE)
		fanout->sink->source(fanout->sink->user, &source);
	else
		fanout->sink->target(fanout->sink->user, &target);
}

static int on_record(void *user, void *data, size_t size)
{
	const struct fanout *fanout = user;

	if (size == sizeof(struct fanout_record))
		hand_on(fanout, data, false);
	return 0;
}

int fanout_take(struct fanout *fanout, uint64_t epoch_ns, const struct fanout_sink *sink)
{
	int r;

	fanout->sink = sink;
	fanout->epoch_ns = epoch_ns;
	r = ring_buffer__consume(fanout->ring);
	return r < 0 ? r : 0;
}

/* ---- windows ---- */

/* As the kernel's fanout_is_news(): of these there may have been no word, the ring being full. */
static bool is_news(const struct fanout_entry *entry, const struct fanout_limits *limits)
{
	const struct fanout_totals *totals = &entry->totals;
	const uint32_t open = totals->syn > totals->completed ? totals->syn - totals->completed : 0;

	return entry->told || (limits->peers_ones && entry->peers.ones >= limits->peers_ones) ||
	       (limits->ports_ones && entry->ports.ones >= limits->ports_ones) ||
	       (limits->half_open && open >= limits->half_open);
}

static void hand_on_last(const struct fanout *fanout, uint32_t kind, uint32_t index,
	const struct fanout_limits *limits)
{
	const struct fanout_entry *entry = &fanout->entries[index];
	const struct fanout_record record = {
		.address = fanout->keys[index],
		.totals = entry->totals,
		.kind = kind,
		.peers_ones = entry->peers.ones,
		.ports_ones = entry->ports.ones,
	};

	if (is_news(entry, limits))
		hand_on(fanout, &record, true);
}

static int drain(struct fanout *fanout, uint32_t kind, int fd)
{
	struct fanout_limits limits;
	uint32_t position = 0, count;
	bool first = true;
	int r;

	pthread_mutex_lock(&fanout->lock);
	limits = fanout->limits[kind];
	pthread_mutex_unlock(&fanout->lock);

	do {
		count = BATCH;
		r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
			fanout->keys, fanout->entries, &count, NULL);
		if (r < 0 && errno != ENOENT)
			return -errno;
		for (uint32_t i = 0; i < count; i++)
			hand_on_last(fanout, kind, i, &limits);
		first = false;
	} while (r == 0);
	return 0;
}

/* No program writes into the old tables any more when this returns: see agent/collect.c. */
static int swap(struct fanout *fanout)
{
	struct fanout_maps *maps = &fanout->maps;

	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++) {
		const unsigned int next = !maps->active[kind];

		if (bpf_map_update_elem(
			    maps->outer_fd, &kind, &maps->table_fds[kind][next], BPF_ANY) < 0)
			return -errno;
		maps->active[kind] = next;
	}
	return 0;
}

/* The quiet tables; without a swap, as if all were quiet. */
static int drain_quiet(struct fanout *fanout, bool swapped)
{
	int r = 0;

	for (uint32_t kind = 0; kind < FANOUT_KINDS && r == 0; kind++)
		r = drain(fanout, kind,
			fanout->maps.table_fds[kind][fanout->maps.active[kind] ^ swapped]);
	return r;
}

int fanout_turn(struct fanout *fanout, uint64_t now_ns, bool anyway, uint64_t epoch_ns,
	const struct fanout_sink *sink)
{
	uint64_t *ends_ns = fanout->window_ends;
	int r = 0;

	/* Who had them before may have been stopped in the middle of reading a window that was over. */
	if (fanout->maps.is_resumed) {
		fanout->maps.is_resumed = false;
		r = fanout_take(fanout, epoch_ns, sink);
		if (r == 0)
			r = drain_quiet(fanout, true);
		if (r < 0)
			return r;
	}
	if (*ends_ns == 0)
		*ends_ns = now_ns + fanout->options.window_ns;
	if (now_ns < *ends_ns && !anyway)
		return 0;
	*ends_ns = now_ns + fanout->options.window_ns;
	if (!fanout->driven)
		r = swap(fanout);
	/* What was told before the window's end comes before its last record. */
	if (r == 0)
		r = fanout_take(fanout, epoch_ns, sink);
	return r < 0 ? r : drain_quiet(fanout, !fanout->driven);
}

/* ---- making it ---- */

static int put_limits(
	const struct fanout *fanout, uint32_t kind, const struct fanout_limits *limits)
{
	return bpf_map_update_elem(fanout->maps.limits_fd, &kind, limits, BPF_ANY) < 0 ? -errno : 0;
}

static struct fanout_limits limits_of(
	const struct fanout *fanout, const struct fanout_thresholds *thresholds)
{
	return (struct fanout_limits){
		.peers_ones = sketch_ones_for(thresholds->hosts),
		.ports_ones = sketch_ones_for(thresholds->ports),
		.half_open = thresholds->half_open,
		.repeat_ns = fanout->options.repeat_ns,
	};
}

int fanout_set_thresholds(struct fanout *fanout, const struct fanout_thresholds *source,
	const struct fanout_thresholds *target)
{
	const struct fanout_limits limits[FANOUT_KINDS] = {
		[FANOUT_SOURCE] = limits_of(fanout, source),
		[FANOUT_TARGET] = limits_of(fanout, target),
	};
	int r;

	pthread_mutex_lock(&fanout->lock);
	r = put_limits(fanout, FANOUT_SOURCE, &limits[FANOUT_SOURCE]);
	if (r == 0) {
		r = put_limits(fanout, FANOUT_TARGET, &limits[FANOUT_TARGET]);
		if (r < 0)
			(void)put_limits(fanout, FANOUT_SOURCE, &fanout->limits[FANOUT_SOURCE]);
	}
	if (r == 0)
		memcpy(fanout->limits, limits, sizeof(limits));
	pthread_mutex_unlock(&fanout->lock);
	return r;
}

static int read_limits(struct fanout *fanout)
{
	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++)
		if (bpf_map_lookup_elem(fanout->maps.limits_fd, &kind, &fanout->limits[kind]) < 0)
			return -errno;
	return 0;
}

int fanout_new(const struct fanout_options *options, const struct fanout_maps *maps, bool driven,
	struct fanout **ret_fanout)
{
	_cleanup_(fanout_freep) struct fanout *fanout = calloc(1, sizeof(*fanout));
	int r;

	if (!fanout)
		return -ENOMEM;
	pthread_mutex_init(&fanout->lock, NULL);
	fanout->options = *options;
	fanout->maps = *maps;
	fanout->window_ends = maps->window_ends_ns ? maps->window_ends_ns : &fanout->window_ends_ns;
	fanout->driven = driven;
	fanout->cpu_count = libbpf_num_possible_cpus();
	if (fanout->cpu_count < 0)
		return fanout->cpu_count;
	fanout->ring = ring_buffer__new(maps->ring_fd, on_record, fanout, NULL);
	if (!fanout->ring)
		return -errno;
	r = maps->keep_limits ? read_limits(fanout)
			      : fanout_set_thresholds(fanout, &options->source, &options->target);
	if (r < 0)
		return r;
	*ret_fanout = TAKE_PTR(fanout);
	return 0;
}

void fanout_free(struct fanout *fanout)
{
	if (!fanout)
		return;
	ring_buffer__free(fanout->ring);
	pthread_mutex_destroy(&fanout->lock);
	free(fanout);
}

int fanout_fd(const struct fanout *fanout)
{
	return ring_buffer__epoll_fd(fanout->ring);
}

int fanout_read_counters(const struct fanout *fanout, struct fanout_counters *ret_counters)
{
	_cleanup_free_ struct fanout_losses *losses =
		calloc((size_t)fanout->cpu_count, sizeof(*losses));
	struct fanout_counters sum = {0};
	const uint32_t zero = 0;

	if (!losses)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fanout->maps.losses_fd, &zero, losses) < 0)
		return -errno;
	for (int cpu = 0; cpu < fanout->cpu_count; cpu++) {
		sum.source_shed += losses[cpu].table_full[FANOUT_SOURCE];
		sum.target_shed += losses[cpu].table_full[FANOUT_TARGET];
		sum.put_off +=
			losses[cpu].ring_full[FANOUT_SOURCE] + losses[cpu].ring_full[FANOUT_TARGET];
	}
	*ret_counters = sum;
	return 0;
}
