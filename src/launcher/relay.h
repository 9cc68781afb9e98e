/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_RELAY_H
#define LAUNCHER_RELAY_H

/*
 * The other side of a worker's doors, in the host's network: each connection that comes in at one is carried
 * by a process of its own, which looks the host's name up, connects to it, and passes bytes both ways
 * until both sides are done. It knows nothing of what it carries. The launcher counts and ends them.
 */

#include "launcher/door.h"
#include "launcher/groups.h"

#include <poll.h>

#define RELAYS_MAX 32 /* at once; more wait in the doors' backlogs */

struct relays {
	struct door doors[DOORS_MAX];
	int door_fds[DOORS_MAX];
	size_t door_count;
	struct {
		pid_t pid;
		int pidfd;
	} relays[RELAYS_MAX];
	size_t count;
};

/* Whom relays become, so as to be no more than a function is; their memory counts as the worker's. */
struct relay_owner {
	const struct groups *groups;
	uid_t uid;
	gid_t gid;
	bool becomes;
	bool filtered; /* once connected, by system calls */
};

/* What is to be waited for, at most DOORS_MAX + RELAYS_MAX. */
size_t relays_poll(const struct relays *relays, struct pollfd *fds);

/* Takes in who came to the doors, and lets go who is done. */
void relays_tend(struct relays *relays, const struct relay_owner *owner);

/* Ends all, and waits for that. */
void relays_end(struct relays *relays);

#endif
