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

/*
 * What JSON lets stand and YAML does not (YAML 1.2.2 5.1, and line breaks of 1.1): DEL and the other control
 * characters, line and paragraph separator, byte order mark, U+FFFE and U+FFFF. 0: none of them.
 */
static size_t odd_character(const unsigned char *at, unsigned int *ret_code)
{
	unsigned int code = at[0] < 0x80 ? at[0] : 0;
	size_t len = 1;

	if (at[0] == 0xc2) {
		code = at[1];
		len = 2;
	} else if (at[0] >= 0xe0 && at[0] < 0xf0) {
		code = (at[0] & 0xfU) << 12 | (at[1] & 0x3fU) << 6 | (at[2] & 0x3fU);
		len = 3;
	}
	*ret_code = code;
	return (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
			       code == 0xfeff || code == 0xfffe || code == 0xffff
		       ? len
		       : 0;
}

/* A double-quoted YAML text is what JSON has, but for those. */
static void print_text(const char *text, FILE *out)
{
	json_t *value = json_string(text);
	_cleanup_free_ char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	const unsigned char *at = (const unsigned char *)quoted;
	unsigned int code;
	size_t len;

	while (at && *at) {
		len = odd_character(at, &code);
		if (len > 0)
			fprintf(out, "\\u%04x", code);
		else
			fputc(*at, out);
		at += len > 0 ? len : 1;
	}
	json_decref(value);
}

/* With what readers of YAML 1.1 want: a point, and a sign of the exponent. */
static void print_real(const json_t *value, FILE *out)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY);
	char *exponent = text ? strchr(text, 'e') : NULL;

	if (!exponent) {
		fputs(text ? text : "", out);
		return;
	}
	fprintf(out, "%.*s%s", (int)(exponent - text), text,
		memchr(text, '.', (size_t)(exponent - text)) ? "" : ".0");
	fprintf(out, exponent[1] == '-' ? "e%s" : "e+%s", exponent + 1);
}

static void print_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value) && is_plain(json_string_value(value)))
		fputs(json_string_value(value), out);
	else if (json_is_string(value))
		print_text(json_string_value(value), out);
	else if (json_is_real(value))
		print_real(value, out);
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
	if (is_plain(key))
		fputs(key, out);
	else
		print_text(key, out);
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
