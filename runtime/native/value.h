/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_VALUE_H
#define NATIVE_VALUE_H

/*
 * What an entry of the state holds. What comes from the store is JSON until it is first used as something
 * else; what goes there is JSON again.
 */

#include "distinct.h"
#include "top.h"

enum value_kind {
	VALUE_NONE, /* made, and nothing was put in */
	VALUE_JSON,
	VALUE_NUMBER, /* a counter, or a plain number */
	VALUE_WINDOW,
	VALUE_DISTINCT,
	VALUE_TOP,
	VALUE_GROWTH,
	VALUE_ONCE,
};

/* How long a plain value or a number lasts: it is gone when it was not changed for `ttl`. */
struct lease {
	double ttl; /* milliseconds; 0: it lasts for ever */
	double at;
};

/* From a change on; one that is late does not shorten it. */
static inline void lease_renew(struct lease *lease, double now)
{
	if (lease->ttl > 0 && now > lease->at)
		lease->at = floor(now);
}

struct value {
	enum value_kind kind;
	union {
		struct {
			char *text;
			size_t len;
			struct lease lease;
		} json;
		struct {
			double number;
			struct lease number_lease;
		};
		struct window window;
		struct distinct distinct;
		struct top top;
		struct growth growth;
		struct once once;
	};
};

/* "window", ...: for a message. */
const char *value_kind_name(enum value_kind kind);

/* Bytes from the struct's start that say all of a kind. */
size_t value_bytes(enum value_kind kind);

/* Makes a thing of a kind that is given with its length, cap or number of values. 0 or -ENOMEM. */
int value_init(struct value *value) _must_check_;
/* It holds what value_init() would make of `wanted`, or what has become of that. */
bool value_fits(const struct value *value, const struct value *wanted);

/* Copies the text, which has no lease. 0 or -ENOMEM. */
int value_set_json(struct value *value, const char *text, size_t len) _must_check_;
void value_done(struct value *value);

static inline void value_set_number(struct value *value, double number)
{
	value->kind = VALUE_NUMBER;
	value->number = number;
	value->number_lease = (struct lease){0};
}

/*
 * What was stored, which may have a lease in it. 0 or -ENOMEM.
 */
int value_load(struct value *value, const char *text, size_t len) _must_check_;

/*
 * JSON becomes the thing that it was, or a number; all else stays. What looks like one of ours and
 * is not stays, too. 0 or -ENOMEM.
 */
int value_restore(struct value *value) _must_check_;

/* NULL: things of its kind have none. */
struct lease *value_lease(struct value *value);
/* It has a lease, which is over. */
bool value_is_over(struct value *value, double now);

/* It says nothing any more, and can go. */
bool value_is_expired(struct value *value, double now);

/* Roughly, bytes of its text. */
size_t value_size(const struct value *value);
/* Its JSON; and the same with its lease, as it is stored. */
void value_put(const struct value *value, struct pipe_buffer *to);
void value_put_row(struct value *value, struct pipe_buffer *to);

/* JSON that begins as ours do, with a member "$...", which plain values may not. */
bool value_is_reserved(const char *json);

#endif
