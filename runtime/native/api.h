/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_API_H
#define NATIVE_API_H

/*
 * What the functions of <netlambda/function.h> have in common. Each of these refuses what it cannot do, so
 * that the event fails, and says so by its result.
 */

#include "context.h"

/* NULL: there is no entry of that name, or it is refused. */
struct entry *api_find(struct lambda_context *context, const char *name);
/* The same of one that holds a kind. */
struct entry *api_find_kind(struct lambda_context *context, const char *name, enum value_kind kind);

/* The entry, made if there is none: it holds the kind, or VALUE_NONE. NULL: it is refused. */
struct entry *api_claim_kind(
	struct lambda_context *context, const char *name, enum value_kind kind);

/* Before its value is changed in place. */
bool api_save(struct lambda_context *context, struct entry *entry);
/* Before another value takes the place of the one that there is, if there is one. */
bool api_replace(struct lambda_context *context, struct entry *entry);
/* `r`: 1, it has changed; 0, it has not; or a negative errno. */
void api_note(struct lambda_context *context, struct entry *entry, int r);

/* `name`: of the state that it is about. */
void api_refuse_claim(struct lambda_context *context, const char *name, int error);
void api_refuse_error(struct lambda_context *context, int error);
bool api_check_state(struct lambda_context *context);
bool api_check_number(struct lambda_context *context, double number);
bool api_check_length(struct lambda_context *context, uint64_t length_ms);

/* Copies a text into the context, and releases it. NULL: no memory. */
const char *api_keep_text(struct lambda_context *context, struct pipe_buffer *text);

#endif
