/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_PEER_H
#define SERVER_PEER_H

/* Who is at the other end of a connection to the API's socket, by the kernel's word. */

#include "base/attr.h"

#include <stdbool.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	pid_t pid;       /* 0: in another PID namespace */
	bool may_change; /* root, the server's own user, or a member of the group that owns the socket */
};

/* 0 or a negative errno. */
int peer_read(int fd, const char *socket_path, struct peer *ret_peer) _must_check_;

#endif
