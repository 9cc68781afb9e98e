/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_FILE_LIMIT_H
#define SERVER_FILE_LIMIT_H

/* How many files and sockets the process may have open: each switch has a connection. */

#include "base/attr.h"

#include <stdint.h>

/* So many are needed with `switches` of them. */
uint64_t file_limit_needed(unsigned int switches);

/*
 * Raises the limit to `wanted`, or as far as the system lets it; it is never lowered. 0, and what it
 * is now, which may be less; or a negative errno.
 */
int file_limit_raise(uint64_t wanted, uint64_t *ret_limit) _must_check_;

#endif
