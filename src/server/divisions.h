/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_DIVISIONS_H
#define SERVER_DIVISIONS_H

/*
 * How functions' events are divided into partitions: each function has a key for that, and may have had others when what
 * the store keeps of it was written. There is one struct for each key, which stays as long as its list: equal keys are
 * equal pointers. Only who runs the server, or may deploy, adds to the list. One thread.
 */

#include "event/key.h"

struct division {
	struct division *next;
	struct key_plan plans[EVENT_USER_MIN]; /* by event id */
	char key[];                            /* the names of its fields, joined by "," */
};

struct divisions {
	struct division *first;
};

void divisions_done(struct divisions *divisions);

/* By the key's text. NULL: no memory. */
const struct division *divisions_get(struct divisions *divisions, const char *key);

/* By the names of its fields, a list that ends with NULL. NULL: no memory. */
const struct division *divisions_get_fields(struct divisions *divisions, const char *const *fields);

/* Of an event that has a schema. */
static inline unsigned int division_partition(
	const struct division *division, uint32_t event_id, const void *record)
{
	return key_partition(key_hash(&division->plans[event_id], record));
}

#endif
