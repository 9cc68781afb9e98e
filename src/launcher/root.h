/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_ROOT_H
#define LAUNCHER_ROOT_H

/*
 * The root directory of a worker: read-only, with the trees that were opened for it, a small set of
 * devices, /proc/self and nothing else of /proc, an empty CONTROL_FUNCTION_DIR, and a /tmp of its own.
 */

#include "launcher/sandbox.h"

/*
 * Makes it, in a mount namespace of the caller's own, and goes there. 0, or a negative errno and in
 * `ret_what` the step that failed; then the caller ends.
 */
int root_enter(const struct sandbox *sandbox, const char **ret_what) _must_check_;

#endif
