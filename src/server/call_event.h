/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CALL_EVENT_H
#define SERVER_CALL_EVENT_H

/*
 * Events that a person or a client makes: of a record's fields, or, for event http, of a request. A request
 * that gives the fields of the function's key as arguments of its query, all of them, is of that key.
 */

#include "event/schema.h"
#include "server/callers.h"
#include "server/function_config.h"

#include <jansson.h>

struct call_event {
	const struct schema *schema;
	_Alignas(8) uint8_t record[EVENT_RECORD_MAX];
	char *key, *data; /* as of struct event_call */
};

/*
 * From {"event": NAME or ID, "data": {...}}. 0; -ENOMEM; or -EINVAL with what is wrong in `ret_error` (to be
 * freed). `ret_event` must be released with call_event_done() after success.
 */
int call_event_read(const json_t *body, const struct function_config *config,
	struct call_event *ret_event, char **ret_error) _must_check_;

/* Of a request, {"method", "path", "query", "headers", "body"}; `size` bytes of body. Otherwise as above. */
int call_event_request(const json_t *request, size_t size, const struct function_config *config,
	struct call_event *ret_event, char **ret_error) _must_check_;

void call_event_done(struct call_event *event);

/* What the engine is to be given. Borrows. */
struct called_event call_event_called(const struct call_event *event, uint64_t wait_ns);

#endif
