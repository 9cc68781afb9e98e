// SPDX-License-Identifier: BSD-2-Clause
#include "pki/crypto.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

/* The innermost reason is the first that was put; "(no reason)" for none. */
static const char *innermost_reason(unsigned long *ret_code)
{
	const char *reason;

	*ret_code = ERR_peek_error();
	reason = *ret_code ? ERR_reason_error_string(*ret_code) : NULL;
	return reason ? reason : "OpenSSL gives no reason";
}

int crypto_error(char **ret_error, int error, const char *fmt, ...)
{
	_cleanup_free_ char *what = NULL;
	unsigned long code;
	const char *reason = innermost_reason(&code);
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		error = -ENOMEM;
	ERR_clear_error();
	return error_set(ret_error, error, "%s: %s", what ? what : "out of memory", reason);
}
