/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_SKETCH_H
#define NATIVE_SKETCH_H

/*
 * How many distinct values there were, of any number of them, in a fixed amount of memory: HyperLogLog
 * (Flajolet et al. 2007), one for each part of a window. The estimate is that of Ertl (2017, algorithm 6),
 * which needs no correction for small or large counts. Its standard error is 1.04 / sqrt(SKETCH_REGISTERS),
 * 3.25 %.
 */

#include "parts.h"

#define SKETCH_INDEX_BITS 10
#define SKETCH_REGISTERS  (1U << SKETCH_INDEX_BITS)
#define SKETCH_RANK_MAX   (32 - SKETCH_INDEX_BITS + 1)

struct sketch {
	struct parts parts; /* uint8_t[SKETCH_REGISTERS] each */
	/* The largest ranks of the window that ends with `united_at`, and how many there are of each. */
	uint8_t united[SKETCH_REGISTERS];
	uint32_t counts[SKETCH_RANK_MAX + 1];
	int64_t united_at; /* BUCKET_NONE: not known */
	double estimate;   /* of these; NAN: not known */
};

/* NULL: no memory. */
struct sketch *sketch_new(void);
void sketch_free(void *sketch);
DEFINE_CLEANUP(struct sketch, sketch_free)

/*
 * Adds a value (text_hash()) to a bucket of the window that ends with `newest`. 1: that changed
 * something; 0: not; -ENOMEM.
 */
int sketch_add(struct sketch *sketch, int64_t newest, int64_t bucket, uint32_t hash,
	struct undo_log *undo) _must_check_;

/* The estimate for the buckets from `oldest` to `newest`. */
double sketch_value(struct sketch *sketch, int64_t oldest, int64_t newest);

/* Nothing was seen in the window that ends with `newest`. */
bool sketch_is_empty(const struct sketch *sketch, int64_t newest);

/* An array of [age, text]. */
void sketch_put(const struct sketch *sketch, int64_t newest, struct pipe_buffer *to);
/* 0, -EBADMSG or -ENOMEM. */
int sketch_read(struct sketch *sketch, int64_t newest, json_t *json) _must_check_;

#endif
