// SPDX-License-Identifier: BSD-2-Clause
/* The end of a window of sources and targets: each address's last record, and the sum of the others. */
#include "agent/fanout_private.h"

#include <bpf/bpf.h>
#include <errno.h>

/* The end of one kind's window. */
struct ending {
	struct fanout *fanout;
	enum fanout_kind kind;
	struct fanout_limits limits;
	struct volume sum;         /* of all there was */
	struct fanout_record rest; /* what addresses that are not told of began */
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
	const struct ending *ending, const struct fanout_totals *totals, struct volume *volume)
{
	struct volume *rest = volumes_rest(ending->fanout->volumes, ending->kind);
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

static void end_entry(struct ending *ending, uint32_t index)
{
	struct fanout *fanout = ending->fanout;
	const struct fanout_entry *entry = &fanout->entries[index];
	struct volume *volume = volumes_find(fanout->volumes, ending->kind, &fanout->keys[index]);
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
		*volume = (struct volume){0};
}

static int end_entries(struct ending *ending, int fd)
{
	struct fanout *fanout = ending->fanout;
	uint32_t position = 0, count;
	bool first = true;
	int r;

	do {
		count = FANOUT_BATCH;
		r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
			fanout->keys, fanout->entries, &count, NULL);
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
	struct volume *volume;
	uint32_t position = 0;

	while ((volume = volumes_next(fanout->volumes, ending->kind, &position))) {
		if (is_large(ending, volume)) {
			const struct fanout_record record =
				fanout_record_of(ending->kind, &volume->address, NULL);

			fanout_hand_on(fanout, &record, volume, true);
			*volume = (struct volume){0};
		} else {
			volumes_give_up(fanout->volumes, ending->kind, volume);
		}
	}
}

static void end_rest(struct ending *ending)
{
	struct fanout *fanout = ending->fanout;
	struct volume *rest = volumes_rest(fanout->volumes, ending->kind);
	const struct fanout_totals *totals = &ending->rest.totals;

	if (rest->packets + rest->size + totals->syn + totals->udp + totals->completed == 0)
		return;
	fanout_hand_on(fanout, &ending->rest, rest, true);
	*rest = (struct volume){0};
}

/* The quiet tables; without a swap, as if all were quiet. */
static int end_tables(struct fanout *fanout, bool swapped)
{
	int r = 0;

	volumes_flush(fanout->volumes);
	for (uint32_t kind = 0; kind < FANOUT_KINDS && r == 0; kind++) {
		struct ending ending = {
			.fanout = fanout, .kind = (enum fanout_kind)kind, .rest = {.kind = kind}};

		ending.limits = fanout_limits_of(fanout, ending.kind);
		volumes_sum(fanout->volumes, ending.kind, &ending.sum);
		r = end_entries(
			&ending, fanout->maps.table_fds[kind][fanout->maps.active[kind] ^ swapped]);
		if (r == 0)
			end_volumes(&ending);
		if (r == 0)
			end_rest(&ending);
	}
	if (r == 0)
		volumes_clear(fanout->volumes);
	return r;
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

/* Who had the maps before was stopped in the middle of an end. */
static bool is_unfinished(const struct fanout *fanout)
{
	const struct fanout_maps *maps = &fanout->maps;
	ip_addr address;

	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++)
		if (bpf_map_get_next_key(
			    maps->table_fds[kind][!maps->active[kind]], NULL, &address) == 0)
			return true;
	return false;
}

bool fanout_is_over(struct fanout *fanout, uint64_t now_ns)
{
	if (*fanout->window_ends == 0)
		*fanout->window_ends = now_ns + fanout->options.window_ns;
	return now_ns >= *fanout->window_ends || (fanout->maps.is_resumed && is_unfinished(fanout));
}

int fanout_end_window(
	struct fanout *fanout, const struct fanout_clock *clock, const struct fanout_sink *sink)
{
	const bool is_unfinished_end = fanout->maps.is_resumed && is_unfinished(fanout);
	int r = 0;

	fanout->maps.is_resumed = false;
	if (!is_unfinished_end) {
		*fanout->window_ends = clock->now_ns + fanout->options.window_ns;
		r = fanout->driven ? 0 : swap(fanout);
	}
	/* What was told before the window's end comes before its last record. */
	if (r == 0)
		r = fanout_take(fanout, clock, sink);
	return r < 0 ? r : end_tables(fanout, !fanout->driven);
}
