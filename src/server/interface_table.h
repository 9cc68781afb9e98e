/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_INTERFACE_TABLE_H
#define SERVER_INTERFACE_TABLE_H

/* What a switch's interfaces counted, by their newest events. Bounded: a switch can invent interfaces. */

#include "netlambda/event.h"

#include <stdint.h>

#define INTERFACES_MAX 64

struct interface_table {
	struct interface_event last[INTERFACES_MAX]; /* ifindex 0: free */
	uint64_t ignored;                            /* events of interfaces beyond these */
};

void interface_table_note(struct interface_table *table, const struct interface_event *event);

struct interface_sums {
	uint64_t packets, bytes;
	uint64_t shed; /* packets without detail: the switch's tables were full */
};

struct interface_sums interface_table_sum(const struct interface_table *table);

#endif
