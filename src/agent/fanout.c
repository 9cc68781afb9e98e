// SPDX-License-Identifier: BSD-2-Clause
#include "agent/fanout_private.h"

#include "agent/sketch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

_Static_assert(FANOUT_KINDS == 2, "as in struct fanout_maps");

/* ---- records ---- */

struct fanout_record fanout_record_of(
	uint32_t kind, const ip_addr *address, const struct fanout_entry *entry)
{
	struct fanout_record record = {.address = *address, .kind = kind};

	if (entry) {
		record.totals = entry->totals;
		record.peers_ones = entry->peers.ones;
		record.ports_ones = entry->ports.ones;
	}
	return record;
}

/* The earlier one, where 0 is none. */
static time_ns earlier(time_ns a, time_ns b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* Until the end, what has begun something may be known before the rest is collected. */
static struct source_event event_of(const struct fanout *fanout, const struct fanout_record *record,
	const struct volume *volume, bool ended)
{
	const struct fanout_totals *totals = &record->totals;
	const uint64_t epoch_ns = fanout->clock.epoch_ns, now_ns = fanout->clock.now_ns + epoch_ns;
	struct source_event event = {
		.srcip = record->address,
		.first = totals->first ? totals->first + epoch_ns : 0,
		.last = totals->first ? totals->last + epoch_ns : 0,
		.packets = ended ? 0 : totals->packets,
		.size = ended ? 0 : totals->size,
		.syn = totals->syn,
		.udp = totals->udp,
		.completed = totals->completed,
		.hosts = sketch_estimate(record->peers_ones),
		.ports = sketch_estimate(record->ports_ones),
		.ended = ended,
	};

	if (!volume || volume->packets + volume->size == 0)
		return event;
	event.first = earlier(event.first, volume_time(volume->first, now_ns));
	event.last = MAX(event.last, volume_time(volume->last, now_ns));
	event.packets = MAX(event.packets, volume->packets);
	event.size = MAX(event.size, volume->size);
	event.shed = volume->shed;
	return event;
}

void fanout_hand_on(struct fanout *fanout, const struct fanout_record *record,
	const struct volume *volume, bool ended)
{
	const struct source_event source = event_of(fanout, record, volume, ended);
	const struct target_event target = {
		.dstip = source.srcip,
		.first = source.first,
		.last = source.last,
		.packets = source.packets,
		.size = source.size,
		.shed = source.shed,
		.syn = source.syn,
		.udp = source.udp,
		.completed = source.completed,
		.sources = source.hosts,
		.ports = source.ports,
		.ended = source.ended,
	};

	if (fanout->skip > 0) {
		fanout->skip--;
		return;
	}
	fanout->handed_on++;
	if (record->kind == FANOUT_SOURCE)
		fanout->sink->source(fanout->sink->user, &source);
	else
		fanout->sink->target(fanout->sink->user, &target);
}

uint64_t fanout_sequence(const struct fanout *fanout)
{
	const struct fanout_sink *sink = fanout->sink;

	return sink->sequence.next ? sink->sequence.next(sink->user) : fanout->handed_on;
}

/* ---- what crossed a limit ---- */

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The ring's consumer moves on after each record (libbpf's ringbuf_process_ring()). */
static uint64_t ring_position(const struct fanout *fanout)
{
	return __atomic_load_n(fanout->ring_position, __ATOMIC_ACQUIRE);
}

/* False: one that was killed did hand it on, and got no further. */
static bool take_record(struct fanout *fanout)
{
	struct fanout_taking *taking = fanout->maps.taking;
	const uint64_t position = ring_position(fanout);

	if (position == fanout->taken_position) {
		fanout->taken_position = FANOUT_NONE;
		return false;
	}
	set(&taking->base, fanout_sequence(fanout));
	set(&taking->journal, fanout->sink->sequence.journal);
	set(&taking->position, position);
	return true;
}

static int on_record(void *user, void *data, size_t size)
{
	struct fanout *fanout = user;
	const struct fanout_record *record = data;

	if (size == sizeof(*record) && record->kind < FANOUT_KINDS && take_record(fanout))
		fanout_hand_on(fanout, record,
			volumes_find(
				fanout->volumes, (enum fanout_kind)record->kind, &record->address),
			false);
	return 0;
}

/* While volumes are counted, when nothing can be handed on. */
static void on_reached(void *user, enum fanout_kind kind, const struct volume *volume)
{
	struct fanout *fanout = user;

	if (fanout->reached_count == FANOUT_REACHED) {
		fanout->reached_late++;
		return;
	}
	fanout->reached[fanout->reached_count].kind = kind;
	fanout->reached[fanout->reached_count].address = volume->address;
	fanout->reached_count++;
}

static void tell_reached(struct fanout *fanout, uint32_t kind, const ip_addr *address)
{
	const int fd = fanout->maps.table_fds[kind][fanout->maps.active[kind]];
	const bool has_begun = bpf_map_lookup_elem(fd, address, &fanout->entries[0]) == 0;
	const struct fanout_record record =
		fanout_record_of(kind, address, has_begun ? &fanout->entries[0] : NULL);

	fanout_hand_on(fanout, &record,
		volumes_find(fanout->volumes, (enum fanout_kind)kind, address), false);
}

struct fanout_limits fanout_limits_of(struct fanout *fanout, enum fanout_kind kind)
{
	struct fanout_limits limits;

	pthread_mutex_lock(&fanout->lock);
	limits = fanout->limits[kind];
	pthread_mutex_unlock(&fanout->lock);
	return limits;
}

/* Others may have changed them. */
static void use_limits(struct fanout *fanout)
{
	struct volume_limits volumes[FANOUT_KINDS];

	for (int kind = 0; kind < FANOUT_KINDS; kind++) {
		const struct fanout_limits limits =
			fanout_limits_of(fanout, (enum fanout_kind)kind);

		volumes[kind] = (struct volume_limits){limits.packets, limits.bytes};
	}
	volumes_set_limits(fanout->volumes, volumes);
}

int fanout_take(
	struct fanout *fanout, const struct fanout_clock *clock, const struct fanout_sink *sink)
{
	int r;

	fanout->sink = sink;
	fanout->clock = *clock;
	use_limits(fanout);
	volumes_flush(fanout->volumes);
	for (unsigned int i = 0; i < fanout->reached_count; i++)
		tell_reached(fanout, fanout->reached[i].kind, &fanout->reached[i].address);
	fanout->reached_count = 0;
	r = ring_buffer__consume(fanout->ring);
	return r < 0 ? r : 0;
}

static void settle_taking(struct fanout *fanout, uint64_t journal, uint64_t sequence)
{
	struct fanout_taking *taking = fanout->maps.taking;

	if (taking->journal == journal && journal != 0 && sequence > taking->base &&
		taking->position == ring_position(fanout))
		fanout->taken_position = taking->position;
	else
		set(&taking->journal, 0);
}

bool fanout_settle(struct fanout *fanout, const struct drain_sequence *sequence, void *user)
{
	const uint64_t next = sequence->next ? sequence->next(user) : 0;

	settle_taking(fanout, sequence->journal, next);
	return drain_settle(fanout->maps.end, sequence->journal, next);
}

/* ---- counting ---- */

void fanout_count(struct fanout *fanout, const struct flow_event *growth, uint64_t now_ns)
{
	volumes_count(fanout->volumes, growth, now_ns);
}

void fanout_count_shed(struct fanout *fanout, const struct flow_event *growth, uint64_t now_ns)
{
	volumes_count_shed(fanout->volumes, growth, now_ns);
}

void fanout_note_shed(struct fanout *fanout, const struct flow_event *record)
{
	volumes_note_shed(fanout->volumes, record);
}

bool fanout_is_empty(const struct fanout *fanout)
{
	return volumes_are_empty(fanout->volumes);
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
		.peers_ones = sketch_ones_for((uint32_t)thresholds->hosts),
		.ports_ones = sketch_ones_for((uint32_t)thresholds->ports),
		.half_open = (uint32_t)thresholds->half_open,
		.packets = thresholds->packets,
		.bytes = thresholds->bytes,
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

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int read_limits(struct fanout *fanout)
{
	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++)
		if (bpf_map_lookup_elem(fanout->maps.limits_fd, &kind, &fanout->limits[kind]) < 0)
			return -errno;
	return 0;
}

static int open_ring(struct fanout *fanout)
{
	void *memory;

	fanout->ring = ring_buffer__new(fanout->maps.ring_fd, on_record, fanout, NULL);
	if (!fanout->ring)
		return -errno;
	memory = mmap(NULL, page_bytes(), PROT_READ, MAP_SHARED, fanout->maps.ring_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	fanout->ring_position = memory;
	fanout->taken_position = FANOUT_NONE;
	return 0;
}

static int open_volumes(struct fanout *fanout)
{
	const size_t count = FANOUT_KINDS * ((size_t)fanout->maps.volumes_max + 1);
	struct volumes_options options = {
		.max = fanout->maps.volumes_max, .reached = on_reached, .user = fanout};
	void *memory;

	memory = mmap(NULL, count * sizeof(struct volume), PROT_READ | PROT_WRITE, MAP_SHARED,
		fanout->maps.volumes_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	fanout->volumes_memory = options.memory = memory;
	fanout->volumes_bytes = count * sizeof(struct volume);
	for (size_t i = 0; i < VOLUMES_SEEDS; i++)
		options.seeds[i] = (i + 1) * 0xd1342543de82ef95ULL;
	if (!fanout->driven &&
		getrandom(options.seeds, sizeof(options.seeds), 0) != sizeof(options.seeds))
		return -EIO;
	return volumes_new(&options, &fanout->volumes);
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
	if (!maps->window_ends_ns)
		fanout->maps.window_ends_ns = &fanout->window_ends_ns;
	if (!maps->end)
		fanout->maps.end = &fanout->end;
	if (!maps->taking)
		fanout->maps.taking = &fanout->taking;
	fanout->driven = driven;
	fanout->cpu_count = libbpf_num_possible_cpus();
	if (fanout->cpu_count < 0)
		return fanout->cpu_count;
	fanout->ended = calloc(maps->volumes_max / 64 + 1, sizeof(*fanout->ended));
	if (!fanout->ended)
		return -ENOMEM;
	r = open_ring(fanout);
	if (r == 0)
		r = open_volumes(fanout);
	if (r < 0)
		return r;
	/* A window is ended with the limits that it was begun to be ended with. */
	fanout->limits_wait = !maps->keep_limits && drain_phase(fanout->maps.end) != DRAIN_IDLE;
	r = maps->keep_limits || fanout->limits_wait
		    ? read_limits(fanout)
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
	volumes_free(fanout->volumes);
	free(fanout->ended);
	if (fanout->ring_position)
		munmap(fanout->ring_position, page_bytes());
	if (fanout->volumes_memory)
		munmap(fanout->volumes_memory, fanout->volumes_bytes);
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
	sum.put_off += fanout->reached_late;
	*ret_counters = sum;
	return 0;
}
