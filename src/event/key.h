/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_KEY_H
#define EVENT_KEY_H

/*
 * The key of an event: the values of the fields that a function declared. All that a function
 * remembers of a key, and all its events, belong to one of PARTITIONS partitions, which the key's
 * hash says. The hash is the same in every run and on every machine, since state is stored under it:
 * it has no secret, so whoever chooses keys can choose their partition, and keys of one hash.
 *
 * A key's text is its values as functions see them, joined by "|". Equal texts have equal hashes,
 * whatever the sizes of their fields were.
 */

#include "event/schema.h"

#define KEY_FIELDS_MAX     8
#define KEY_PARTITION_BITS 4
#define PARTITIONS         (1U << KEY_PARTITION_BITS)

/* Where the fields are in one schema's records. */
struct key_plan {
	uint8_t count;
	struct {
		enum field_kind kind;
		uint16_t offset;
		uint16_t size; /* 0: the records have no such field, which counts as 0 */
	} fields[KEY_FIELDS_MAX];
};

/* `names` is NULL-terminated, of at most KEY_FIELDS_MAX; NULL: no field. */
void key_plan_init(struct key_plan *plan, const struct schema *schema, const char *const *names);

/* 0 if there are no fields. */
uint64_t key_hash(const struct key_plan *plan, const void *record);

/* The same from a key's text; text that is none of a field's kind is hashed as it stands. */
uint64_t key_hash_text(const char *key);

static inline unsigned int key_partition(uint64_t hash)
{
	return (unsigned int)(hash >> (64 - KEY_PARTITION_BITS));
}

#endif
