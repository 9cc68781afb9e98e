/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_STATE_H
#define EVENT_STATE_H

/* What a function remembers, as it is stored, and which of it is asked for. */

#include <stddef.h>
#include <stdint.h>

#define STATE_KEY_MAX   1023 /* bytes of UTF-8 */
#define STATE_NAME_MAX  511
#define STATE_VALUE_MAX (8U << 20)

/* One value, under the function's key and a name of its choice. */
struct state_row {
	uint64_t hash; /* of the key (event/key.h) */
	const char *key;
	const char *name;
	const char *value; /* JSON text; NULL in a change: it is deleted */
	size_t value_len;
};

/* All that a function keeps. */
struct state_sum {
	uint64_t entries;
	uint64_t bytes; /* of keys, names and values */
};

/* The place behind a row, in the order of (hash, key, name). */
struct state_place {
	uint64_t hash;
	char key[STATE_KEY_MAX + 1];
	char name[STATE_NAME_MAX + 1];
};

/* A piece of what a function remembers in one partition, or of keys with one hash. */
struct state_range {
	const char *function;
	unsigned int partition;
	const uint64_t *hash;            /* NULL: any */
	const struct state_place *after; /* NULL: from the first row on */
	unsigned int limit;              /* rows */
};

typedef int (*state_row_fn)(void *user, const struct state_row *row);

#endif
