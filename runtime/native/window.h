/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_WINDOW_H
#define NATIVE_WINDOW_H

/*
 * What state can hold besides plain values, where it fits in place: windows, growth, hold-downs. The other
 * runtimes have the same, and keep them in the same JSON. Each is a pure data structure: time comes in as a
 * parameter (event time, milliseconds), nothing reads a clock. Whoever changes one has a copy of what it
 * was.
 *
 * A window of a length is cut into BUCKETS parts: it covers between 9/10 of its length and all of it. Its
 * end is the newest event time that it was told. An event that is late, but still in the window, counts
 * where it belongs; one that is older than the window counts nowhere.
 */

#include "json.h"
#include "text.h"

#include <jansson.h>
#include <math.h>

#define BUCKETS     10
#define BUCKET_NONE INT64_MIN

/* The number of the bucket that a time is in. */
static inline int64_t bucket_of(double now, double length)
{
	return (int64_t)floor(now * BUCKETS / length);
}

struct window {
	double length;
	int64_t newest;       /* a bucket's number, or BUCKET_NONE */
	double sums[BUCKETS]; /* by age: the newest bucket's first */
};

void window_init(struct window *window, double length);
/* True if that changes anything. */
bool window_add(struct window *window, double now, double amount);
/* The sum over the window that ends now, or at the newest time that it knows. */
double window_value(const struct window *window, double now);
void window_put(const struct window *window, struct pipe_buffer *to);
/* 0 or -EBADMSG: it was not written by window_put(). */
int window_read(struct window *window, json_t *json) _must_check_;

/*
 * How much a cumulative counter has grown since it was last told. The counter starts anew with each
 * incarnation; a first sight counts in full. Where the sender has no name for the incarnation, a value
 * below half of the last one is a new one, and a value a little smaller is an update that was overtaken.
 */
struct growth {
	double last;
	double at;
	time_ns first;           /* the incarnation's time, where it is known as a number */
	struct text incarnation; /* ... and as text, which is what counts; always in place */
};

void growth_init(struct growth *growth);
/* True if that changes anything. */
bool growth_ask(struct growth *growth, double now, double total, time_ns first, double *ret_grown);
void growth_put(const struct growth *growth, struct pipe_buffer *to);
int growth_read(struct growth *growth, json_t *json) _must_check_;

/* Says yes, and then no until it was not asked for `length`. */
struct once {
	double length;
	double at; /* -INFINITY: never */
};

void once_init(struct once *once, double length);
/* True if that changes anything; it is noted to a tenth of the length. */
bool once_ask(struct once *once, double now, bool *ret_answer);
void once_put(const struct once *once, struct pipe_buffer *to);
int once_read(struct once *once, json_t *json) _must_check_;

/* How long after its last change a thing says nothing any more. */
static inline bool window_expired(const struct window *window, double now)
{
	return bucket_of(now, window->length) > window->newest + 2 * BUCKETS;
}

#define GROWTH_IDLE_MS 3600e3

static inline bool growth_expired(const struct growth *growth, double now)
{
	return now - growth->at > GROWTH_IDLE_MS;
}

static inline bool once_expired(const struct once *once, double now)
{
	return now - once->at > 2 * once->length;
}

/* ---- members of stored objects ---- */

/* A finite number, or false. */
bool member_number(json_t *json, const char *name, double *ret_number);
/* A bucket's number; null is BUCKET_NONE. */
bool member_bucket(json_t *json, const char *name, int64_t *ret_bucket);
/* `length`: "$window", say; 10 ms at least, since time is divided by it. */
bool member_length(json_t *json, const char *name, double *ret_length);
void json_put_bucket(struct pipe_buffer *to, int64_t bucket);

#endif
