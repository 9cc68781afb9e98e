/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_ADDRESS_LIMIT_H
#define SERVER_ADDRESS_LIMIT_H

/*
 * How many connections each machine (an IPv4 address, an IPv6 /64) has among those of one listener, so that no
 * one has them all. No clock, no I/O, no allocation; one thread.
 */

#include "net/connection_limit.h"

#define ADDRESS_LIMIT_CONNECTIONS 128 /* of all machines together */

struct address_limit {
	unsigned int max; /* of each machine; 0: 32, but this one itself may have all */
	struct address_count {
		struct source machine;
		unsigned int connections; /* 0: free */
	} items[ADDRESS_LIMIT_CONNECTIONS];
};

/* Whether one more from there is taken. */
bool address_limit_permits(const struct address_limit *limit, const struct endpoint *address);
/* One that was permitted has come, and there are fewer than all. Returns where it counts, until it goes. */
struct address_count *address_limit_add(
	struct address_limit *limit, const struct endpoint *address);
void address_limit_remove(struct address_count *count);

#endif
