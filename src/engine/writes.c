// SPDX-License-Identifier: BSD-2-Clause
#include "engine/writes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256

void write_set_init(struct write_set *set, const struct siphash_key *secret)
{
	*set = (struct write_set){.secret = *secret};
}

void write_set_done(struct write_set *set)
{
	free(set->items);
	free(set->slots);
	*set = (struct write_set){0};
}

/* The slot of a hash and what it stands for, or the free one where that belongs. */
static struct write_slot *find_slot(
	const struct write_set *set, uint32_t hash, const struct state_row *write)
{
	size_t mask = 2 * set->capacity - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct write_slot *slot = &set->slots[i];
		const struct state_row *other;

		if (slot->place == 0)
			return slot;
		if (slot->hash != hash || !write)
			continue;
		other = &set->items[slot->place - 1];
		if (other->hash == write->hash && strcmp(other->key, write->key) == 0 &&
			strcmp(other->name, write->name) == 0)
			return slot;
	}
}

int write_set_reserve(struct write_set *set, size_t more)
{
	size_t capacity = MAX(set->capacity, (size_t)CAPACITY_MIN);
	struct write_set larger = *set;

	if (set->count + more <= set->capacity)
		return 0;
	while (capacity < set->count + more)
		capacity *= 2;
	larger.capacity = capacity;
	larger.slots = calloc(2 * capacity, sizeof(larger.slots[0]));
	if (!larger.slots)
		return -ENOMEM;
	larger.items = reallocarray(set->items, capacity, sizeof(larger.items[0]));
	if (!larger.items) {
		free(larger.slots);
		return -ENOMEM;
	}
	for (size_t i = 0; i < 2 * set->capacity; i++)
		if (set->slots[i].place != 0)
			*find_slot(&larger, set->slots[i].hash, NULL) = set->slots[i];
	free(set->slots);
	*set = larger;
	return 0;
}

void write_set_put(
	struct write_set *set, const struct state_row *write, const void *identity, size_t len)
{
	uint32_t hash = (uint32_t)siphash(&set->secret, identity, len);
	struct write_slot *slot = find_slot(set, hash, write);

	if (slot->place == 0)
		*slot = (struct write_slot){hash, (uint32_t)++set->count};
	set->items[slot->place - 1] = *write;
}
