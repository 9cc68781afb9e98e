// SPDX-License-Identifier: BSD-2-Clause
#include "event/schema.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The BTF of include/netlambda/event.h, compiled in (meson: event_btf.c). */
extern const unsigned char event_btf[];
extern const unsigned int event_btf_len;

/* Typedef -> kind. What is not here is an integer by its BTF encoding. */
static const struct {
	const char *name;
	enum field_kind kind;
	uint16_t size;
} typedefs[] = {
	{"ip_addr", FIELD_IP, 16},
	{"port_num", FIELD_PORT, 2},
	{"ip_proto", FIELD_PROTO, 1},
	{"tcp_flags", FIELD_FLAGS, 1},
	{"time_ns", FIELD_TIME, 8},
	{"size_bytes", FIELD_BYTES, 8},
};

static const struct {
	uint32_t event_id;
	const char *name;
	const char *struct_name;
} builtins[] = {
	{EVENT_PORT, "port", "port_event"},
	{EVENT_FLOW, "flow", "flow_event"},
	{EVENT_SOURCE, "source", "source_event"},
	{EVENT_TARGET, "target", "target_event"},
	{EVENT_INTERFACE, "interface", "interface_event"},
	{EVENT_TIMER, "timer", "timer_event"},
	{EVENT_HTTP, "http", "http_event"},
};

static struct schema builtin_schemas[ARRAY_SIZE(builtins)];

/*
 * Follows typedefs and qualifiers down to the type itself; a typedef of ours on the way decides the
 * kind. -ENOENT: none of ours was met.
 */
static int resolve_typedefs(
	const struct btf *btf, uint32_t type_id, uint32_t *ret_type_id, enum field_kind *ret_kind)
{
	const struct btf_type *type = btf__type_by_id(btf, type_id);

	while (type && (btf_is_typedef(type) || btf_is_mod(type))) {
		const char *name = btf__name_by_offset(btf, type->name_off);

		for (size_t i = 0; name && i < ARRAY_SIZE(typedefs); i++) {
			if (strcmp(name, typedefs[i].name) == 0) {
				*ret_type_id = type_id;
				*ret_kind = typedefs[i].kind;
				return 0;
			}
		}
		type_id = type->type;
		type = btf__type_by_id(btf, type_id);
	}
	*ret_type_id = type_id;
	return type ? -ENOENT : -EINVAL;
}

static int field_add(struct schema *schema, const char *name, uint32_t offset, int64_t size,
	enum field_kind kind)
{
	struct schema_field *field;

	if (strncmp(name, "pad", 3) == 0)
		return 0;
	if (schema->field_count == SCHEMA_FIELDS_MAX || strlen(name) >= SCHEMA_NAME_MAX)
		return -E2BIG;
	if (offset + size > schema->record_size)
		return -EINVAL;
	field = &schema->fields[schema->field_count++];
	snprintf(field->name, sizeof(field->name), "%s", name);
	field->kind = kind;
	field->offset = (uint16_t)offset;
	field->size = (uint16_t)size;
	return 0;
}

static int struct_add(
	const struct btf *btf, const struct btf_type *type, uint32_t base, struct schema *schema);

static int member_add(const struct btf *btf, const struct btf_member *member, uint32_t base,
	struct schema *schema)
{
	const char *name = btf__name_by_offset(btf, member->name_off);
	uint32_t offset = base + member->offset / 8;
	const struct btf_type *type;
	enum field_kind kind;
	uint32_t type_id;
	int64_t size;
	int r;

	r = resolve_typedefs(btf, member->type, &type_id, &kind);
	if (r < 0 && r != -ENOENT)
		return r;
	type = btf__type_by_id(btf, type_id);
	if (r == -ENOENT && btf_is_composite(type))
		return struct_add(btf, type, offset, schema);
	size = btf__resolve_size(btf, type_id);
	if (r == 0)
		return size < 0 ? (int)size : field_add(schema, name, offset, size, kind);
	if (strncmp(name, "pad", 3) == 0)
		return 0;
	if (!btf_is_int(type) || size < 1 || size > 8 || member->offset % 8 != 0)
		return -EINVAL;
	kind = btf_int_encoding(type) & BTF_INT_SIGNED ? FIELD_INT : FIELD_UINT;
	return field_add(schema, name, offset, size, kind);
}

static int struct_add(
	const struct btf *btf, const struct btf_type *type, uint32_t base, struct schema *schema)
{
	const struct btf_member *members = btf_members(type);

	if (btf_kflag(type))
		return -EINVAL; /* bit fields */
	for (int i = 0; i < btf_vlen(type); i++) {
		int r = member_add(btf, &members[i], base, schema);

		if (r < 0)
			return r;
	}
	return 0;
}

int schema_from_btf(const struct btf *btf, const char *struct_name, uint32_t event_id,
	const char *name, struct schema *ret_schema)
{
	struct schema schema = {.event_id = event_id};
	const struct btf_type *type;
	int32_t type_id;
	int r;

	type_id = btf__find_by_name_kind(btf, struct_name, BTF_KIND_STRUCT);
	if (type_id < 0)
		return -ENOENT;
	type = btf__type_by_id(btf, (uint32_t)type_id);
	if (type->size > EVENT_RECORD_MAX || strlen(name) >= SCHEMA_NAME_MAX)
		return -E2BIG;
	schema.record_size = (uint16_t)type->size;
	snprintf(schema.name, sizeof(schema.name), "%s", name);
	r = struct_add(btf, type, 0, &schema);
	if (r < 0)
		return r;
	*ret_schema = schema;
	return 0;
}

int schema_init(void)
{
	struct btf *btf = btf__new(event_btf, event_btf_len);
	int r = 0;

	if (!btf)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(builtins) && r == 0; i++)
		r = schema_from_btf(btf, builtins[i].struct_name, builtins[i].event_id,
			builtins[i].name, &builtin_schemas[i]);
	btf__free(btf);
	return r;
}

const struct schema *schema_builtin(uint32_t event_id)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (builtins[i].event_id == event_id)
			return &builtin_schemas[i];
	return NULL;
}

bool schema_is_sent(uint32_t event_id)
{
	return event_id != EVENT_TIMER && event_id != EVENT_HTTP && schema_builtin(event_id);
}
