// SPDX-License-Identifier: BSD-2-Clause
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(char **ret_error, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!*ret_error && vasprintf(ret_error, fmt, ap) < 0)
		*ret_error = NULL;
	va_end(ap);
	return error;
}
