/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_LOADER_H
#define NATIVE_LOADER_H

/* Loads a function's shared object into this process. */

#include "context.h"

#define LOADER_ERROR_MAX 1000 /* bytes */

struct loaded {
	lambda_handler *handler; /* one of the two */
	lambda_batch_handler *batch_handler;
	lambda_init_handler *init; /* NULL: it has none */
};

/*
 * `handler` is "FILE.FUNCTION", of FILE.so in the directory. Returns 0, or -1 and in `error` why it
 * cannot be used.
 */
int loader_load(const char *dir, const char *handler, struct loaded *ret_loaded,
	char error[static LOADER_ERROR_MAX]) _must_check_;

#endif
