// SPDX-License-Identifier: BSD-2-Clause
/*
 * make-types TEMPLATE: prints the template with "@EVENTS@" replaced by the types of all events'
 * data, from their BTF; but for http, whose data is no record: the template has it. A template for Python ends in .pyi.in, any other is for TypeScript.
 */
#include "base/attr.h"
#include "event/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "@EVENTS@\n"

static const char *explain(const struct schema_field *field)
{
	switch (field->kind) {
	case FIELD_IP:
		return "an address; IPv4 as 10.0.0.1, IPv6 as RFC 5952 has it";
	case FIELD_TIME:
		return "RFC 3339 with nanoseconds, UTC; '' if unknown";
	case FIELD_BYTES:
		return "bytes on the wire";
	case FIELD_PROTO:
		return "an IP protocol number";
	case FIELD_FLAGS:
		return "TCP flag bits";
	case FIELD_PORT:
		return "a port";
	default:
		return NULL;
	}
}

static bool is_text(const struct schema_field *field)
{
	return field->kind == FIELD_IP || field->kind == FIELD_TIME;
}

/* "port" -> "Port" */
static const char *type_name(const struct schema *schema)
{
	static char name[SCHEMA_NAME_MAX];

	snprintf(name, sizeof(name), "%s", schema->name);
	name[0] = (char)toupper((unsigned char)name[0]);
	return name;
}

static void print_typescript(const struct schema *schema)
{
	printf("/** Event %u. */\nexport interface %sData {\n", schema->event_id,
		type_name(schema));
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];

		if (explain(field))
			printf("  /** %s */\n", explain(field));
		printf("  %s: %s;\n", field->name, is_text(field) ? "string" : "number");
	}
	printf("}\nexport type %sEvent = Event<", type_name(schema));
	printf("%sData, '%s'>;\n\n", type_name(schema), schema->name);
}

static void print_python(const struct schema *schema)
{
	printf("class %sData(TypedDict):  # event %u\n", type_name(schema), schema->event_id);
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];

		printf("    %s: %s%s%s\n", field->name, is_text(field) ? "str" : "int",
			explain(field) ? "  # " : "", explain(field) ? explain(field) : "");
	}
	printf("\n%sEvent = Event[", type_name(schema));
	printf("%sData]\n\n", type_name(schema));
}

static void print_events(bool python)
{
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++) {
		const struct schema *schema = id == EVENT_HTTP ? NULL : schema_builtin(id);

		if (schema && python)
			print_python(schema);
		else if (schema)
			print_typescript(schema);
	}
}

int main(int argc, char **argv)
{
	FILE *template = argc == 2 ? fopen(argv[1], "re") : NULL;
	char line[512];

	if (!template || schema_init() < 0) {
		fputs("usage: make-types TEMPLATE\n", stderr);
		return 2;
	}
	while (fgets(line, sizeof(line), template)) {
		if (strcmp(line, MARK) == 0)
			print_events(strstr(argv[1], ".pyi.in"));
		else
			fputs(line, stdout);
	}
	fclose(template);
	return fflush(stdout) == 0 ? 0 : 1;
}
