// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of a window of sources and targets: each address's last record, and the sum of the others. Tables
 * and volumes stay as they are until all is handed on, so that who is killed in between leaves what makes
 * the same records again, in the same order (agent/drain.h).
 */
#include "agent/fanout_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

/* The end of one kind's window. */
struct ending {
	struct fanout *fanout;
	enum fanout_kind kind;
	struct fanout_limits limits;
	struct volume sum;         /* of all there was */
	struct volume rest_volume; /* of addresses that are not told of, */
	struct fanout_record rest; /* ... and what these began */
};

/* As the kernel's fanout_is_news(): of these there may have been no word, the ring being full. */
static bool is_news(const struct fanout_entry *entry, const struct fanout_limits *limits)
{
	const struct fanout_totals *totals = &entry->totals;
	const uint32_t open = totals->syn > totals->completed ? totals->syn - totals->completed : 0;

	return entry->told || (limits->peers_ones && entry->peers.ones >= limits->peers_ones) ||
	       (limits->ports_ones && entry->ports.ones >= limits->ports_ones) ||
	       (limits->half_open && open >= limits->half_open);
}

static bool is_large(const struct ending *ending, const struct volume *volume)
{
	return volume->told || volume->packets >= ending->sum.packets / FANOUT_SHARE + 1 ||
	       volume->size >= ending->sum.size / FANOUT_SHARE + 1;
}

/*
 * The packets with which an address began something are in its volume, or in the rest if they were
 * shed or it had no record: of the rest they are the address's.
 */
static void claim_openings(
	struct ending *ending, const struct fanout_totals *totals, struct volume *volume)
{
	struct volume *rest = &ending->rest_volume;
	const uint64_t packets = totals->packets > volume->packets
					 ? MIN(totals->packets - volume->packets, rest->packets)
					 : 0;
	const uint64_t size =
		totals->size > volume->size ? MIN(totals->size - volume->size, rest->size) : 0;

	volume->packets += packets;
	volume->size += size;
	rest->packets -= packets;
	rest->size -= size;
}

static void add_to_rest(struct ending *ending, const struct fanout_totals *totals)
{
	struct fanout_totals *rest = &ending->rest.totals;

	rest->syn += totals->syn;
	rest->udp += totals->udp;
	rest->completed += totals->completed;
	if (rest->first == 0 || totals->first < rest->first)
		rest->first = totals->first;
	rest->last = MAX(rest->last, totals->last);
}

static void note_ended(const struct ending *ending, const struct volume *volume)
{
	const uint32_t i = volumes_index(ending->fanout->volumes, ending->kind, volume);

	ending->fanout->ended[i / 64] |= 1ULL << i % 64;
}

static bool is_ended(const struct ending *ending, const struct volume *volume)
{
	const uint32_t i = volumes_index(ending->fanout->volumes, ending->kind, volume);

	return ending->fanout->ended[i / 64] >> i % 64 & 1;
}

static void end_entry(struct ending *ending, uint32_t index)
{
	struct fanout *fanout = ending->fanout;
	const struct fanout_entry *entry = &fanout->entries[index];
	const struct volume *volume =
		volumes_find(fanout->volumes, ending->kind, &fanout->keys[index]);
	const struct fanout_record record =
		fanout_record_of(ending->kind, &fanout->keys[index], entry);
	struct volume mine = volume ? *volume : (struct volume){0};

	if (!is_news(entry, &ending->limits) && !(volume && is_large(ending, volume))) {
		add_to_rest(ending, &entry->totals);
		return;
	}
	claim_openings(ending, &entry->totals, &mine);
	fanout_hand_on(fanout, &record, &mine, true);
	if (volume)
		note_ended(ending, volume);
}

static int end_entries(struct ending *ending, int fd)
{
	struct fanout *fanout = ending->fanout;
	uint32_t position = 0, count;
	bool first = true;
	int r;

	do {
		count = FANOUT_BATCH;
		r = bpf_map_lookup_batch(fd, first ? NULL : &position, &position, fanout->keys,
			fanout->entries, &count, NULL);
		if (r < 0 && errno != ENOENT)
			return -errno;
		for (uint32_t i = 0; i < count; i++)
			end_entry(ending, i);
		first = false;
	} while (r == 0);
	return 0;
}

/* Those that began nothing. */
static void end_volumes(struct ending *ending)
{
	struct fanout *fanout = ending->fanout;
	const struct volume *volume;
	uint32_t position = 0;

	while ((volume = volumes_next(fanout->volumes, ending->kind, &position))) {
		const struct fanout_record record =
			fanout_record_of(ending->kind, &volume->address, NULL);

		if (is_ended(ending, volume))
			continue;
		if (is_large(ending, volume))
			fanout_hand_on(fanout, &record, volume, true);
		else
			volume_add(&ending->rest_volume, volume);
	}
}

static void end_rest(struct ending *ending)
{
	const struct volume *rest = &ending->rest_volume;
	const struct fanout_totals *totals = &ending->rest.totals;

	if (rest->packets + rest->size + totals->syn + totals->udp + totals->completed > 0)
		fanout_hand_on(ending->fanout, &ending->rest, rest, true);
}

static int end_kind(struct fanout *fanout, enum fanout_kind kind, unsigned int table)
{
	struct ending ending = {.fanout = fanout,
		.kind = kind,
		.limits = fanout_limits_of(fanout, kind),
		.rest_volume = *volumes_rest(fanout->volumes, kind),
		.rest = {.kind = kind}};
	int r;

	memset(fanout->ended, 0, (fanout->maps.volumes_max / 64 + 1) * sizeof(*fanout->ended));
	volumes_sum(fanout->volumes, kind, &ending.sum);
	r = end_entries(&ending, fanout->maps.table_fds[kind][table]);
	if (r == 0) {
		end_volumes(&ending);
		end_rest(&ending);
	}
	return r;
}

/* READ: all but what was handed on before. */
static int end_tables(struct fanout *fanout)
{
	struct drain_state *end = fanout->maps.end;
	int r = 0;

	fanout->skip = drain_taken(end, fanout_sequence(fanout));
	for (int kind = 0; kind < FANOUT_KINDS && r == 0; kind++)
		r = end_kind(fanout, (enum fanout_kind)kind, drain_table(end));
	fanout->skip = 0;
	if (r < 0)
		drain_pause(end, fanout_sequence(fanout));
	else
		drain_clear(end);
	return r;
}

static int clear_table(struct fanout *fanout, int fd)
{
	uint32_t position = 0, count;
	bool first = true;
	int r;

	do {
		count = FANOUT_BATCH;
		r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
			fanout->keys, fanout->entries, &count, NULL);
		if (r < 0 && errno != ENOENT)
			return -errno;
		first = false;
	} while (r == 0);
	return 0;
}

static int clear_all(struct fanout *fanout)
{
	const unsigned int table = drain_table(fanout->maps.end);
	int r = 0;

	for (int kind = 0; kind < FANOUT_KINDS && r == 0; kind++)
		r = clear_table(fanout, fanout->maps.table_fds[kind][table]);
	if (r == 0)
		volumes_clear(fanout->volumes);
	return r;
}

/* No program writes into these tables any more when this returns: see agent/collect_ports.c. */
static int make_quiet(struct fanout *fanout, unsigned int table)
{
	struct fanout_maps *maps = &fanout->maps;

	for (uint32_t kind = 0; kind < FANOUT_KINDS && !fanout->driven; kind++) {
		if (bpf_map_update_elem(
			    maps->outer_fd, &kind, &maps->table_fds[kind][!table], BPF_ANY) < 0)
			return -errno;
		maps->active[kind] = !table;
	}
	return 0;
}

bool fanout_is_over(struct fanout *fanout, uint64_t now_ns)
{
	uint64_t *ends_ns = fanout->maps.window_ends_ns;

	if (*ends_ns == 0)
		*ends_ns = now_ns + fanout->options.window_ns;
	return now_ns >= *ends_ns || drain_phase(fanout->maps.end) != DRAIN_IDLE;
}

/* Until it is idle. */
static int go_on(struct fanout *fanout, const struct fanout_clock *clock)
{
	struct drain_state *end = fanout->maps.end;
	int r = 0;

	if (drain_phase(end) == DRAIN_PAUSED) {
		r = make_quiet(fanout, drain_table(end));
		/* What was told before the window's end comes before its last record. */
		if (r == 0)
			r = fanout_take(fanout, clock, fanout->sink);
		if (r == 0)
			drain_read(end, fanout->sink->sequence.journal, fanout_sequence(fanout));
	}
	if (r == 0 && drain_phase(end) == DRAIN_READ)
		r = end_tables(fanout);
	if (r == 0 && drain_phase(end) == DRAIN_CLEAR)
		r = clear_all(fanout);
	if (r == 0)
		drain_end(end);
	return r;
}

int fanout_finish_window(
	struct fanout *fanout, const struct fanout_clock *clock, const struct fanout_sink *sink)
{
	int r;

	fanout->sink = sink;
	fanout->clock = *clock;
	if (drain_phase(fanout->maps.end) == DRAIN_IDLE)
		return 0;
	r = go_on(fanout, clock);
	if (r < 0 || !fanout->limits_wait)
		return r;
	fanout->limits_wait = false;
	return fanout_set_thresholds(fanout, &fanout->options.source, &fanout->options.target);
}

int fanout_end_window(
	struct fanout *fanout, const struct fanout_clock *clock, const struct fanout_sink *sink)
{
	int r = fanout_finish_window(fanout, clock, sink);

	if (r < 0)
		return r;
	*fanout->maps.window_ends_ns = clock->now_ns + fanout->options.window_ns;
	drain_begin(fanout->maps.end, fanout->maps.active[0]);
	return go_on(fanout, clock);
}
