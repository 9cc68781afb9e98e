/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_HAND_H
#define LAUNCHER_HAND_H

/*
 * What the launcher does inside a worker's namespaces once they are there: a process is forked, enters
 * them, does one thing and ends. The launcher itself stays outside.
 */

#include "launcher/sandbox.h"

struct hand {
	const struct sandbox *sandbox;
	int init_pidfd;
	int runtime_pidfd;
};

/* Mounts the function's folder where the runtime sees it. Waits; 0 or a negative errno. */
int hand_place_function(const struct hand *hand, const char *dir) _must_check_;

#endif
