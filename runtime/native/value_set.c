// SPDX-License-Identifier: BSD-2-Clause
#include "value_set.h"

#include <string.h>

#define CAPACITY_MIN 8

struct value_set *value_set_new(void)
{
	return calloc(1, sizeof(struct value_set));
}

void value_set_free(void *object)
{
	struct value_set *set = object;

	for (uint32_t i = 0; i < set->count; i++)
		text_done(&set->values[i].text);
	free(set->values);
	free(set->slots);
	free(set);
}

static void index_value(struct value_set *set, uint32_t i)
{
	uint32_t slot = set->values[i].text.hash & set->mask;

	while (set->slots[slot] != 0)
		slot = (slot + 1) & set->mask;
	set->slots[slot] = i + 1;
}

static void index_all(struct value_set *set)
{
	memset(set->slots, 0, (set->mask + 1) * sizeof(set->slots[0]));
	for (uint32_t i = 0; i < set->count; i++)
		index_value(set, i);
}

static bool grow(struct value_set *set)
{
	uint32_t capacity = MAX(set->capacity * 2, CAPACITY_MIN);
	uint32_t *slots = malloc(2 * capacity * sizeof(*slots));
	struct seen_value *values = reallocarray(set->values, capacity, sizeof(*values));

	if (values)
		set->values = values;
	if (!slots || !values) {
		free(slots);
		return false;
	}
	free(set->slots);
	set->slots = slots;
	set->capacity = capacity;
	set->mask = 2 * capacity - 1;
	index_all(set);
	return true;
}

struct seen_value *value_set_find(const struct value_set *set, const struct text *text)
{
	const char *bytes = text_get(text);

	if (set->capacity == 0)
		return NULL;
	for (uint32_t slot = text->hash & set->mask; set->slots[slot] != 0;
		slot = (slot + 1) & set->mask) {
		struct seen_value *value = &set->values[set->slots[slot] - 1];

		if (text_equals(&value->text, bytes, text->len, text->hash))
			return value;
	}
	return NULL;
}

struct seen_value *value_set_append(struct value_set *set, const struct text *text)
{
	struct seen_value *value;

	if (set->count == set->capacity && !grow(set))
		return NULL;
	value = &set->values[set->count];
	if (text_set(&value->text, text_get(text), text->len, text->hash) < 0)
		return NULL;
	value->bucket = BUCKET_NONE;
	index_value(set, set->count++);
	return value;
}

/* By index, since values move as there are more. */
struct bucket_before {
	struct value_set *set;
	size_t index;
	int64_t bucket;
};

static void bucket_back(void *record)
{
	const struct bucket_before *before = record;

	before->set->values[before->index].bucket = before->bucket;
}

bool value_set_note(
	struct value_set *set, struct seen_value *value, int64_t bucket, struct undo_log *undo)
{
	struct bucket_before *before = undo_push(undo, sizeof(*before), bucket_back, NULL);

	if (!before)
		return false;
	*before = (struct bucket_before){set, (size_t)(value - set->values), value->bucket};
	value->bucket = bucket;
	return true;
}

void value_set_tidy(struct value_set *set, int64_t oldest)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		if (set->values[i].bucket >= oldest)
			set->values[kept++] = set->values[i];
		else
			text_done(&set->values[i].text);
	}
	set->count = kept;
	if (set->slots)
		index_all(set);
}
