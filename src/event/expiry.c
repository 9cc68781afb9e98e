// SPDX-License-Identifier: BSD-2-Clause
#include "event/expiry.h"

#include "base/attr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS        10 /* that a window is cut into */
#define GROWTH_IDLE_MS 3600e3

/* `length`: the first member; `at`: the member of that name. */
static double leased(double length, double at)
{
	return at + length;
}

/* A bucket's number; the window is empty when its length is over, and kept for as long again. */
static double windowed(double length, double at)
{
	return length > 0 ? (at + 2 * BUCKETS + 1) * length / BUCKETS : INFINITY;
}

static double grown(double last _unused_, double at)
{
	return at + GROWTH_IDLE_MS + 1;
}

static double held_down(double length, double at)
{
	return at + 2 * length + 1;
}

static const struct {
	const char *start;
	double (*end)(double first, double at);
} kinds[] = {
	{"{\"$ttl\":", leased},
	{"{\"$window\":", windowed},
	{"{\"$distinct\":", windowed},
	{"{\"$top\":", windowed},
	{"{\"$growth\":", grown},
	{"{\"$once\":", held_down},
};

/* No text inside can look like the member's name: its quotes would be escaped. */
static double member_at(const char *value)
{
	const char *at = strstr(value, "\"at\":");

	return at ? strtod(at + strlen("\"at\":"), NULL) : INFINITY;
}

uint64_t expiry_ms(const char *value)
{
	for (size_t i = 0; value[0] == '{' && i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].start);
		double end;

		if (strncmp(value, kinds[i].start, len) != 0)
			continue;
		end = kinds[i].end(strtod(value + len, NULL), member_at(value));
		if (end <= 0)
			return 0;
		/* Not a number, too: it is none that a runtime wrote. */
		return end < 1e18 ? (uint64_t)end + (end > (double)(uint64_t)end) : EXPIRY_NEVER;
	}
	return EXPIRY_NEVER;
}
