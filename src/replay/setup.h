/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_SETUP_H
#define REPLAY_SETUP_H

/*
 * The server's configuration for a replay: the operator's file, or one made up that gives every
 * function of a directory the events that its manifest names. Nothing of the running server is
 * touched: the store is another, there is no socket and no alert file.
 */

#include "server/config.h"

struct setup_options {
	const char *config_path;   /* NULL: none, take the functions of a directory */
	const char *functions_dir; /* then; NULL: the shipped ones */
	const char *function_dir;  /* or of one function, by its folder; NULL: no */
	const char *store_path;    /* absolute */
	const char *scratch_dir;
};

/*
 * Returns 0, or a negative errno with a message for the operator in `ret_error` (to be freed):
 * -ENOENT: the directory has no function.
 */
int setup_load(const struct setup_options *options, struct config **ret_config,
	char **ret_error) _must_check_;

#endif
