// SPDX-License-Identifier: BSD-2-Clause
#include "json.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers below are doubles, each of them */

void json_put_bytes(struct pipe_buffer *to, const char *bytes, size_t len)
{
	if (!pipe_buffer_reserve(to, len))
		return;
	if (len > 0)
		memcpy(to->bytes + to->size, bytes, len);
	to->size += len;
}

void json_put(struct pipe_buffer *to, const char *text)
{
	json_put_bytes(to, text, strlen(text));
}

static size_t put_whole(char *to, double number)
{
	size_t sign = number < 0;

	*to = '-';
	return sign + text_put_uint(to + sign, (uint64_t)fabs(number));
}

static size_t put_fraction(char *to, size_t size, double number)
{
	int len = 0;

	for (int digits = 15; digits <= 17; digits++) {
		len = snprintf(to, size, "%.*g", digits, number);
		if (strtod(to, NULL) == number)
			break;
	}
	return (size_t)len;
}

void json_put_number(struct pipe_buffer *to, double number)
{
	char text[32];
	bool whole = number > -EXACT_MAX && number < EXACT_MAX && number == trunc(number);

	json_put_bytes(to, text,
		whole ? put_whole(text, number) : put_fraction(text, sizeof(text), number));
}

void json_put_string(struct pipe_buffer *to, const char *bytes, size_t len)
{
	size_t from = 0;

	json_put(to, "\"");
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)bytes[i];
		char escape[8];

		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		json_put_bytes(to, bytes + from, i - from);
		from = i + 1;
		if (byte < 0x20)
			snprintf(escape, sizeof(escape), "\\u%04x", byte);
		else
			snprintf(escape, sizeof(escape), "\\%c", byte);
		json_put(to, escape);
	}
	json_put_bytes(to, bytes + from, len - from);
	json_put(to, "\"");
}

/* What strtod(3) takes beyond JSON: "inf", "nan", "0x1p3", "+1", "01", " 1", ".5", "1." */
static bool looks_like_number(const char *text)
{
	const char *at = text + (*text == '-');
	const char *point = strchr(at, '.');

	if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
		return false;
	if (point && (point[1] < '0' || point[1] > '9'))
		return false;
	return at[strspn(at, "0123456789.eE+-")] == '\0';
}

bool json_read_number(const char *text, double *ret_number)
{
	char *end;
	double number;

	if (!looks_like_number(text))
		return false;
	number = strtod(text, &end);
	if (*end || !isfinite(number))
		return false;
	*ret_number = number;
	return true;
}

size_t json_compact(const char *json, char *to)
{
	bool in_string = false;
	size_t len = 0;

	for (; *json; json++) {
		if (!in_string && strchr(" \t\r\n", *json))
			continue;
		to[len++] = *json;
		if (*json == '"')
			in_string = !in_string;
		else if (in_string && *json == '\\')
			to[len++] = *++json;
	}
	to[len] = '\0';
	return len;
}
