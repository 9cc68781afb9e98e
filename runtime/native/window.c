// SPDX-License-Identifier: BSD-2-Clause
#include "window.h"

#include "event/render.h"

#include <errno.h>
#include <string.h>

bool member_number(json_t *json, const char *name, double *ret_number)
{
	json_t *member = json_object_get(json, name);

	if (!json_is_number(member))
		return false;
	*ret_number = json_number_value(member);
	return true;
}

bool member_bucket(json_t *json, const char *name, int64_t *ret_bucket)
{
	double number;

	if (json_is_null(json_object_get(json, name)))
		*ret_bucket = BUCKET_NONE;
	else if (member_number(json, name, &number) && fabs(number) < 1e18)
		*ret_bucket = (int64_t)number;
	else
		return false;
	return true;
}

bool member_length(json_t *json, const char *name, double *ret_length)
{
	double length;

	if (!member_number(json, name, &length) || length < BUCKETS)
		return false;
	*ret_length = length;
	return true;
}

void json_put_bucket(struct pipe_buffer *to, int64_t bucket)
{
	if (bucket == BUCKET_NONE)
		json_put(to, "null");
	else
		json_put_number(to, (double)bucket);
}

/* ---- windows ---- */

void window_init(struct window *window, double length)
{
	*window = (struct window){.length = length, .newest = BUCKET_NONE};
}

static void window_advance(struct window *window, int64_t bucket)
{
	int64_t steps = BUCKETS;

	if (window->newest != BUCKET_NONE && bucket - window->newest < BUCKETS)
		steps = bucket - window->newest;
	memmove(window->sums + steps, window->sums,
		(size_t)(BUCKETS - steps) * sizeof(window->sums[0]));
	memset(window->sums, 0, (size_t)steps * sizeof(window->sums[0]));
	window->newest = bucket;
}

bool window_add(struct window *window, double now, double amount)
{
	int64_t bucket = bucket_of(now, window->length);

	if (amount == 0 || (window->newest != BUCKET_NONE && bucket <= window->newest - BUCKETS))
		return false;
	if (bucket > window->newest)
		window_advance(window, bucket);
	window->sums[window->newest - bucket] += amount;
	return true;
}

double window_value(const struct window *window, double now)
{
	int64_t bucket = bucket_of(now, window->length);
	int64_t left = BUCKETS;
	double sum = 0;

	if (window->newest == BUCKET_NONE)
		return 0;
	if (bucket > window->newest)
		left -= bucket - window->newest;
	for (int64_t age = 0; age < left; age++)
		sum += window->sums[age];
	return sum;
}

void window_put(const struct window *window, struct pipe_buffer *to)
{
	size_t count = BUCKETS;

	while (count > 0 && window->sums[count - 1] == 0)
		count--;
	json_put(to, "{\"$window\":");
	json_put_number(to, window->length);
	json_put(to, ",\"at\":");
	json_put_bucket(to, window->newest);
	json_put(to, ",\"sums\":[");
	for (size_t age = 0; age < count; age++) {
		if (age > 0)
			json_put(to, ",");
		json_put_number(to, window->sums[age]);
	}
	json_put(to, "]}");
}

int window_read(struct window *window, json_t *json)
{
	json_t *sums = json_object_get(json, "sums"), *sum;
	size_t age;

	window_init(window, BUCKETS);
	if (!member_length(json, "$window", &window->length) ||
		!member_bucket(json, "at", &window->newest) || json_array_size(sums) > BUCKETS)
		return -EBADMSG;
	json_array_foreach (sums, age, sum)
		window->sums[age] = json_number_value(sum);
	return 0;
}

/* ---- growth ---- */

void growth_init(struct growth *growth)
{
	*growth = (struct growth){0};
}

/* The same incarnation as before, or a new one is noted. */
static bool growth_knows(struct growth *growth, time_ns first)
{
	char text[TIME_TEXT_MAX] = "";
	size_t len;
	bool known;

	if (first != 0 && first == growth->first)
		return true;
	if (first != 0)
		time_render(first, text);
	len = strlen(text);
	growth->first = first;
	known = len == growth->incarnation.len &&
		memcmp(growth->incarnation.in_place, text, len) == 0;
	memcpy(growth->incarnation.in_place, text, len + 1);
	growth->incarnation.len = (uint16_t)len;
	return known;
}

bool growth_ask(struct growth *growth, double now, double total, time_ns first, double *ret_grown)
{
	bool is_new = !growth_knows(growth, first) || (first == 0 && total < growth->last / 2);
	double grown = is_new ? total : fmax(0, total - growth->last);

	*ret_grown = grown;
	if (grown == 0 && !is_new)
		return false;
	growth->last = total;
	growth->at = fmax(growth->at, floor(now));
	return true;
}

void growth_put(const struct growth *growth, struct pipe_buffer *to)
{
	json_put(to, "{\"$growth\":");
	json_put_number(to, growth->last);
	json_put(to, ",\"of\":");
	json_put_string(to, text_get(&growth->incarnation), growth->incarnation.len);
	json_put(to, ",\"at\":");
	json_put_number(to, growth->at);
	json_put(to, "}");
}

int growth_read(struct growth *growth, json_t *json)
{
	json_t *of = json_object_get(json, "of");
	size_t len = json_string_length(of);

	growth_init(growth);
	if (!member_number(json, "$growth", &growth->last) ||
		!member_number(json, "at", &growth->at) || !json_is_string(of))
		return -EBADMSG;
	/* One that is longer is no time, so it is another than any that can come. */
	if (len < TEXT_IN_PLACE)
		return text_set(&growth->incarnation, json_string_value(of), len, 0);
	return text_set(&growth->incarnation, "?", 1, 0);
}

/* ---- hold-downs ---- */

void once_init(struct once *once, double length)
{
	*once = (struct once){length, -INFINITY};
}

bool once_ask(struct once *once, double now, bool *ret_answer)
{
	bool fresh = now - once->at >= once->length;

	*ret_answer = fresh;
	if (!fresh && now - once->at < once->length / BUCKETS)
		return false;
	once->at = floor(now);
	return true;
}

void once_put(const struct once *once, struct pipe_buffer *to)
{
	json_put(to, "{\"$once\":");
	json_put_number(to, once->length);
	json_put(to, ",\"at\":");
	if (isfinite(once->at))
		json_put_number(to, once->at);
	else
		json_put(to, "null");
	json_put(to, "}");
}

int once_read(struct once *once, json_t *json)
{
	once_init(once, 0);
	if (!member_length(json, "$once", &once->length))
		return -EBADMSG;
	if (json_is_null(json_object_get(json, "at")))
		return 0;
	return member_number(json, "at", &once->at) ? 0 : -EBADMSG;
}
