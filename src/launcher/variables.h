/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_VARIABLES_H
#define LAUNCHER_VARIABLES_H

/*
 * A function's environment, as lists of "NAME=value" that end with NULL. It is given to the runtime's program
 * alone, when that is shut in: no other sees it.
 */

#include "base/attr.h"

#include <stdbool.h>

#define VARIABLES_MAX       60 /* that are given */
#define VARIABLES_USUAL_MAX 4
#define VARIABLES_BYTES_MAX 16384 /* of all that is given, with a NUL each */

/* A letter or "_", then letters, digits and "_". */
bool variable_name_is_valid(const char *name, size_t len);
bool variables_are_same_name(const char *a, const char *b);

/* 0; -EINVAL: one has no valid name; -EEXIST: one twice; -E2BIG. NULL is none. */
int variables_check(const char *const *list) _must_check_;

/* `given`, and what of `usual` it has no other value for; borrowed. -E2BIG: either has too many. */
int variables_join(const char *const *given, const char *const *usual,
	const char *ret_list[static VARIABLES_MAX + VARIABLES_USUAL_MAX + 1]) _must_check_;

#endif
