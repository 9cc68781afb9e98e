// SPDX-License-Identifier: BSD-2-Clause
#include "parts.h"

#include <errno.h>

struct replaced {
	struct parts *parts;
	size_t place;
	int64_t bucket;
	void *part;
	void (*release)(void *);
};

static void put_back(void *record)
{
	struct replaced *replaced = record;
	void **at = &replaced->parts->part[replaced->place];

	replaced->release(*at);
	*at = replaced->part;
	replaced->parts->bucket[replaced->place] = replaced->bucket;
}

static void release_replaced(void *record)
{
	struct replaced *replaced = record;

	if (replaced->part)
		replaced->release(replaced->part);
}

int parts_put(struct parts *parts, int64_t bucket, void *part, void (*release)(void *),
	struct undo_log *undo)
{
	size_t place = parts_place(bucket);
	struct replaced *replaced = undo_push(undo, sizeof(*replaced), put_back, release_replaced);

	if (!replaced)
		return -ENOMEM;
	*replaced = (struct replaced){
		.parts = parts,
		.place = place,
		.bucket = parts->bucket[place],
		.part = parts->part[place],
		.release = release,
	};
	parts->part[place] = part;
	parts->bucket[place] = bucket;
	return 0;
}

void parts_done(struct parts *parts, void (*release)(void *))
{
	for (size_t i = 0; i < BUCKETS; i++)
		if (parts->part[i])
			release(parts->part[i]);
}
