// SPDX-License-Identifier: BSD-2-Clause
#include "key_words.h"

#include "event/render.h"
#include "json.h"
#include "text.h"

#include <errno.h>

#define PART_BITS  4
#define PART_CHARS 64 /* no value's text is longer */

static uint64_t read_value(const uint8_t *at, uint16_t size, bool is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 64U - size * 8U;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(&value, at, size);
#else
	memcpy((uint8_t *)&value + sizeof(value) - size, at, size);
#endif
	return is_signed ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

static void put_part(struct key_words *key, uint32_t field, enum key_part part)
{
	key->words[0] |= (uint64_t)part << PART_BITS * field;
}

static void put_number(struct key_words *key, uint32_t field, enum key_part part, uint64_t value)
{
	put_part(key, field, part);
	key->words[key->count++] = value;
}

static void put_ip(struct key_words *key, uint32_t field, const uint8_t *bytes)
{
	put_part(key, field, KEY_IP);
	memcpy(&key->words[key->count], bytes, sizeof(ip_addr));
	key->count += 2;
}

static void read_field(struct key_words *key, uint32_t field, enum field_kind kind, uint64_t value)
{
	if (kind == FIELD_TIME && value == 0)
		put_part(key, field, KEY_NONE);
	else if (kind == FIELD_TIME)
		put_number(key, field, KEY_TIME, value);
	else if (kind == FIELD_INT && (int64_t)value < 0)
		put_number(key, field, KEY_NEGATIVE, value);
	else
		put_number(key, field, KEY_NUMBER, value);
}

void key_words_read(const struct key_plan *plan, const void *record, struct key_words *ret_key)
{
	ret_key->count = 1;
	ret_key->words[0] = 0;
	for (uint32_t i = 0; i < plan->count; i++) {
		const uint8_t *at = (const uint8_t *)record + plan->fields[i].offset;
		enum field_kind kind = plan->fields[i].kind;

		if (plan->fields[i].size == 0)
			put_part(ret_key, i, KEY_NONE);
		else if (kind == FIELD_IP)
			put_ip(ret_key, i, at);
		else
			read_field(ret_key, i, kind,
				read_value(at, plan->fields[i].size, kind == FIELD_INT));
	}
}

/* ---- as text ---- */

static const uint64_t *put_text(const uint64_t *words, enum key_part part, struct pipe_buffer *to)
{
	char text[PART_CHARS];
	ip_addr ip;

	switch (part) {
	case KEY_NONE:
		return words;
	case KEY_NUMBER:
		json_put_bytes(to, text, text_put_uint(text, words[0]));
		return words + 1;
	case KEY_NEGATIVE:
		text[0] = '-';
		json_put_bytes(to, text, 1 + text_put_uint(text + 1, -words[0]));
		return words + 1;
	case KEY_TIME:
		json_put(to, time_render(words[0], text));
		return words + 1;
	case KEY_IP:
		memcpy(&ip, words, sizeof(ip));
		json_put(to, ip_render(&ip, text));
		return words + 2;
	}
	return words;
}

void key_words_put_text(const uint64_t *words, uint32_t fields, struct pipe_buffer *to)
{
	const uint64_t *at = words + 1;

	for (uint32_t i = 0; i < fields; i++) {
		if (i > 0)
			json_put(to, "|");
		at = put_text(at, words[0] >> PART_BITS * i & 15, to);
	}
}

/* As text_put_uint() writes it. */
static bool parse_uint(const char *text, uint64_t *ret_value)
{
	char *end;

	if (*text < '0' || *text > '9' || (*text == '0' && text[1]))
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return errno == 0 && !*end;
}

static bool parse_part(struct key_words *key, uint32_t field, const char *text)
{
	uint64_t value;
	ip_addr ip;

	if (!*text)
		put_part(key, field, KEY_NONE);
	else if (parse_uint(text, &value))
		put_number(key, field, KEY_NUMBER, value);
	else if (*text == '-' && parse_uint(text + 1, &value))
		put_number(key, field, KEY_NEGATIVE, -value);
	else if (ip_parse(text, &ip) == 0)
		put_ip(key, field, ip.bytes);
	else if (time_parse(text, &value) == 0)
		put_number(key, field, KEY_TIME, value);
	else
		return false;
	return true;
}

bool key_words_parse(const char *text, uint32_t fields, struct key_words *ret_key)
{
	ret_key->count = 1;
	ret_key->words[0] = 0;
	for (uint32_t i = 0; i < fields; i++) {
		size_t len = strcspn(text, "|");
		char part[PART_CHARS];

		if (len >= sizeof(part))
			return false;
		memcpy(part, text, len);
		part[len] = '\0';
		if (!parse_part(ret_key, i, part))
			return false;
		text += len;
		if (i + 1 < fields && *text++ != '|')
			return false;
	}
	return *text == '\0';
}
