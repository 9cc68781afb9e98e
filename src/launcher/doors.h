/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_DOORS_H
#define LAUNCHER_DOORS_H

/* The doors of one worker, from the inside: in its network namespace, by its init. */

#include "launcher/door.h"

/*
 * Brings the loopback up, gives it the doors' addresses, and listens at each; the sockets in `ret_fds`. 0,
 * or a negative errno and in `ret_what` what failed; then the caller ends.
 */
int doors_open(const struct door *doors, size_t count, int ret_fds[static DOORS_MAX],
	const char **ret_what) _must_check_;

/* Below the working directory, which becomes the root: how names are looked up, which is in etc/hosts. */
int doors_write_names(const struct door *doors, size_t count) _must_check_;

#endif
