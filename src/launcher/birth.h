/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_BIRTH_H
#define LAUNCHER_BIRTH_H

/* How the launcher brings a worker's first process into the world. */

#include "launcher/sandbox.h"

struct birth {
	pid_t init; /* 0: there is none */
	int init_pidfd;
	int init_fd;    /* to init, and */
	int runtime_fd; /* to the runtime: they report there */
};

/* Fills in who we are and may be. */
void birth_find_privileges(struct sandbox *sandbox);

/*
 * Clones init, which begins to make the sandbox. 0, or a negative errno and in `ret_failure` at what; also
 * then there may be an init, to be ended. When probing, layers that init could not be given are told to
 * `lacks`.
 */
int birth_begin(struct sandbox *sandbox, void (*lacks)(void *user, const struct report *report),
	void *user, struct birth *ret_birth, struct report *ret_failure) _must_check_;

#endif
