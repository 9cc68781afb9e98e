/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_CONFINE_H
#define LAUNCHER_CONFINE_H

/*
 * What a process does to itself before it becomes a runtime's program, or carries what one says: Landlock
 * and seccomp. Both hold for whatever it starts, and cannot be undone. With no_new_privs set.
 */

#include "launcher/sandbox.h"

/* Files to read and execute, none to do both write and execute, none to write but in /tmp. */
int confine_files(const struct sandbox *sandbox, const char **ret_what) _must_check_;

/*
 * An allow-list of system calls. What is not known to be harmless does not exist (ENOSYS), so that C
 * libraries fall back; what is known to be otherwise is not permitted (EPERM).
 */
int confine_calls(const struct sandbox *sandbox, const char **ret_what) _must_check_;

/* Of a relay: to read, write and close what is open. */
int confine_to_carrying(void) _must_check_;

#endif
