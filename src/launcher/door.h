/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_DOOR_H
#define LAUNCHER_DOOR_H

/*
 * A host and port that a function may reach, as the operator writes it: "api.example.org:443",
 * "192.0.2.7:8086", "[2001:db8::1]:443". It is a door in a wall: the worker's network has no interface
 * but its own loopback; there, at the host's address, or for a name at an address made up for it, the
 * launcher listens (launcher/doors.h), and connects on the other side, by its own look-up of the name.
 */

#include "base/attr.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define DOORS_MAX     32
#define DOOR_HOST_MAX 254 /* with the NUL */

struct door {
	char host[DOOR_HOST_MAX]; /* a name, or an address without brackets */
	uint16_t port;
	bool is_name;
	struct sockaddr_storage
		address; /* with the port; of a name, once doors_plan() gave it one */
	socklen_t address_len;
};

/* 0, or -EINVAL. */
int door_parse(const char *text, struct door *ret_door) _must_check_;

/*
 * Parses a NULL-terminated list, or NULL, which is none, and gives each name an address. How many there are;
 * -EINVAL: it has one that is none; -EEXIST: one twice; -E2BIG.
 */
int doors_plan(const char *const *texts, struct door doors[static DOORS_MAX]) _must_check_;

#endif
