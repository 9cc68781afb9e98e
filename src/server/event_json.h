/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_EVENT_JSON_H
#define SERVER_EVENT_JSON_H

/* An event's record from JSON, as functions see it and as record_render_json() writes it. */

#include "event/schema.h"

#include <jansson.h>

/*
 * Fills in `record` (schema->record_size bytes); members that are not given are 0. 0; or -EINVAL
 * with what is wrong with which member in `ret_error` (to be freed).
 */
int event_from_json(const struct schema *schema, const json_t *data, void *record,
	char **ret_error) _must_check_;

/* The schema of an event that is named "port" or 1; NULL: there is none. */
const struct schema *event_find(const json_t *name);

#endif
