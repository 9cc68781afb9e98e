/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PREFLIGHT_H
#define AGENT_PREFLIGHT_H

/* What must be true before anything is loaded, so that a failure is told in the operator's words.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Capabilities. Returns 0, or -EPERM with a message in `ret_error` (to be freed) that names those
 * that are missing.
 */
int preflight_capabilities(char **ret_error) _must_check_;

/* Has CAP_SYS_ADMIN. */
bool preflight_is_admin(void);

/*
 * Logs a warning on a kernel older than 5.15, on which nothing is promised. Before 5.11 also raises
 * the limit of locked memory, which maps count into there, or warns that it cannot.
 */
void preflight_kernel(void);

/* It is older than that. */
bool preflight_kernel_is_old(void);

/* It is a PREEMPT_RT one. */
bool preflight_kernel_is_realtime(void);

/* "6.1.0-25-amd64" -> 6, 1. */
void kernel_version_parse(const char *release, unsigned long *ret_major, unsigned long *ret_minor);

/* Sends libbpf's own messages to our log, line by line. */
void preflight_route_libbpf(void);

/*
 * Until the call with NULL, and on this thread only, the kernel's own words about a refusal (its
 * extended acknowledgement), which libbpf prints, go into `text` and nothing of it into the log.
 */
void preflight_capture(char *text, size_t size);

#endif
