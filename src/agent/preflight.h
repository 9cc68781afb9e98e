/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PREFLIGHT_H
#define AGENT_PREFLIGHT_H

/* What must be true before anything is loaded, so that a failure is told in the operator's words.
 */

#include "base/attr.h"

/*
 * Capabilities. Returns 0, or -EPERM with a message in `ret_error` (to be freed) that names those
 * that are missing.
 */
int preflight_capabilities(char **ret_error) _must_check_;

/* Logs a warning on a kernel older than 5.15, on which nothing is promised. */
void preflight_kernel(void);

/* Sends libbpf's own messages to our log, line by line. */
void preflight_route_libbpf(void);

#endif
