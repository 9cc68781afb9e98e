/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_TEXT_H
#define NATIVE_TEXT_H

/*
 * Texts that values are told apart by: short, in place, with their hash. Those that are longer are on
 * the heap, and belong to whoever holds the struct.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_CHARS_MAX 128 /* characters, of a name or a value */
#define TEXT_IN_PLACE  48  /* bytes, with the NUL: enough for an address or a time */

struct text {
	uint32_t hash; /* text_hash() */
	uint16_t len;  /* bytes */
	union {
		char in_place[TEXT_IN_PLACE];
		char *heap; /* if it has no room */
	};
};

/*
 * The CRC-32 of the bytes, mixed by MurmurHash3's finalizer: the same in all runtimes, since sketches that are
 * kept hold it.
 */
uint32_t text_hash(const char *bytes, size_t len);

/* Valid UTF-8. */
bool utf8_is_valid(const char *bytes, size_t len);
/* The same of at most TEXT_CHARS_MAX characters. */
bool text_is_valid(const char *bytes, size_t len);

/* 0 or -ENOMEM. */
int text_set(struct text *text, const char *bytes, size_t len, uint32_t hash) _must_check_;
void text_done(struct text *text);

static inline const char *text_get(const struct text *text)
{
	return text->len < TEXT_IN_PLACE ? text->in_place : text->heap;
}

bool text_equals(const struct text *text, const char *bytes, size_t len, uint32_t hash);

/* Decimal digits, without a NUL. Returns how many: at most 20. */
size_t text_put_uint(char *to, uint64_t value);

#endif
