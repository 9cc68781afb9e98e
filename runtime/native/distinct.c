// SPDX-License-Identifier: BSD-2-Clause
#include "distinct.h"

#include "value_set.h"

#include <errno.h>
#include <string.h>

#define TIDY_LEAST 16 /* values that are out of the window are no matter */

int distinct_init(struct distinct *distinct, double length, unsigned int cap)
{
	*distinct = (struct distinct){.length = length, .newest = BUCKET_NONE, .cap = cap};
	distinct->seen = value_set_new();
	return distinct->seen ? 0 : -ENOMEM;
}

void distinct_done(struct distinct *distinct)
{
	value_set_freep(&distinct->seen);
	sketch_freep(&distinct->sketch);
}

static int64_t oldest_bucket(const struct distinct *distinct)
{
	return distinct->newest - BUCKETS + 1;
}

void distinct_tidy(struct distinct *distinct)
{
	if (distinct->seen->count > 2 * distinct->live + TIDY_LEAST)
		value_set_tidy(distinct->seen, oldest_bucket(distinct));
}

static void count_bucket(struct distinct *distinct, int64_t bucket, int by)
{
	distinct->by_age[distinct->newest - bucket] =
		(uint16_t)(distinct->by_age[distinct->newest - bucket] + by);
	distinct->live = (uint32_t)((int)distinct->live + by);
}

/* Ages all by some buckets, and counts those out that leave the window. */
static void count_older(struct distinct *distinct, int64_t steps)
{
	size_t kept = steps < BUCKETS ? (size_t)(BUCKETS - steps) : 0;

	for (size_t age = kept; age < BUCKETS; age++)
		distinct->live -= distinct->by_age[age];
	memmove(distinct->by_age + BUCKETS - kept, distinct->by_age,
		kept * sizeof(distinct->by_age[0]));
	memset(distinct->by_age, 0, (BUCKETS - kept) * sizeof(distinct->by_age[0]));
}

static int advance(struct distinct *distinct, int64_t bucket, struct undo_log *undo)
{
	if (distinct->newest != BUCKET_NONE)
		count_older(distinct, bucket - distinct->newest);
	distinct->newest = bucket;
	if (!distinct->sketch || !sketch_is_empty(distinct->sketch, bucket))
		return 0;
	if (!undo_push_replaced(undo, distinct->sketch, sketch_free))
		return -ENOMEM;
	distinct->sketch = NULL;
	return 0;
}

static bool is_live(const struct distinct *distinct, const struct seen_value *value)
{
	return value && value->bucket >= oldest_bucket(distinct);
}

static int sketch_all(struct sketch *sketch, const struct distinct *distinct, struct undo_log *undo)
{
	const struct value_set *seen = distinct->seen;

	for (uint32_t i = 0; i < seen->count; i++) {
		const struct seen_value *value = &seen->values[i];

		if (is_live(distinct, value) && sketch_add(sketch, distinct->newest, value->bucket,
							value->text.hash, undo) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int begin_sketch(struct distinct *distinct, struct undo_log *undo)
{
	struct sketch *sketch = sketch_new();

	if (!sketch)
		return -ENOMEM;
	if (!undo_push_made(undo, sketch, sketch_free)) {
		sketch_free(sketch);
		return -ENOMEM;
	}
	distinct->sketch = sketch;
	return sketch_all(sketch, distinct, undo);
}

/* 1: noted that a value was seen; 0: nothing new in that, or there is no room. */
static int note(struct distinct *distinct, struct seen_value *value, const struct text *text,
	int64_t bucket, struct undo_log *undo)
{
	bool live = is_live(distinct, value);
	int64_t before = live ? value->bucket : BUCKET_NONE;

	if (live ? before >= bucket : distinct->live >= distinct->cap)
		return 0;
	if (!value)
		value = value_set_append(distinct->seen, text);
	if (!value || !value_set_note(distinct->seen, value, bucket, undo))
		return -ENOMEM;
	if (live)
		count_bucket(distinct, before, -1);
	count_bucket(distinct, bucket, 1);
	return 1;
}

int distinct_add(
	struct distinct *distinct, double now, const struct text *text, struct undo_log *undo)
{
	int64_t bucket = bucket_of(now, distinct->length);
	bool advances = bucket > distinct->newest;
	struct seen_value *value;
	int notes, sketches = 0;

	if (!advances && bucket < oldest_bucket(distinct))
		return 0;
	if (advances && advance(distinct, bucket, undo) < 0)
		return -ENOMEM;
	value = value_set_find(distinct->seen, text);
	if (!distinct->sketch && distinct->live >= distinct->cap && !is_live(distinct, value) &&
		begin_sketch(distinct, undo) < 0)
		return -ENOMEM;
	notes = note(distinct, value, text, bucket, undo);
	if (notes >= 0 && distinct->sketch)
		sketches = sketch_add(distinct->sketch, distinct->newest, bucket, text->hash, undo);
	if (notes < 0 || sketches < 0)
		return -ENOMEM;
	return advances || notes || sketches;
}

static uint32_t exact(const struct distinct *distinct, int64_t later)
{
	uint32_t count = 0;

	for (int64_t age = 0; age < BUCKETS - later; age++)
		count += distinct->by_age[age];
	return count;
}

double distinct_value(const struct distinct *distinct, double now)
{
	int64_t bucket = bucket_of(now, distinct->length);
	int64_t later = MAX(bucket - distinct->newest, 0);
	double count;

	if (distinct->newest == BUCKET_NONE)
		return 0;
	count = exact(distinct, later);
	if (!distinct->sketch)
		return count;
	return fmax(count,
		sketch_value(distinct->sketch, oldest_bucket(distinct) + later, distinct->newest));
}

/* ---- as text ---- */

size_t distinct_size(const struct distinct *distinct)
{
	return 64 + 16 * distinct->live + (distinct->sketch ? 8192 : 0);
}

static void put_age(const struct distinct *distinct, int64_t age, struct pipe_buffer *to)
{
	const struct value_set *seen = distinct->seen;

	json_put(to, "[");
	json_put_number(to, (double)age);
	for (uint32_t i = 0; i < seen->count; i++) {
		const struct seen_value *value = &seen->values[i];

		if (value->bucket != distinct->newest - age)
			continue;
		json_put(to, ",");
		json_put_string(to, text_get(&value->text), value->text.len);
	}
	json_put(to, "]");
}

void distinct_put(const struct distinct *distinct, struct pipe_buffer *to)
{
	bool first = true;

	json_put(to, "{\"$distinct\":");
	json_put_number(to, distinct->length);
	json_put(to, ",\"cap\":");
	json_put_number(to, distinct->cap);
	json_put(to, ",\"at\":");
	json_put_bucket(to, distinct->newest);
	json_put(to, ",\"seen\":[");
	for (int64_t age = 0; age < BUCKETS; age++) {
		if (distinct->by_age[age] == 0)
			continue;
		if (!first)
			json_put(to, ",");
		put_age(distinct, age, to);
		first = false;
	}
	json_put(to, "]");
	if (distinct->sketch) {
		json_put(to, ",\"sketch\":");
		sketch_put(distinct->sketch, distinct->newest, to);
	}
	json_put(to, "}");
}

static int read_value(struct distinct *distinct, int64_t age, json_t *json)
{
	const char *bytes = json_string_value(json);
	size_t len = json_string_length(json);
	struct seen_value *value;
	struct text text = {0};
	int r;

	if (!bytes || !text_is_valid(bytes, len) || distinct->live >= distinct->cap)
		return -EBADMSG;
	r = text_set(&text, bytes, len, text_hash(bytes, len));
	if (r < 0)
		return r;
	value = value_set_find(distinct->seen, &text) ? NULL
						      : value_set_append(distinct->seen, &text);
	text_done(&text);
	if (!value)
		return -EBADMSG;
	value->bucket = distinct->newest - age;
	count_bucket(distinct, value->bucket, 1);
	return 0;
}

/* [age, value, ...] */
static int read_age(struct distinct *distinct, json_t *json)
{
	int64_t age = (int64_t)json_number_value(json_array_get(json, 0));
	int r = age < 0 || age >= BUCKETS ? -EBADMSG : 0;

	for (size_t i = 1; i < json_array_size(json) && r == 0; i++)
		r = read_value(distinct, age, json_array_get(json, i));
	return r;
}

static int read_values(struct distinct *distinct, json_t *json)
{
	json_t *sketch = json_object_get(json, "sketch"), *age;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(json, "seen"), i, age) {
		if (r == 0)
			r = read_age(distinct, age);
	}
	if (r < 0 || !sketch)
		return r;
	distinct->sketch = sketch_new();
	if (!distinct->sketch)
		return -ENOMEM;
	return sketch_read(distinct->sketch, distinct->newest, sketch);
}

int distinct_read(struct distinct *distinct, json_t *json)
{
	double cap;

	if (distinct_init(distinct, BUCKETS, DISTINCT_CAP) < 0)
		return -ENOMEM;
	if (!member_length(json, "$distinct", &distinct->length) ||
		!member_bucket(json, "at", &distinct->newest) ||
		!member_number(json, "cap", &cap) || cap < 1 || cap > DISTINCT_CAP_MAX)
		return -EBADMSG;
	distinct->cap = (uint32_t)cap;
	return distinct->newest == BUCKET_NONE ? 0 : read_values(distinct, json);
}
