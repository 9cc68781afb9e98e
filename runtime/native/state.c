// SPDX-License-Identifier: BSD-2-Clause
#include "state.h"

#include "frame.h"
#include "state_entries.h"

#include <errno.h>
#include <sys/random.h>

#define CHANGE_BYTES 128 /* by which one change may lengthen a text */
#define CANDIDATES   8   /* entries compared to find one to forget */

int state_new(uint32_t fields, size_t entries_max, struct state **ret_state)
{
	_cleanup_(state_freep) struct state *state = calloc(1, sizeof(*state));

	if (!state || map_init(&state->keys) < 0 || map_init(&state->names) < 0 ||
		map_init(&state->entries) < 0)
		return -ENOMEM;
	if (getrandom(&state->secret, sizeof(state->secret), 0) != sizeof(state->secret))
		return -errno;
	state->secret.k1 |= 1;
	state->fields = fields;
	state->entries_max = entries_max;
	state->now = -INFINITY;
	*ret_state = TAKE_PTR(state);
	return 0;
}

struct undo_log *state_undo(struct state *state)
{
	return &state->undo;
}

void state_set_full(struct state *state, bool full)
{
	state->full = full;
}

bool state_is_full(const struct state *state)
{
	return state->full;
}

size_t state_size(const struct state *state)
{
	return state->all.count;
}

/* ---- changing ---- */

struct value_record {
	struct entry *entry;
	struct value value; /* as much of it as its kind needs */
};

static void value_back(void *record)
{
	struct value_record *saved = record;

	memcpy(&saved->entry->value, &saved->value, value_bytes(saved->value.kind));
}

int state_save(struct state *state, struct entry *entry)
{
	size_t bytes = value_bytes(entry->value.kind);
	struct value_record *record;

	if (entry->saved == state->event)
		return 0;
	if (entry->value.kind == VALUE_DISTINCT)
		distinct_tidy(&entry->value.distinct);
	record = undo_push(
		&state->undo, offsetof(struct value_record, value) + bytes, value_back, NULL);
	if (!record)
		return -ENOMEM;
	record->entry = entry;
	memcpy(&record->value, &entry->value, bytes);
	entry->saved = state->event;
	return 0;
}

static void replaced_back(void *record)
{
	struct value_record *replaced = record;

	value_done(&replaced->entry->value);
	replaced->entry->value = replaced->value;
}

static void replaced_let_go(void *record)
{
	struct value_record *replaced = record;

	value_done(&replaced->value);
}

int state_replace(struct state *state, struct entry *entry)
{
	struct value_record *record =
		undo_push(&state->undo, sizeof(*record), replaced_back, replaced_let_go);

	if (!record)
		return -ENOMEM;
	*record = (struct value_record){entry, entry->value};
	entry->value.kind = VALUE_NONE;
	entry->saved = state->event; /* of what comes now nothing need be saved */
	return 0;
}

static int note_changed(struct state *state, struct entry *entry)
{
	if (!entry_list_append(&state->changed, entry))
		return -ENOMEM;
	entry->changed = true;
	return 0;
}

int state_changed(struct state *state, struct entry *entry)
{
	if (entry->changed) {
		state->change_bytes += CHANGE_BYTES;
		return 0;
	}
	state->change_bytes += value_size(&entry->value);
	return note_changed(state, entry);
}

static void undelete(void *record)
{
	const struct entry_record *deleted = record;
	struct entry *entry = deleted->entry;

	entry_link(deleted->state, entry);
	/* There is room: what was struck off was there. */
	if (!entry_enlist(deleted->state, entry))
		abort();
}

int state_delete(struct state *state, struct entry *entry)
{
	struct entry_record *record = undo_push(&state->undo, sizeof(*record), undelete, NULL);

	if (!record || (!entry->changed && note_changed(state, entry) < 0)) {
		if (record)
			undo_drop(&state->undo);
		return -ENOMEM;
	}
	*record = (struct entry_record){state, entry};
	entry_strike(state, entry);
	entry_unlink(state, entry);
	return 0;
}

/* ---- an event ---- */

void state_begin(struct state *state, double now)
{
	keys_free_unused(state);
	state->event++;
	state->now = MAX(state->now, now);
}

void state_keep(struct state *state)
{
	undo_let_go(&state->undo);
	state->changed_before = state->changed.count;
	state->change_bytes_before = state->change_bytes;
}

void state_rollback(struct state *state)
{
	while (state->changed.count > state->changed_before)
		state->changed.items[--state->changed.count]->changed = false;
	undo_all(&state->undo);
	state->change_bytes = state->change_bytes_before;
}

size_t state_change_bytes(const struct state *state)
{
	return state->change_bytes;
}

size_t state_event_bytes(const struct state *state)
{
	return state->change_bytes - state->change_bytes_before;
}

/* ---- what comes from the store and goes there ---- */

bool state_parse_key(const struct state *state, const char *text, struct key_words *ret_key)
{
	return key_words_parse(text, state->fields, ret_key);
}

int state_load(struct state *state, const struct state_row *row)
{
	struct key_words words;
	struct state_view view = {.state = state, .hash = row->hash, .words = &words};
	struct entry *entry;
	int r;

	if (!state_parse_key(state, row->key, &words))
		return -EINVAL;
	view.place = state_hash_key(state, &words);
	entry = state_find(&view, row->name);
	r = entry ? 0 : entry_add(&view, row->name, &entry);
	if (r == 0) {
		value_done(&entry->value);
		r = value_load(&entry->value, row->value, row->value_len);
		entry->stored = true;
	}
	if (r < 0)
		state_rollback(state);
	else
		state_keep(state);
	return r;
}

static void put_change(struct state *state, struct entry *entry, struct pipe_buffer *to)
{
	size_t text;

	frame_put_u64(to, entry->key->hash);
	text = frame_begin_text(to);
	key_words_put_text(entry->key->words, state->fields, to);
	frame_end_text(to, text);
	frame_put_text(to, entry->name->text, entry->name->len);
	frame_put_u8(to, entry->gone);
	if (entry->gone)
		return;
	text = frame_begin_text(to);
	value_put_row(&entry->value, to);
	frame_end_text(to, text);
}

void state_collect(struct state *state, struct pipe_buffer *to)
{
	size_t hole = frame_put_hole(to);
	uint32_t count = 0;

	for (size_t i = 0; i < state->changed.count; i++) {
		struct entry *entry = state->changed.items[i];

		entry->changed = false;
		if (!entry->gone || entry->stored) {
			put_change(state, entry, to);
			count++;
		}
		entry->stored = true;
		if (entry->gone)
			entry_free(state, entry);
	}
	frame_fill_hole(to, hole, count);
	state->changed.count = state->changed_before = 0;
	state->change_bytes = state->change_bytes_before = 0;
}

/* ---- forgetting ---- */

/* Those of partitions (bit p), or of hashes. */
struct selection {
	uint32_t partitions;
	const uint64_t *hashes;
	size_t count;
};

static int compare_hash(const void *wanted, const void *item)
{
	uint64_t x = *(const uint64_t *)wanted, y = le64toh(*(const uint64_t *)item);

	return (x > y) - (x < y);
}

static bool is_of(const struct entry *entry, const struct selection *selection)
{
	uint64_t hash = entry->key->hash;

	return selection->partitions >> (hash >> 60) & 1 ||
	       (selection->count > 0 && bsearch(&hash, selection->hashes, selection->count,
						sizeof(hash), compare_hash));
}

static void forget(struct state *state, const struct selection *selection)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->changed.count; i++) {
		struct entry *entry = state->changed.items[i];

		if (!is_of(entry, selection))
			state->changed.items[kept++] = entry;
		else if (entry->gone)
			entry_free(state, entry);
	}
	state->changed.count = state->changed_before = kept;
	for (size_t i = state->all.count; i > 0; i--) {
		struct entry *entry = state->all.items[i - 1];

		if (!is_of(entry, selection))
			continue;
		entry_strike(state, entry);
		entry_unlink(state, entry);
		entry_free(state, entry);
	}
	keys_free_unused(state);
}

void state_drop(struct state *state, uint32_t partitions)
{
	forget(state, &(struct selection){.partitions = partitions});
}

void state_evict(struct state *state, const uint64_t *hashes, size_t count)
{
	forget(state, &(struct selection){.hashes = hashes, .count = count});
}

/* The next entry of an endless round. There must be one. */
static struct entry *step(struct state *state)
{
	if (++state->hand >= state->all.count)
		state->hand = 0;
	return state->all.items[state->hand];
}

/* Without memory to note that it is to be deleted, it stays. */
static bool drop(struct state *state, struct entry *entry)
{
	if (!entry->changed && note_changed(state, entry) < 0)
		return false;
	entry_strike(state, entry);
	entry_unlink(state, entry);
	return true;
}

/* The one of some that was not used for longest. */
static struct entry *oldest_of_some(struct state *state)
{
	struct entry *oldest = step(state);

	for (int i = 1; i < CANDIDATES; i++) {
		struct entry *other = step(state);

		if ((int32_t)(other->used - oldest->used) < 0)
			oldest = other;
	}
	return oldest;
}

uint64_t state_sweep(struct state *state, size_t least)
{
	size_t left = MIN(least + 2 * state->made, state->all.count);

	for (; left > 0 && state->all.count > 0; left--) {
		struct entry *entry = step(state);

		if (value_is_expired(&entry->value, state->now))
			drop(state, entry);
	}
	state->made = 0;
	state->sweeps++;
	while (state->all.count > state->entries_max && drop(state, oldest_of_some(state)))
		state->forgotten++;
	state->changed_before = state->changed.count;
	return state->forgotten;
}

void state_free(struct state *state)
{
	for (size_t i = 0; i < state->changed.count; i++)
		if (state->changed.items[i]->gone)
			entry_free(state, state->changed.items[i]);
	while (state->all.count > 0) {
		struct entry *entry = state->all.items[0];

		entry_strike(state, entry);
		entry_unlink(state, entry);
		entry_free(state, entry);
	}
	if (state->keys.buckets)
		keys_free_unused(state);
	free(state->all.items);
	free(state->changed.items);
	undo_done(&state->undo);
	map_done(&state->entries);
	map_done(&state->names);
	map_done(&state->keys);
	free(state);
}
