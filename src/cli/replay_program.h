/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_REPLAY_PROGRAM_H
#define CLI_REPLAY_PROGRAM_H

/* netlambda-replay, a program of its own: where it is, and what it says of a capture. */

#include "base/attr.h"

#include <jansson.h>
#include <limits.h>

void replay_find(char path[static PATH_MAX]);

/*
 * Runs one function, by its folder, on a capture, a file of requests, or the one and then the other; NULL: none.
 * What goes wrong is said on standard error, by it or here. Returns 0, or -1.
 */
int replay_run(const char *function_dir, const char *capture, const char *requests,
	json_t **ret_result) _must_check_;

#endif
