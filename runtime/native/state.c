// SPDX-License-Identifier: BSD-2-Clause
#include "state.h"

#include "frame.h"

#include <errno.h>
#include <sys/random.h>

#define CHANGE_BYTES 128 /* by which one change may lengthen a text */
#define CANDIDATES   8   /* entries compared to find one to forget */

struct key {
	struct map_node node;
	struct entry *entries;
	struct entry *recent; /* of them, the one that was used last */
	struct key *next_unused;
	uint64_t hash;  /* as the engine has it */
	uint32_t users; /* entries, those too that are gone and still to be told */
	bool is_unused; /* it is in the list of those */
	uint32_t count;
	uint64_t words[];
};

struct list {
	struct entry **items;
	size_t count, capacity;
};

struct state {
	struct siphash_key secret;
	uint32_t fields;
	struct map keys, names, entries;
	struct list all;       /* in any order */
	struct list changed;   /* in the order in which they first changed */
	size_t changed_before; /* the event that runs */
	struct key *unused;    /* keys that have lost their last entry */
	struct undo_log undo;
	uint64_t event; /* number of the one that runs */
	double now;     /* the newest event time */
	uint32_t sweeps;
	size_t change_bytes, change_bytes_before;
	size_t entries_max;
	size_t hand; /* of the sweeper, in `all` */
	size_t made; /* entries since the last sweep */
	uint64_t forgotten;
	bool full; /* nothing may make it larger */
};

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

static bool list_append(struct list *list, struct entry *entry)
{
	size_t capacity = MAX(2 * list->capacity, (size_t)256);
	struct entry **items;

	if (list->count == list->capacity) {
		items = reallocarray(list->items, capacity, sizeof(struct entry *));
		if (!items)
			return false;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = entry;
	return true;
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

/* ---- keys ---- */

uint64_t state_hash_key(const struct state *state, const struct key_words *key)
{
	return map_hash(&state->secret, key->words, key->count * sizeof(key->words[0]));
}

void state_prefetch_place(const struct state *state, uint64_t place)
{
	__builtin_prefetch(map_bucket(&state->keys, place));
}

void state_prefetch_key(const struct state *state, uint64_t place)
{
	__builtin_prefetch(*map_bucket(&state->keys, place));
}

void state_prefetch_entry(const struct state *state, uint64_t place)
{
	struct map_node *node = *map_bucket(&state->keys, place);

	if (node)
		__builtin_prefetch(container_of(node, struct key, node)->recent);
}

static bool key_has_words(const struct key *key, const struct key_words *words)
{
	return key_words_equal(words, key->words, key->count);
}

static struct key *find_key(struct state_view *view)
{
	struct map_node *node;

	/* While events run keys are added, by others of them too, and none is freed. */
	if (view->looked > 0 && (view->key || view->looked == view->state->keys.count + 1))
		return view->key;
	view->looked = view->state->keys.count + 1;
	view->key = NULL;
	for (node = map_first(&view->state->keys, view->place); node;
		node = map_next(node->next, view->place)) {
		struct key *key = container_of(node, struct key, node);

		if (!key_has_words(key, view->words))
			continue;
		view->key = key;
		break;
	}
	return view->key;
}

static struct key *claim_key(struct state_view *view)
{
	size_t bytes = view->words->count * sizeof(uint64_t);
	struct key *key = find_key(view);

	if (key)
		return key;
	key = calloc(1, sizeof(*key) + bytes);
	if (!key)
		return NULL;
	key->node.hash = view->place;
	key->hash = view->hash;
	key->count = view->words->count;
	memcpy(key->words, view->words->words, bytes);
	map_insert(&view->state->keys, &key->node);
	view->key = key;
	return key;
}

/* Not freed at once: the event that runs may still look at it. */
static void note_unused(struct state *state, struct key *key)
{
	if (key->users > 0 || key->is_unused)
		return;
	key->is_unused = true;
	key->next_unused = state->unused;
	state->unused = key;
}

static void free_unused_keys(struct state *state)
{
	struct key *key, *next;

	for (key = TAKE_PTR(state->unused); key; key = next) {
		next = key->next_unused;
		key->is_unused = false;
		if (key->users > 0)
			continue;
		map_remove(&state->keys, &key->node);
		free(key);
	}
}

void state_put_key(const struct state_view *view, struct pipe_buffer *to)
{
	key_words_put_text(view->words->words, view->state->fields, to);
}

/* ---- names ---- */

static struct name *find_name(
	const struct state *state, const char *text, size_t len, uint64_t hash)
{
	struct map_node *node;

	for (node = map_first(&state->names, hash); node; node = map_next(node->next, hash)) {
		struct name *name = container_of(node, struct name, node);

		if (name->len == len && memcmp(name->text, text, len) == 0)
			return name;
	}
	return NULL;
}

/* 0, -EINVAL or -ENOMEM. The name has one user more. */
static int claim_name(struct state *state, const char *text, struct name **ret_name)
{
	size_t len = strlen(text);
	uint64_t hash = map_hash(&state->secret, text, len);
	struct name *name = find_name(state, text, len, hash);

	if (!name) {
		if (len == 0 || !text_is_valid(text, len))
			return -EINVAL;
		name = malloc(sizeof(*name) + len + 1);
		if (!name)
			return -ENOMEM;
		name->node.hash = hash;
		name->users = 0;
		name->len = (uint16_t)len;
		memcpy(name->text, text, len + 1);
		map_insert(&state->names, &name->node);
	}
	name->users++;
	*ret_name = name;
	return 0;
}

static void release_name(struct state *state, struct name *name)
{
	if (--name->users > 0)
		return;
	map_remove(&state->names, &name->node);
	free(name);
}

/* ---- entries ---- */

static uint64_t entry_hash(const struct key *key, const struct name *name)
{
	return key->node.hash ^ (name->node.hash << 1 | name->node.hash >> 63);
}

static void link_entry(struct state *state, struct entry *entry)
{
	struct key *key = entry->key;

	map_insert(&state->entries, &entry->node);
	entry->before = NULL;
	entry->after = key->entries;
	if (key->entries)
		key->entries->before = entry;
	key->entries = entry;
	entry->gone = false;
}

static void unlink_entry(struct state *state, struct entry *entry)
{
	struct key *key = entry->key;

	map_remove(&state->entries, &entry->node);
	if (entry->before)
		entry->before->after = entry->after;
	else
		key->entries = entry->after;
	if (entry->after)
		entry->after->before = entry->before;
	if (key->recent == entry)
		key->recent = NULL;
	entry->gone = true;
}

/* Among all entries. False: no memory. */
static bool enlist(struct state *state, struct entry *entry)
{
	entry->place = state->all.count;
	return list_append(&state->all, entry);
}

static void strike(struct state *state, struct entry *entry)
{
	struct entry *moved = state->all.items[--state->all.count];

	state->all.items[entry->place] = moved;
	moved->place = entry->place;
}

static void free_entry(struct state *state, struct entry *entry)
{
	entry->key->users--;
	note_unused(state, entry->key);
	release_name(state, entry->name);
	value_done(&entry->value);
	free(entry);
}

static struct entry *find_named(struct state *state, const struct key *key, const struct name *name)
{
	uint64_t hash = entry_hash(key, name);
	struct map_node *node;

	for (node = map_first(&state->entries, hash); node; node = map_next(node->next, hash)) {
		struct entry *entry = container_of(node, struct entry, node);

		if (entry->key == key && entry->name == name)
			return entry;
	}
	return NULL;
}

struct entry *state_find(struct state_view *view, const char *text)
{
	struct state *state = view->state;
	struct key *key = find_key(view);
	struct entry *entry = key ? key->recent : NULL;
	struct name *name;
	size_t len;

	if (!key)
		return NULL;
	if (!entry || strcmp(entry->name->text, text) != 0) {
		len = strlen(text);
		name = find_name(state, text, len, map_hash(&state->secret, text, len));
		entry = name ? find_named(state, key, name) : NULL;
		if (!entry)
			return NULL;
		key->recent = entry;
	}
	entry->used = state->sweeps;
	return entry;
}

/* Takes the name. NULL: no memory. */
static struct entry *make_entry(struct state *state, struct key *key, struct name *name)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry || !enlist(state, entry)) {
		free(entry);
		return NULL;
	}
	entry->key = key;
	entry->name = name;
	entry->node.hash = entry_hash(key, name);
	entry->used = state->sweeps;
	entry->saved = state->event; /* unmaking it does */
	key->users++;
	link_entry(state, entry);
	state->made++;
	return entry;
}

struct entry_record {
	struct state *state;
	struct entry *entry;
};

static void unmake_entry(void *record)
{
	const struct entry_record *made = record;

	strike(made->state, made->entry);
	unlink_entry(made->state, made->entry);
	free_entry(made->state, made->entry);
}

/* An entry that is not there yet. */
static int add_entry(struct state_view *view, const char *text, struct entry **ret_entry)
{
	struct state *state = view->state;
	struct entry_record *record;
	struct entry *entry;
	struct name *name;
	struct key *key;
	int r;

	r = claim_name(state, text, &name);
	if (r < 0)
		return r;
	record = undo_push(&state->undo, sizeof(*record), unmake_entry, NULL);
	key = record ? claim_key(view) : NULL;
	entry = key ? make_entry(state, key, name) : NULL;
	if (!entry) {
		if (record)
			undo_drop(&state->undo);
		if (key)
			note_unused(state, key);
		release_name(state, name);
		return -ENOMEM;
	}
	*record = (struct entry_record){state, entry};
	key->recent = entry;
	*ret_entry = entry;
	return 0;
}

int state_claim(struct state_view *view, const char *text, struct entry **ret_entry)
{
	struct entry *entry = state_find(view, text);

	if (!entry)
		return view->state->full ? -EDQUOT : add_entry(view, text, ret_entry);
	*ret_entry = entry;
	return 0;
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
	if (!list_append(&state->changed, entry))
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

	link_entry(deleted->state, entry);
	/* There is room: what was struck off was there. */
	if (!enlist(deleted->state, entry))
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
	strike(state, entry);
	unlink_entry(state, entry);
	return 0;
}

/* ---- an event ---- */

void state_begin(struct state *state, double now)
{
	free_unused_keys(state);
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
	r = entry ? 0 : add_entry(&view, row->name, &entry);
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
			free_entry(state, entry);
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
			free_entry(state, entry);
	}
	state->changed.count = state->changed_before = kept;
	for (size_t i = state->all.count; i > 0; i--) {
		struct entry *entry = state->all.items[i - 1];

		if (!is_of(entry, selection))
			continue;
		strike(state, entry);
		unlink_entry(state, entry);
		free_entry(state, entry);
	}
	free_unused_keys(state);
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
	strike(state, entry);
	unlink_entry(state, entry);
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
			free_entry(state, state->changed.items[i]);
	while (state->all.count > 0) {
		struct entry *entry = state->all.items[0];

		strike(state, entry);
		unlink_entry(state, entry);
		free_entry(state, entry);
	}
	if (state->keys.buckets)
		free_unused_keys(state);
	free(state->all.items);
	free(state->changed.items);
	undo_done(&state->undo);
	map_done(&state->entries);
	map_done(&state->names);
	map_done(&state->keys);
	free(state);
}
