/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_REDACT_H
#define ENGINE_REDACT_H

/*
 * What a request says without what proves who its client is: a dead letter is kept for weeks, and is read by
 * whoever may see the API's socket.
 */

#include "base/attr.h"

#define REDACTED "[redacted]"

/*
 * Replaces the values of the headers Authorization, Proxy-Authorization and Cookie in `data`, a request as JSON
 * text. Of what cannot be read, such as one that is nested too deep, nothing is left but REDACTED. 0 with the text
 * in `ret_data` (to be freed), or with NULL: there is nothing to replace; or -ENOMEM.
 */
int request_redact(const char *data, char **ret_data) _must_check_;

#endif
