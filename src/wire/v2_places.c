// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_places.h"

#include <errno.h>
#include <stdlib.h>

int v2_places_init(struct v2_places *places, size_t count, uint16_t record_max)
{
	struct v2_places made = {.count = 2};

	if (record_max == 0 || record_max > V2_RECORD_MAX || count > SIZE_MAX / 1024)
		return -EINVAL;
	while (made.count < count)
		made.count *= 2;
	made.stride = MAX(record_max, (uint16_t)sizeof(struct v2_span));
	made.records = calloc(made.count, made.stride);
	made.kinds = calloc(made.count, 1);
	if (!made.records || !made.kinds) {
		v2_places_done(&made);
		return -ENOMEM;
	}
	*places = made;
	return 0;
}

void v2_places_done(struct v2_places *places)
{
	free(places->records);
	free(places->kinds);
	*places = (struct v2_places){0};
}

/* The usual sizes are copied inline. */
static void copy(uint8_t *to, size_t to_stride, const uint8_t *from, size_t from_stride,
	size_t size, uint64_t count)
{
	if (to_stride == size && from_stride == size) {
		memcpy(to, from, size * count);
		return;
	}
	for (; count > 0; count--, to += to_stride, from += from_stride)
		switch (size) {
		case 64:
			memcpy(to, from, 64);
			break;
		case 72:
			memcpy(to, from, 72);
			break;
		case 80:
			memcpy(to, from, 80);
			break;
		default:
			memcpy(to, from, size);
			break;
		}
}

void v2_places_put(struct v2_places *places, uint64_t at, uint8_t schema, const void *records,
	uint16_t size, uint64_t count)
{
	const uint8_t *from = records;

	while (count > 0) {
		uint64_t first = (at + places->shift) & (places->count - 1);
		uint64_t n = MIN(count, places->count - first);

		memset(places->kinds + first, schema, n);
		copy(v2_places_record(places, at), places->stride, from, size, size, n);
		from += n * size;
		at += n;
		count -= n;
	}
}

void v2_places_get(const struct v2_places *places, uint64_t at, uint8_t *records, uint16_t size,
	uint64_t count)
{
	copy(records, size, v2_places_record(places, at), places->stride, size, count);
}

void v2_places_put_span(struct v2_places *places, uint64_t at, const struct v2_span *span)
{
	places->kinds[(at + places->shift) & (places->count - 1)] = V2_KIND_RANGE;
	memcpy(v2_places_record(places, at), span, sizeof(*span));
}

struct v2_span v2_places_span(const struct v2_places *places, uint64_t at)
{
	struct v2_span span;

	memcpy(&span, v2_places_record(places, at), sizeof(span));
	return span;
}

uint64_t v2_places_run(const struct v2_places *places, uint64_t at, uint64_t max)
{
	uint64_t first = (at + places->shift) & (places->count - 1);
	const uint8_t *kinds = places->kinds + first;
	uint64_t pattern = kinds[0] * 0x0101010101010101ULL, n = 0, eight;

	max = MIN(max, places->count - first);
	for (; n + sizeof(eight) <= max; n += sizeof(eight)) {
		memcpy(&eight, kinds + n, sizeof(eight));
		if (eight != pattern)
			break;
	}
	while (n < max && kinds[n] == kinds[0])
		n++;
	return n;
}
