/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* Error messages for the operator, handed up beside a negative errno. */

#include "base/attr.h"

/*
 * Puts a message into *ret_error, to be freed by the caller, unless a deeper one is there already:
 * start with NULL. Out of memory leaves NULL. Returns `error`.
 */
int error_set(char **ret_error, int error, const char *fmt, ...) _printf_(3, 4);

#endif
