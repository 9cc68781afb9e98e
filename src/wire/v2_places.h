/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_PLACES_H
#define WIRE_V2_PLACES_H

/*
 * A ring of places for records of fixed size, and for ranges of sequences that hold no events. Beside
 * each place a byte says what is in it. Places are named by numbers that ascend for ever; records
 * are copied by runs of neighbours.
 */

#include "wire/v2.h"

#define V2_KIND_RANGE 0xff /* not a schema's number */

struct v2_places {
	uint8_t *records;
	uint8_t *kinds;  /* V2_KIND_RANGE, or the record's schema */
	uint64_t count;  /* a power of two */
	uint64_t shift;  /* place `at` is at + shift, modulo the ring's size */
	uint32_t stride; /* bytes from one record to the next */
};

struct v2_span {
	uint64_t count; /* sequences */
	uint64_t cause; /* enum v2_cause */
};

/* `count` is rounded up to a power of two of at least 2. 0, -EINVAL or -ENOMEM. */
int v2_places_init(struct v2_places *places, size_t count, uint16_t record_max) _must_check_;
void v2_places_done(struct v2_places *places);

static inline uint8_t *v2_places_record(const struct v2_places *places, uint64_t at)
{
	return places->records + ((at + places->shift) & (places->count - 1)) * places->stride;
}

static inline uint8_t v2_places_kind(const struct v2_places *places, uint64_t at)
{
	return places->kinds[(at + places->shift) & (places->count - 1)];
}

/* None is in use, and `at` is next: let it be where the last first one was, in memory that is warm. */
static inline void v2_places_restart(struct v2_places *places, uint64_t at)
{
	places->shift = 0 - at;
}

/* Copies `count` records of `size` bytes, at most the places' own, that lie one behind the other. */
void v2_places_put(struct v2_places *places, uint64_t at, uint8_t schema, const void *records,
	uint16_t size, uint64_t count);
/* And back: from the run of v2_places_run(). */
void v2_places_get(const struct v2_places *places, uint64_t at, uint8_t *records, uint16_t size,
	uint64_t count);

void v2_places_put_span(struct v2_places *places, uint64_t at, const struct v2_span *span);
struct v2_span v2_places_span(const struct v2_places *places, uint64_t at);

/* How many places from `at` on are of its kind and lie in a row, at most `max`, which is not 0. */
uint64_t v2_places_run(const struct v2_places *places, uint64_t at, uint64_t max);

#endif
