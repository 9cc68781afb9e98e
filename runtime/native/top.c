// SPDX-License-Identifier: BSD-2-Clause
#include "top.h"

#include <errno.h>
#include <string.h>

#define SLOTS_MIN  32
#define SLOTS_EACH 4 /* of the values that are asked for */

struct slot {
	double sum, error;
	struct text value;
};

struct part {
	uint32_t count;
	uint32_t *hashes; /* of the values, together: they are what is searched */
	struct slot slots[];
};

static struct part *part_new(uint32_t slots)
{
	struct part *part =
		calloc(1, sizeof(*part) + slots * (sizeof(struct slot) + sizeof(uint32_t)));

	if (part)
		part->hashes = (uint32_t *)&part->slots[slots];
	return part;
}

static void part_free(void *object)
{
	struct part *part = object;

	for (uint32_t i = 0; i < part->count; i++)
		text_done(&part->slots[i].value);
	free(part);
}

int top_init(struct top *top, double length, unsigned int k)
{
	*top = (struct top){
		.length = length,
		.newest = length > 0 ? BUCKET_NONE : 0,
		.k = k,
		.slots = MAX(SLOTS_EACH * k, SLOTS_MIN),
		.parts = calloc(1, sizeof(struct parts)),
	};
	return top->parts ? 0 : -ENOMEM;
}

void top_done(struct top *top)
{
	if (!top->parts)
		return;
	parts_done(top->parts, part_free);
	free(TAKE_PTR(top->parts));
}

static int64_t top_bucket(const struct top *top, double now)
{
	return top->length > 0 ? bucket_of(now, top->length) : 0;
}

static int64_t part_count(const struct top *top)
{
	return top->length > 0 ? BUCKETS : 1;
}

/* ---- a part ---- */

static struct slot *part_find(struct part *part, const struct text *value)
{
	for (uint32_t i = 0; i < part->count; i++)
		if (part->hashes[i] == value->hash &&
			text_equals(
				&part->slots[i].value, text_get(value), value->len, value->hash))
			return &part->slots[i];
	return NULL;
}

/* The first of the smallest sums. */
static struct slot *part_smallest(struct part *part)
{
	struct slot *smallest = &part->slots[0];

	for (uint32_t i = 1; i < part->count; i++)
		if (part->slots[i].sum < smallest->sum)
			smallest = &part->slots[i];
	return smallest;
}

struct slot_before {
	struct part *part;
	uint32_t place;
	bool replaced; /* its value, which this record owns */
	struct slot slot;
};

static void slot_back(void *record)
{
	struct slot_before *before = record;
	struct slot *slot = &before->part->slots[before->place];

	if (before->replaced)
		text_done(&slot->value);
	*slot = before->slot;
	before->part->hashes[before->place] = slot->value.hash;
}

static void slot_let_go(void *record)
{
	struct slot_before *before = record;

	text_done(&before->slot.value);
}

static void slot_unmade(void *record)
{
	struct slot_before *before = record;

	text_done(&before->part->slots[--before->part->count].value);
}

static int part_append(
	struct part *part, const struct text *value, double amount, struct undo_log *undo)
{
	struct slot_before *before = undo_push(undo, sizeof(*before), slot_unmade, NULL);
	struct slot *slot = &part->slots[part->count];

	if (!before)
		return -ENOMEM;
	before->part = part;
	*slot = (struct slot){.sum = amount};
	part->hashes[part->count++] = value->hash;
	return text_set(&slot->value, text_get(value), value->len, value->hash);
}

/* Notes what a slot was. False: no memory. */
static bool save_slot(
	struct part *part, const struct slot *slot, bool replaced, struct undo_log *undo)
{
	struct slot_before *before =
		undo_push(undo, sizeof(*before), slot_back, replaced ? slot_let_go : NULL);

	if (before)
		*before =
			(struct slot_before){part, (uint32_t)(slot - part->slots), replaced, *slot};
	return before != NULL;
}

static int part_replace(
	struct part *part, const struct text *value, double amount, struct undo_log *undo)
{
	struct slot *slot = part_smallest(part);

	if (!save_slot(part, slot, true, undo))
		return -ENOMEM;
	slot->error = slot->sum;
	slot->sum += amount;
	slot->value.len = 0; /* the record's now */
	part->hashes[slot - part->slots] = value->hash;
	return text_set(&slot->value, text_get(value), value->len, value->hash);
}

static int part_add(struct part *part, uint32_t slots, const struct text *value, double amount,
	struct undo_log *undo)
{
	struct slot *slot = part_find(part, value);

	if (!slot && part->count < slots)
		return part_append(part, value, amount, undo);
	if (!slot)
		return part_replace(part, value, amount, undo);
	if (!save_slot(part, slot, false, undo))
		return -ENOMEM;
	slot->sum += amount;
	return 0;
}

/* ---- all parts ---- */

int top_add(
	struct top *top, double now, const struct text *value, double amount, struct undo_log *undo)
{
	int64_t bucket = top_bucket(top, now);
	struct part *part;

	if (amount == 0 || (top->newest != BUCKET_NONE && bucket <= top->newest - part_count(top)))
		return 0;
	top->newest = MAX(top->newest, bucket);
	part = parts_get(top->parts, bucket);
	if (!part) {
		part = part_new(top->slots);
		if (part && parts_put(top->parts, bucket, part, part_free, undo) < 0)
			part_free(TAKE_PTR(part));
	}
	if (!part || part_add(part, top->slots, value, amount, undo) < 0)
		return -ENOMEM;
	return 1;
}

/* A part that is in the window. */
struct view {
	struct part *part;
	double most; /* what a value can be that it does not have */
};

/* All of them, the newest first. Returns how many. */
static size_t in_window(const struct top *top, double now, struct view ret_views[static BUCKETS])
{
	int64_t oldest = MAX(top_bucket(top, now), top->newest) - part_count(top) + 1;
	size_t count = 0;

	if (top->newest == BUCKET_NONE)
		return 0;
	for (int64_t bucket = top->newest; bucket >= oldest; bucket--) {
		struct part *part = parts_get(top->parts, bucket);

		if (part)
			ret_views[count++] = (struct view){
				part, part->count < top->slots ? 0 : part_smallest(part)->sum};
	}
	return count;
}

static struct top_sum sum_of(const struct view *views, size_t count, const struct text *value)
{
	struct top_sum sum = {.value = value};

	for (size_t i = 0; i < count; i++) {
		const struct slot *slot = part_find(views[i].part, value);

		sum.sum += slot ? slot->sum : views[i].most;
		sum.error += slot ? slot->error : views[i].most;
	}
	return sum;
}

double top_sum(const struct top *top, double now, const struct text *value)
{
	struct view views[BUCKETS];
	size_t count = in_window(top, now, views);

	return sum_of(views, count, value).sum;
}

static bool comes_before(const struct top_sum *a, const struct top_sum *b)
{
	return a->sum > b->sum || (a->sum == b->sum && a->error < b->error);
}

/* Keeps the `k` largest in order; of equals, the first comes first. */
static int insert_sum(struct top_sum *sums, int count, int k, const struct top_sum *sum)
{
	int at = count;

	while (at > 0 && comes_before(sum, &sums[at - 1]))
		at--;
	if (at == k)
		return count;
	if (count < k)
		count++;
	memmove(&sums[at + 1], &sums[at], (size_t)(count - 1 - at) * sizeof(sums[0]));
	sums[at] = *sum;
	return count;
}

static bool any_has(const struct view *views, size_t count, const struct text *value)
{
	for (size_t i = 0; i < count; i++)
		if (part_find(views[i].part, value))
			return true;
	return false;
}

int top_value(const struct top *top, double now, struct top_sum ret_sums[static TOP_MAX])
{
	struct view views[BUCKETS];
	size_t view_count = in_window(top, now, views);
	int count = 0;

	for (size_t v = 0; v < view_count; v++) {
		for (uint32_t i = 0; i < views[v].part->count; i++) {
			const struct text *value = &views[v].part->slots[i].value;
			struct top_sum sum;

			if (any_has(views, v, value))
				continue;
			sum = sum_of(views, view_count, value);
			count = insert_sum(ret_sums, count, (int)top->k, &sum);
		}
	}
	return count;
}

/* ---- as text ---- */

size_t top_size(const struct top *top)
{
	size_t size = 64;

	for (size_t i = 0; i < BUCKETS; i++)
		if (top->parts->part[i])
			size += 32 * ((const struct part *)top->parts->part[i])->count;
	return size;
}

static void put_part(const struct part *part, int64_t age, struct pipe_buffer *to)
{
	json_put(to, "[");
	json_put_number(to, (double)age);
	for (uint32_t i = 0; i < part->count; i++) {
		const struct slot *slot = &part->slots[i];

		json_put(to, ",");
		json_put_string(to, text_get(&slot->value), slot->value.len);
		json_put(to, ",");
		json_put_number(to, slot->sum);
		json_put(to, ",");
		json_put_number(to, slot->error);
	}
	json_put(to, "]");
}

void top_put(const struct top *top, struct pipe_buffer *to)
{
	bool first = true;

	json_put(to, "{\"$top\":");
	json_put_number(to, top->length);
	json_put(to, ",\"k\":");
	json_put_number(to, top->k);
	json_put(to, ",\"at\":");
	json_put_bucket(to, top->newest);
	json_put(to, ",\"parts\":[");
	for (int64_t age = 0; top->newest != BUCKET_NONE && age < part_count(top); age++) {
		const struct part *part = parts_get(top->parts, top->newest - age);

		if (!part)
			continue;
		if (!first)
			json_put(to, ",");
		put_part(part, age, to);
		first = false;
	}
	json_put(to, "]}");
}

static int read_slot(struct part *part, uint32_t slots, json_t *json, size_t at)
{
	json_t *value = json_array_get(json, at);
	const char *bytes = json_string_value(value);
	size_t len = json_string_length(value);
	struct slot *slot = &part->slots[part->count];

	if (!bytes || !text_is_valid(bytes, len) || part->count == slots)
		return -EBADMSG;
	if (text_set(&slot->value, bytes, len, text_hash(bytes, len)) < 0)
		return -ENOMEM;
	slot->sum = json_number_value(json_array_get(json, at + 1));
	slot->error = json_number_value(json_array_get(json, at + 2));
	part->hashes[part->count++] = slot->value.hash;
	return 0;
}

/* [age, value, sum, error, value, sum, error, ...] */
static int read_part(struct top *top, json_t *json)
{
	int64_t age = (int64_t)json_number_value(json_array_get(json, 0));
	size_t place = parts_place(top->newest - age);
	struct part *part;
	int r = 0;

	if (age < 0 || age >= part_count(top) || top->parts->part[place])
		return -EBADMSG;
	part = part_new(top->slots);
	if (!part)
		return -ENOMEM;
	top->parts->part[place] = part;
	top->parts->bucket[place] = top->newest - age;
	for (size_t i = 1; i < json_array_size(json) && r == 0; i += 3)
		r = read_slot(part, top->slots, json, i);
	return r;
}

int top_read(struct top *top, json_t *json)
{
	double length, k;
	json_t *part;
	size_t i;
	int r;

	*top = (struct top){0};
	if (!member_number(json, "$top", &length) || !member_number(json, "k", &k) ||
		(length != 0 && length < BUCKETS) || k < 1 || k > TOP_MAX)
		return -EBADMSG;
	r = top_init(top, length, (unsigned int)k);
	if (r < 0)
		return r;
	if (!member_bucket(json, "at", &top->newest))
		return -EBADMSG;
	json_array_foreach (json_object_get(json, "parts"), i, part) {
		if (r == 0)
			r = top->newest == BUCKET_NONE ? -EBADMSG : read_part(top, part);
	}
	return r;
}
