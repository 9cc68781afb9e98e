// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a worker has of its partitions' state: it is loaded when the worker gets one, as far as there is room;
 * keys whose turn it is leave, and come back with their next event.
 */
#include "engine/instance.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOAD_ROWS    1000       /* in a piece: a millisecond or two */
#define UNSENT_MAX   (1U << 20) /* bytes that a worker has yet to take, above which no more is read */
#define LOAD_WAIT_NS NS_PER_MS /* then */
#define FETCH_MAX                                                                                  \
	256 /* keys in a batch that have to come back: a look-up takes some microseconds */

/* Keys of a partition that may be in memory; 0: all. */
static size_t keys_max(const struct function *function)
{
	if (function->state_keys == 0 || !function->key[0])
		return 0;
	return MAX(function->state_keys / PARTITIONS, (size_t)1);
}

/* From the owner's next batch on. */
static void track(struct function *function, struct partition *partition, uint64_t since)
{
	partition->is_tracked = true;
	partition->tracked_since = since;
	function->tracked_partitions++;
}

/* ---- rows on their way to the worker ---- */

struct piece {
	struct instance *instance;
	struct partition *partition;
	size_t frame;
	uint32_t rows;            /* in the frame; 0: there is none */
	struct state_place *last; /* the row that came last */
	bool fills;               /* the partition is loaded: no more keys than there is room for */
};

static void piece_end(struct piece *piece)
{
	if (piece->rows > 0)
		pipe_end_state(&piece->instance->buffer, piece->frame, piece->rows);
	piece->rows = 0;
}

/* Into the frame that there is, or a new one. */
static int piece_put(struct piece *piece, const struct state_row *row)
{
	struct pipe_buffer *buffer = &piece->instance->buffer;

	if (piece->rows > 0 && pipe_put_row(buffer, piece->frame, row)) {
		piece->rows++;
		return 0;
	}
	piece_end(piece);
	piece->frame = pipe_begin_state(buffer);
	if (!pipe_put_row(buffer, piece->frame, row))
		return -E2BIG;
	piece->rows = 1;
	return 0;
}

/* -ECANCELED: it is of a key for which there is no room. */
static int note_key(struct piece *piece, const struct state_row *row)
{
	const struct function *function = piece->instance->function;
	const bool is_new = !piece->last->name[0] || piece->last->hash != row->hash;
	struct residents *residents = &piece->partition->residents;
	size_t most = keys_max(function);

	if (!piece->fills || most == 0 || !is_new)
		return 0;
	if (residents->count >= most) {
		piece->partition->is_partial = true;
		track(piece->instance->function, piece->partition, 0);
		return -ECANCELED;
	}
	return residents_touch(residents, &function->engine->secret, row->hash, 0);
}

static int put_row(void *user, const struct state_row *row)
{
	struct piece *piece = user;
	int r;

	if (strlen(row->key) > STATE_KEY_MAX || strlen(row->name) > STATE_NAME_MAX)
		return -E2BIG;
	r = note_key(piece, row);
	if (r >= 0)
		r = piece_put(piece, row);
	if (r < 0)
		return r;
	piece->last->hash = row->hash;
	snprintf(piece->last->key, sizeof(piece->last->key), "%s", row->key);
	snprintf(piece->last->name, sizeof(piece->last->name), "%s", row->name);
	return piece->instance->buffer.failed ? -ENOMEM : 0;
}

static void give_up(struct instance *instance, int error)
{
	function_set_error(
		instance->function, "committed state could not be read", strerror(-error));
	instance_replace(instance, "committed state could not be read");
}

/* ---- a partition ---- */

static bool choose_partition_to_load(struct instance *instance)
{
	struct function *function = instance->function;

	instance->loaded = (struct state_place){0};
	for (unsigned int i = 0; i < PARTITIONS && !instance->loading; i++) {
		struct partition *partition = &function->partitions[i];

		if (partition->owner == instance && partition_may_load(function, partition))
			instance->loading = partition;
	}
	return instance->loading != NULL;
}

static void load_done(struct instance *instance)
{
	struct partition *partition = instance->loading;

	instance->loading = NULL;
	partition->loaded = true;
	partition_advance(instance->function, partition);
}

/* One piece of the state of one partition. Returns its rows; -1: it cannot be read. */
static int load_piece(struct instance *instance)
{
	struct function *function = instance->function;
	struct engine *engine = function->engine;
	struct piece piece = {
		.instance = instance,
		.partition = instance->loading,
		.last = &instance->loaded,
		.fills = true,
	};
	const struct state_place after = instance->loaded;
	const struct state_range range = {
		.function = function->name,
		.partition = partition_number(function, instance->loading),
		.after = after.name[0] ? &after : NULL,
		.limit = LOAD_ROWS,
	};
	int r = engine->ops->load_state(engine->user, &range, put_row, &piece);

	piece_end(&piece);
	if (r < 0 && r != -ECANCELED) {
		give_up(instance, r);
		return -1;
	}
	if (r < LOAD_ROWS)
		load_done(instance);
	return MAX(r, 0);
}

void instance_load(struct instance *instance)
{
	int rows = 0, r;

	while (instance_is_up(instance) &&
		(instance->loading || choose_partition_to_load(instance))) {
		if (rows >= LOAD_ROWS || worker_unsent(instance->worker) > UNSENT_MAX) {
			function_dispatch_later(
				instance->function, rows >= LOAD_ROWS ? 0 : LOAD_WAIT_NS);
			return;
		}
		r = load_piece(instance);
		if (r < 0)
			return;
		rows += r;
	}
}

/* ---- keys ---- */

/*
 * As long as there is room, nobody has to know when a key was used, so that an event costs nothing: what there
 * is is known from what changes.
 */
void instance_note_changes(
	struct instance *instance, struct result_frame result, uint16_t partitions)
{
	struct function *function = instance->function;
	size_t room = keys_max(function), len;
	struct state_row row;

	while (room > 0 && result_frame_write(&result, &row, &len)) {
		struct partition *partition = &function->partitions[key_partition(row.hash)];

		if (!(partitions >> key_partition(row.hash) & 1) || partition->is_tracked)
			continue;
		/* Without memory it is not known, and stays. */
		(void)!residents_touch(&partition->residents, &function->engine->secret, row.hash,
			instance->batches_done);
		if (partition->residents.count > room)
			track(function, partition, instance->batches_sent);
	}
}

static int fetch_key(struct piece *piece, uint64_t hash)
{
	struct function *function = piece->instance->function;
	struct engine *engine = function->engine;
	struct state_place last = {0}, after;
	int r;

	piece->last = &last;
	do {
		struct state_range range = {
			.function = function->name,
			.partition = partition_number(function, piece->partition),
			.hash = &hash,
			.limit = LOAD_ROWS,
		};

		after = last;
		range.after = after.name[0] ? &after : NULL;
		r = engine->ops->load_state(engine->user, &range, put_row, piece);
	} while (r == LOAD_ROWS);
	function->stats.keys_fetched += last.name[0] != 0;
	return MIN(r, 0);
}

/* 0, 1: its state had to be looked for; or a negative errno. */
static int want_key(struct piece *piece, const struct event *event)
{
	struct instance *instance = piece->instance;
	struct function *function = instance->function;
	const uint64_t hash = le64toh(event->pipe.hash);
	int r;

	piece->partition = &function->partitions[event->partition];
	if (!piece->partition->is_tracked)
		return 0;
	r = residents_touch(&piece->partition->residents, &function->engine->secret, hash,
		instance->batches_sent + 1);
	if (r != 0)
		return MIN(r, 0);
	if (!piece->partition->is_partial)
		return 0;
	r = fetch_key(piece, hash);
	return r < 0 ? r : 1;
}

/* An eighth at once: the worker looks at all that it has to find them. */
static void let_keys_go(struct instance *instance, struct partition *partition, size_t most)
{
	struct function *function = instance->function;
	_cleanup_free_ uint64_t *hashes = NULL;
	size_t count;

	if (partition->owner != instance || partition->residents.count <= most ||
		!partition->is_tracked || instance->durable < partition->tracked_since ||
		partition->looked_at == instance->durable + 1)
		return;
	count = residents_evict(&partition->residents, &function->engine->secret, most - most / 8,
		instance->durable, &hashes);
	if (partition->residents.count > most)
		partition->looked_at = instance->durable + 1;
	if (count == 0)
		return;
	pipe_put_evict(&instance->buffer, hashes, count);
	partition->is_partial = true;
	function->stats.keys_evicted += count;
}

size_t instance_fetch(struct instance *instance, size_t most)
{
	struct function *function = instance->function;
	struct piece piece = {.instance = instance};
	size_t count = 0, room = keys_max(function);
	int looked = 0, r = 0;

	if (function->tracked_partitions == 0)
		return most;
	for (const struct event *event = instance->waiting.first;
		event && count < most && looked < FETCH_MAX; event = event->next) {
		r = want_key(&piece, event);
		if (r < 0)
			break;
		looked += r;
		count++;
	}
	piece_end(&piece);
	if (r < 0) {
		give_up(instance, r);
		return 0;
	}
	for (unsigned int i = 0; i < PARTITIONS; i++)
		let_keys_go(instance, &function->partitions[i], room);
	return count;
}
