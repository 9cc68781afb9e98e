// SPDX-License-Identifier: BSD-2-Clause
#include "server/log_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 2048 /* of one function */

struct kept_line {
	uint64_t number;
	uint64_t time_ns;
	char *text;
};

/* Lines [first, first + count), modulo LINES_MAX. */
struct ring {
	char function[64];
	size_t first, count, bytes;
	uint64_t lost;
	struct kept_line lines[LINES_MAX];
};

struct log_rings {
	struct ring *rings[LOG_RING_FUNCTIONS];
	uint64_t newest; /* number */
};

struct log_rings *log_rings_new(void)
{
	return calloc(1, sizeof(struct log_rings));
}

static struct kept_line *line_at(const struct ring *ring, size_t i)
{
	return (struct kept_line *)&ring->lines[(ring->first + i) % LINES_MAX];
}

static void drop_oldest(struct ring *ring)
{
	struct kept_line *line = line_at(ring, 0);

	ring->bytes -= strlen(line->text);
	free(line->text);
	ring->first = (ring->first + 1) % LINES_MAX;
	ring->count--;
}

static void ring_free(struct ring *ring)
{
	while (ring && ring->count > 0)
		drop_oldest(ring);
	free(ring);
}

void log_rings_free(struct log_rings *rings)
{
	if (!rings)
		return;
	for (size_t i = 0; i < LOG_RING_FUNCTIONS; i++)
		ring_free(rings->rings[i]);
	free(rings);
}

static struct ring *find_ring(const struct log_rings *rings, const char *function)
{
	for (size_t i = 0; i < LOG_RING_FUNCTIONS; i++)
		if (rings->rings[i] && strcmp(rings->rings[i]->function, function) == 0)
			return rings->rings[i];
	return NULL;
}

static uint64_t newest_number(const struct ring *ring)
{
	return ring && ring->count > 0 ? line_at(ring, ring->count - 1)->number : 0;
}

/* A free place, else that of the ring that was quiet for longest. */
static struct ring **find_place(struct log_rings *rings)
{
	struct ring **place = &rings->rings[0];

	for (size_t i = 1; i < LOG_RING_FUNCTIONS && *place; i++)
		if (!rings->rings[i] || newest_number(rings->rings[i]) < newest_number(*place))
			place = &rings->rings[i];
	return place;
}

static struct ring *make_ring(struct log_rings *rings, const char *function)
{
	struct ring **place = find_place(rings);

	ring_free(*place);
	*place = calloc(1, sizeof(**place));
	if (*place)
		snprintf((*place)->function, sizeof((*place)->function), "%s", function);
	return *place;
}

void log_rings_add(
	struct log_rings *rings, const char *function, const char *text, uint64_t time_ns)
{
	struct ring *ring = find_ring(rings, function);
	size_t len = strlen(text);
	char *copy;

	if (!ring)
		ring = make_ring(rings, function);
	copy = ring ? strdup(text) : NULL;
	if (!copy)
		return;
	while (ring->count > 0 &&
		(ring->count == LINES_MAX || ring->bytes + len > LOG_RING_BYTES)) {
		drop_oldest(ring);
		ring->lost++;
	}
	*line_at(ring, ring->count++) =
		(struct kept_line){.number = ++rings->newest, .time_ns = time_ns, .text = copy};
	ring->bytes += len;
}

int log_rings_next(const struct log_rings *rings, const char *function, uint64_t after,
	struct log_line *ret_line)
{
	const struct ring *ring = find_ring(rings, function);
	size_t low = 0, high = ring ? ring->count : 0;
	const struct kept_line *line;

	if (newest_number(ring) <= after)
		return -ENOENT;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (line_at(ring, middle)->number > after)
			high = middle;
		else
			low = middle + 1;
	}
	line = line_at(ring, low);
	*ret_line = (struct log_line){line->number, line->time_ns, line->text};
	return 0;
}

uint64_t log_rings_before(const struct log_rings *rings, const char *function, size_t count)
{
	const struct ring *ring = find_ring(rings, function);

	if (!ring || ring->count == 0 || count >= ring->count)
		return 0;
	return count == 0 ? newest_number(ring) : line_at(ring, ring->count - count)->number - 1;
}

uint64_t log_rings_lost(const struct log_rings *rings, const char *function)
{
	const struct ring *ring = find_ring(rings, function);

	return ring ? ring->lost : 0;
}

uint64_t log_rings_newest(const struct log_rings *rings)
{
	return rings->newest;
}
