// SPDX-License-Identifier: BSD-2-Clause
#include "event/key.h"

#include "event/render.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define PART_MAX 64 /* characters of a value that can be other than text */

void key_plan_init(struct key_plan *plan, const struct schema *schema, const char *const *names)
{
	*plan = (struct key_plan){0};
	for (; names && names[plan->count] && plan->count < KEY_FIELDS_MAX; plan->count++) {
		const struct schema_field *field = schema_find_field(schema, names[plan->count]);

		if (!field)
			continue;
		plan->fields[plan->count].kind = field->kind;
		plan->fields[plan->count].offset = field->offset;
		plan->fields[plan->count].size = field->size;
	}
}

static inline uint64_t rotate_left(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

/* MurmurHash3's 64-bit step (Appleby, public domain): each bit of the word spreads over all. */
static inline uint64_t absorb(uint64_t hash, uint64_t word)
{
	word *= 0x87c37b91114253d5ULL;
	word = rotate_left(word, 31) * 0x4cf5ad432745937fULL;
	return rotate_left(hash ^ word, 27) * 5 + 0x52dce729;
}

static inline uint64_t finish(uint64_t hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 33;
}

static inline uint64_t absorb_ip(uint64_t hash, const uint8_t bytes[static sizeof(ip_addr)])
{
	uint64_t words[2];

	memcpy(words, bytes, sizeof(words));
	return absorb(absorb(hash, be64toh(words[0])), be64toh(words[1]));
}

static inline uint64_t read_value(const uint8_t *at, uint16_t size, bool is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 64 - size * 8;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(&value, at, size);
#else
	memcpy((uint8_t *)&value + sizeof(value) - size, at, size);
#endif
	return is_signed ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

uint64_t key_hash(const struct key_plan *plan, const void *record)
{
	uint64_t hash = 0;

	if (plan->count == 0)
		return 0;
	for (unsigned int i = 0; i < plan->count; i++) {
		const uint8_t *at = (const uint8_t *)record + plan->fields[i].offset;
		uint16_t size = plan->fields[i].size;

		if (size == 0)
			hash = absorb(hash, 0);
		else if (plan->fields[i].kind == FIELD_IP)
			hash = absorb_ip(hash, at);
		else
			hash = absorb(
				hash, read_value(at, size, plan->fields[i].kind == FIELD_INT));
	}
	return finish(hash);
}

/* ---- of a text ---- */

static bool parse_number(const char *text, uint64_t *ret_value)
{
	bool negative = *text == '-';
	uint64_t value;
	char *end;

	if (text[negative] < '0' || text[negative] > '9')
		return false;
	errno = 0;
	value = strtoull(text + negative, &end, 10);
	if (errno != 0 || *end)
		return false;
	*ret_value = negative ? -value : value;
	return true;
}

static uint64_t absorb_text(uint64_t hash, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = absorb(hash, (uint8_t)text[i]);
	return hash;
}

static uint64_t absorb_part(uint64_t hash, const char *part, size_t len)
{
	char text[PART_MAX];
	uint64_t value;
	ip_addr ip;

	if (len >= sizeof(text))
		return absorb_text(hash, part, len);
	memcpy(text, part, len);
	text[len] = '\0';
	if (len == 0) /* a field that the record does not have, or an unknown time */
		return absorb(hash, 0);
	if (parse_number(text, &value) || time_parse(text, &value) == 0)
		return absorb(hash, value);
	if (ip_parse(text, &ip) == 0)
		return absorb_ip(hash, ip.bytes);
	return absorb_text(hash, part, len);
}

uint64_t key_hash_text(const char *key)
{
	uint64_t hash = 0;

	if (*key == '\0')
		return 0;
	for (;;) {
		size_t len = strcspn(key, "|");

		hash = absorb_part(hash, key, len);
		if (key[len] == '\0')
			return finish(hash);
		key += len + 1;
	}
}
