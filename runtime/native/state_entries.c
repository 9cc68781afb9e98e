// SPDX-License-Identifier: BSD-2-Clause
#include "state_entries.h"

#include <errno.h>

bool entry_list_append(struct entry_list *list, struct entry *entry)
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

void keys_free_unused(struct state *state)
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

void entry_link(struct state *state, struct entry *entry)
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

void entry_unlink(struct state *state, struct entry *entry)
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

bool entry_enlist(struct state *state, struct entry *entry)
{
	entry->place = state->all.count;
	return entry_list_append(&state->all, entry);
}

void entry_strike(struct state *state, struct entry *entry)
{
	struct entry *moved = state->all.items[--state->all.count];

	state->all.items[entry->place] = moved;
	moved->place = entry->place;
}

void entry_free(struct state *state, struct entry *entry)
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

	if (!entry || !entry_enlist(state, entry)) {
		free(entry);
		return NULL;
	}
	entry->key = key;
	entry->name = name;
	entry->node.hash = entry_hash(key, name);
	entry->used = state->sweeps;
	entry->saved = state->event; /* unmaking it does */
	key->users++;
	entry_link(state, entry);
	state->made++;
	return entry;
}

static void unmake_entry(void *record)
{
	const struct entry_record *made = record;

	entry_strike(made->state, made->entry);
	entry_unlink(made->state, made->entry);
	entry_free(made->state, made->entry);
}

int entry_add(struct state_view *view, const char *text, struct entry **ret_entry)
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
		return view->state->full ? -EDQUOT : entry_add(view, text, ret_entry);
	*ret_entry = entry;
	return 0;
}
