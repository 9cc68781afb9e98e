/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_KEY_WORDS_H
#define NATIVE_KEY_WORDS_H

/*
 * The key of an event as this runtime keeps it: the values of its fields as words, so that looking one
 * up makes no text. Two keys have equal words if, and only if, their texts are equal, whatever the
 * sizes of their fields were.
 */

#include "engine/pipe.h"
#include "event/key.h"

#include <string.h>

#define KEY_WORDS_MAX (1 + 2 * KEY_FIELDS_MAX)

/* What the values are, 4 bits each in a key's first word: the first field's are the lowest. */
enum key_part {
	KEY_NONE = 1, /* the record has no such field, or a time is not known: "" */
	KEY_NUMBER,
	KEY_NEGATIVE,
	KEY_TIME,
	KEY_IP, /* two words */
};

struct key_words {
	uint32_t count;
	uint64_t words[KEY_WORDS_MAX];
};

/* `plan` is of the record's schema. */
void key_words_read(const struct key_plan *plan, const void *record, struct key_words *ret_key);

static inline bool key_words_equal(
	const struct key_words *key, const uint64_t *words, uint32_t count)
{
	return key->count == count && memcmp(key->words, words, count * sizeof(words[0])) == 0;
}

/* The values as functions in other languages see them, joined by "|"; without a NUL. */
void key_words_put_text(const uint64_t *words, uint32_t fields, struct pipe_buffer *to);

/* Reads such a text. False: no event can have that key. */
bool key_words_parse(const char *text, uint32_t fields, struct key_words *ret_key);

#endif
