// SPDX-License-Identifier: BSD-2-Clause
#include "base/table.h"

#include <errno.h>
#include <string.h>

int table_init(struct table *table, size_t expected, ptrdiff_t key_offset, size_t key_bytes,
	const struct siphash_key *secret)
{
	struct table_entry **buckets;
	size_t size = 1;

	while (size < expected && size <= SIZE_MAX / 4)
		size *= 2;
	buckets = calloc(size, sizeof(struct table_entry *));
	if (!buckets)
		return -ENOMEM;
	*table = (struct table){
		.buckets = buckets,
		.mask = size - 1,
		.key_offset = key_offset,
		.key_bytes = key_bytes,
		.secret = *secret,
	};
	return 0;
}

void table_done(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

static const void *entry_key(const struct table *table, const struct table_entry *entry)
{
	return (const char *)entry + table->key_offset;
}

struct table_entry *table_find(const struct table *table, const void *key)
{
	uint64_t hash = siphash(&table->secret, key, table->key_bytes);
	struct table_entry *entry = table->buckets[hash & table->mask];

	while (entry && (entry->hash != hash ||
				memcmp(entry_key(table, entry), key, table->key_bytes) != 0))
		entry = entry->next;
	return entry;
}

void table_insert(struct table *table, struct table_entry *entry)
{
	struct table_entry **bucket;

	entry->hash = siphash(&table->secret, entry_key(table, entry), table->key_bytes);
	bucket = &table->buckets[entry->hash & table->mask];
	entry->next = *bucket;
	*bucket = entry;
	table->count++;
}

void table_remove(struct table *table, struct table_entry *entry)
{
	struct table_entry **at = &table->buckets[entry->hash & table->mask];

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	entry->next = NULL;
	table->count--;
}
