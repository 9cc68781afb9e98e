/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_RUNTIME_CONFIG_H
#define SERVER_RUNTIME_CONFIG_H

/* The server's file, "runtimes": languages beside ours, or other interpreters for ours. */

#include "engine/runtime.h"

#include <jansson.h>

struct config_reader;

struct runtime_config {
	struct runtime_options items[RUNTIMES_MAX];
	size_t count;
};

/* Reads the object of name -> settings, if it is there. An error is in the reader. */
void runtime_config_load(struct config_reader *reader, struct runtime_config *ret_config);
void runtime_config_done(struct runtime_config *config);

bool runtime_config_equal(const struct runtime_config *a, const struct runtime_config *b);

#endif
