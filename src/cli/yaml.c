// SPDX-License-Identifier: BSD-2-Clause
#include "cli/yaml.h"

#include "base/attr.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static void print_node(const json_t *value, int depth, bool in_list, FILE *out);

static void indent(int depth, FILE *out)
{
	fprintf(out, "%*s", 2 * depth, "");
}

/* Words that YAML 1.1's readers still take for something else than text. */
static bool is_special(const char *text)
{
	static const char *const words[] = {
		"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

/* Text that stands for itself: it begins with a letter and has nothing that YAML looks for. */
static bool is_plain(const char *text)
{
	if (is_special(text) || (!isalpha((unsigned char)*text) && *text != '/'))
		return false;
	for (const char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-_./ ", *at))
			return false;
	return text[strlen(text) - 1] != ' ';
}

/* A double-quoted YAML text is what JSON has. */
static void print_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value) && is_plain(json_string_value(value)))
		fputs(json_string_value(value), out);
	else
		json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT);
	fputc('\n', out);
}

static bool is_block(const json_t *value)
{
	return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void print_key(const char *key, FILE *out)
{
	json_t *text = is_plain(key) ? NULL : json_string(key);

	if (text)
		json_dumpf(text, out, JSON_ENCODE_ANY);
	else
		fputs(key, out);
	json_decref(text);
	fputc(':', out);
}

/* `in_list`: the first member stands on the line of its dash. */
static void print_object(const json_t *object, int depth, bool in_list, FILE *out)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		if (!in_list)
			indent(depth, out);
		in_list = false;
		print_key(key, out);
		if (is_block(value)) {
			fputc('\n', out);
			print_node(value, depth + 1, false, out);
		} else {
			fputc(' ', out);
			print_scalar(value, out);
		}
	}
}

static void print_array(const json_t *array, int depth, bool in_list, FILE *out)
{
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		if (!in_list)
			indent(depth, out);
		in_list = false;
		fputs("- ", out);
		if (is_block(value))
			print_node(value, depth + 1, true, out);
		else
			print_scalar(value, out);
	}
}

static void print_node(const json_t *value, int depth, bool in_list, FILE *out)
{
	if (json_object_size(value) > 0)
		print_object(value, depth, in_list, out);
	else if (json_array_size(value) > 0)
		print_array(value, depth, in_list, out);
	else
		print_scalar(value, out);
}

void yaml_print(const json_t *value, FILE *out)
{
	print_node(value, 0, false, out);
}
