// SPDX-License-Identifier: BSD-2-Clause
#include "map.h"

#include <errno.h>

#define BUCKETS_MIN 256

int map_init(struct map *map)
{
	*map = (struct map){
		.buckets = calloc(BUCKETS_MIN, sizeof(struct map_node *)),
		.mask = BUCKETS_MIN - 1,
	};
	return map->buckets ? 0 : -ENOMEM;
}

void map_done(struct map *map)
{
	free(map->buckets);
	*map = (struct map){0};
}

static void put(struct map *map, struct map_node *node)
{
	struct map_node **bucket = map_bucket(map, node->hash);

	node->next = *bucket;
	*bucket = node;
}

static void grow(struct map *map)
{
	struct map larger = {.mask = 2 * map->mask + 1, .count = map->count};

	larger.buckets = calloc(larger.mask + 1, sizeof(struct map_node *));
	if (!larger.buckets)
		return;
	for (size_t i = 0; i <= map->mask; i++) {
		struct map_node *next;

		for (struct map_node *node = map->buckets[i]; node; node = next) {
			next = node->next;
			put(&larger, node);
		}
	}
	free(map->buckets);
	*map = larger;
}

void map_insert(struct map *map, struct map_node *node)
{
	if (map->count > map->mask)
		grow(map);
	put(map, node);
	map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **at = map_bucket(map, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	map->count--;
}
