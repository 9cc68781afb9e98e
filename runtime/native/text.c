// SPDX-License-Identifier: BSD-2-Clause
#include "text.h"

#include <errno.h>
#include <string.h>

#define REFLECTED_POLYNOMIAL 0xedb88320U /* of IEEE 802.3 */

static uint32_t crc_table[256];

__attribute__((constructor)) static void make_crc_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? REFLECTED_POLYNOMIAL : 0);
		crc_table[byte] = crc;
	}
}

uint32_t text_hash(const char *bytes, size_t len)
{
	uint32_t hash = ~0U;

	for (size_t i = 0; i < len; i++)
		hash = crc_table[(hash ^ (uint8_t)bytes[i]) & 255] ^ hash >> 8;
	hash = ~hash;
	hash = (hash ^ hash >> 16) * 0x85ebca6bU;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35U;
	return hash ^ hash >> 16;
}

/* Bytes of the character that begins here; 0: none does (RFC 3629). */
static size_t character_len(const uint8_t *at, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *at < 0x80       ? 1
		     : *at >> 5 == 6  ? 2
		     : *at >> 4 == 14 ? 3
		     : *at >> 3 == 30 ? 4
				      : 0;
	uint32_t code = len == 1 ? *at : *at & (0xffU >> (len + 1));

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	return code < least[len] || code > 0x10ffff || code >> 11 == 0x1b ? 0 : len;
}

static bool is_valid(const char *bytes, size_t len, size_t most)
{
	const uint8_t *at = (const uint8_t *)bytes, *end = at + len;

	for (size_t count = 0; at < end; count++) {
		size_t step = character_len(at, (size_t)(end - at));

		if (step == 0 || count == most)
			return false;
		at += step;
	}
	return true;
}

bool utf8_is_valid(const char *bytes, size_t len)
{
	return is_valid(bytes, len, SIZE_MAX);
}

bool text_is_valid(const char *bytes, size_t len)
{
	return is_valid(bytes, len, TEXT_CHARS_MAX);
}

int text_set(struct text *text, const char *bytes, size_t len, uint32_t hash)
{
	char *to = text->in_place;

	if (len >= TEXT_IN_PLACE) {
		to = malloc(len + 1);
		if (!to)
			return -ENOMEM;
		text->heap = to;
	}
	memcpy(to, bytes, len);
	to[len] = '\0';
	text->len = (uint16_t)len;
	text->hash = hash;
	return 0;
}

void text_done(struct text *text)
{
	if (text->len >= TEXT_IN_PLACE)
		free(text->heap);
	text->len = 0;
}

bool text_equals(const struct text *text, const char *bytes, size_t len, uint32_t hash)
{
	return text->hash == hash && text->len == len && memcmp(text_get(text), bytes, len) == 0;
}

size_t text_put_uint(char *to, uint64_t value)
{
	char digits[20];
	size_t len = 0;

	do {
		digits[len++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	for (size_t i = 0; i < len; i++)
		to[i] = digits[len - 1 - i];
	return len;
}
