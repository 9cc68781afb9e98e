/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_SCHEMA_H
#define EVENT_SCHEMA_H

/*
 * The fields of an event's record, read from BTF: names, places, sizes, and how a value is shown.
 * Built once at start; read-only after that, from any thread. Padding members (pad*) are left out.
 */

#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHEMA_NAME_MAX   32
#define SCHEMA_FIELDS_MAX 32

enum field_kind {
	FIELD_UINT,  /* unsigned, 1, 2, 4 or 8 bytes */
	FIELD_INT,   /* signed, likewise */
	FIELD_IP,    /* ip_addr */
	FIELD_PORT,  /* port_num */
	FIELD_PROTO, /* ip_proto */
	FIELD_FLAGS, /* tcp_flags */
	FIELD_TIME,  /* time_ns */
	FIELD_BYTES, /* size_bytes */
};

struct schema_field {
	char name[SCHEMA_NAME_MAX];
	enum field_kind kind;
	uint16_t offset; /* bytes from the record's start */
	uint16_t size;   /* bytes */
};

struct schema {
	uint32_t event_id;
	char name[SCHEMA_NAME_MAX]; /* "port", "flow", ... */
	uint16_t record_size;       /* bytes */
	uint16_t field_count;
	struct schema_field fields[SCHEMA_FIELDS_MAX];
};

struct btf;

/*
 * Reads `struct_name` from BTF. Returns 0; -ENOENT: no such struct; -EINVAL: a member that is not
 * an integer, a nested struct of integers or one of the typedefs of <netlambda/event.h>; -E2BIG:
 * too many fields, or a record over EVENT_RECORD_MAX.
 */
int schema_from_btf(const struct btf *btf, const char *struct_name, uint32_t event_id,
	const char *name, struct schema *ret_schema) _must_check_;

/* The built-in events', from the BTF that was compiled in. NULL: no event has this id. */
const struct schema *schema_builtin(uint32_t event_id);

/* Whether switches send it: what is left is the server's own. */
bool schema_is_sent(uint32_t event_id);

/* Loads them; call once before schema_builtin(). 0, or the negative errno of reading the BTF. */
int schema_init(void) _must_check_;

/* NULL if there is none of that name. */
const struct schema_field *schema_find_field(const struct schema *schema, const char *name);

/* The name of a kind as runtimes know it: "uint", "int", "ip", "port", "proto", ... */
const char *field_kind_name(enum field_kind kind);

/* An integer field's value; 0 for FIELD_IP. `record` is schema->record_size bytes. */
uint64_t schema_read_uint(const struct schema_field *field, const void *record);

#endif
