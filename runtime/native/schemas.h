/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_SCHEMAS_H
#define NATIVE_SCHEMAS_H

/* The events that there are, as the engine announced them: what of their records this runtime itself reads. */

#include "base/cursor.h"
#include "event/key.h"

#define SCHEMAS_MAX 64

struct event_form {
	struct schema schema;
	struct key_plan key;
	uint16_t stride; /* bytes of a record in a batch */
	int last;        /* where its own time is, in bytes; -1: it has none */
};

struct schemas {
	struct event_form forms[SCHEMAS_MAX];
	size_t count;
};

/* Reads a SCHEMA frame. 0, -EBADMSG or -E2BIG: there are too many. */
int schemas_add(struct schemas *schemas, struct cursor *c) _must_check_;
/* Once all are there. `names`: of the key's fields, NULL-terminated. */
void schemas_plan_keys(struct schemas *schemas, const char *const *names);

/* NULL: there is none. */
const struct event_form *schemas_find(const struct schemas *schemas, uint32_t event_id);

#endif
