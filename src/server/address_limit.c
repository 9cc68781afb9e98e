// SPDX-License-Identifier: BSD-2-Clause
#include "server/address_limit.h"

#include <string.h>

#define MAX_OF_OTHERS 32

/* 127.0.0.0/8 or ::1. A proxy asks from there, for many clients. */
static bool is_own(const struct source *address)
{
	static const struct source own4 = {{[10] = 0xff, 0xff, 127}}, own6 = {{[15] = 1}};

	return memcmp(address->bytes, own4.bytes, 13) == 0 || source_equal(address, &own6);
}

static unsigned int max_of(const struct address_limit *limit, const struct endpoint *address)
{
	const struct source source = source_address(address);

	if (limit->max > 0)
		return limit->max;
	return is_own(&source) ? ADDRESS_LIMIT_CONNECTIONS : MAX_OF_OTHERS;
}

static size_t find(const struct address_limit *limit, const struct source *machine)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(limit->items) &&
		(limit->items[i].connections == 0 ||
			!source_equal(&limit->items[i].machine, machine)))
		i++;
	return i;
}

bool address_limit_permits(const struct address_limit *limit, const struct endpoint *address)
{
	const struct source machine = source_machine(address);
	size_t i = find(limit, &machine);

	return i == ARRAY_SIZE(limit->items) ||
	       limit->items[i].connections < max_of(limit, address);
}

struct address_count *address_limit_add(struct address_limit *limit, const struct endpoint *address)
{
	const struct source machine = source_machine(address);
	size_t i = find(limit, &machine);

	if (i == ARRAY_SIZE(limit->items))
		for (i = 0; limit->items[i].connections > 0;)
			i++;
	limit->items[i].machine = machine;
	limit->items[i].connections++;
	return &limit->items[i];
}

void address_limit_remove(struct address_count *count)
{
	count->connections--;
}
