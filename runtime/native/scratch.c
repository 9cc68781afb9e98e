// SPDX-License-Identifier: BSD-2-Clause
#include "scratch.h"

#define CHUNK_BYTES (16U << 10)

struct scratch_chunk {
	struct scratch_chunk *next;
	size_t used, size;
	char bytes[];
};

char *scratch_take(struct scratch *scratch, size_t bytes)
{
	struct scratch_chunk *chunk = scratch->chunks;
	size_t size = MAX(bytes, (size_t)CHUNK_BYTES);

	if (!chunk || chunk->size - chunk->used < bytes) {
		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		*chunk = (struct scratch_chunk){.next = scratch->chunks, .size = size};
		scratch->chunks = chunk;
	}
	chunk->used += bytes;
	return chunk->bytes + chunk->used - bytes;
}

/* One chunk stays, to be used again. */
void scratch_clear(struct scratch *scratch)
{
	struct scratch_chunk *chunk = scratch->chunks, *next;

	while (chunk && chunk->next) {
		next = chunk->next;
		free(chunk);
		chunk = next;
	}
	if (chunk)
		chunk->used = 0;
	scratch->chunks = chunk;
}

void scratch_done(struct scratch *scratch)
{
	scratch_clear(scratch);
	free(TAKE_PTR(scratch->chunks));
}
