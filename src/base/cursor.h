/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

/*
 * A bounds-checked reader/writer over bytes that the caller owns, with a sticky error: once an
 * access does not fit, the cursor is `failed`, reads give 0, writes do nothing, and the position
 * stays. Check cursor_ok() once, at the end. `be` is network order (the wire), `le` is the order of
 * the worker pipe (docs/functions.md). Reading functions take a cursor made by cursor_read_init();
 * nothing is written through it.
 */

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *in; /* the bytes, when reading */
	uint8_t *out;      /* the bytes, when writing */
	size_t size;       /* bytes */
	size_t pos;        /* bytes, at most `size` */
	bool failed;
};

static inline void cursor_read_init(struct cursor *c, const void *bytes, size_t size)
{
	*c = (struct cursor){.in = (const uint8_t *)bytes, .size = size};
}

static inline void cursor_write_init(struct cursor *c, void *bytes, size_t size)
{
	*c = (struct cursor){.in = (uint8_t *)bytes, .out = (uint8_t *)bytes, .size = size};
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->size - c->pos;
}

/* The place of the next `len` bytes, which are consumed; NULL and failed if they do not fit. */
static inline const uint8_t *cursor_get(struct cursor *c, size_t len)
{
	const uint8_t *at = c->in + c->pos;

	if (c->failed || len > cursor_left(c)) {
		c->failed = true;
		return NULL;
	}
	c->pos += len;
	return at;
}

static inline uint8_t *cursor_put(struct cursor *c, size_t len)
{
	uint8_t *at = c->out + c->pos;

	if (c->failed || len > cursor_left(c)) {
		c->failed = true;
		return NULL;
	}
	c->pos += len;
	return at;
}

static inline void cursor_put_bytes(struct cursor *c, const void *bytes, size_t len)
{
	uint8_t *at = cursor_put(c, len);

	if (at && len > 0)
		memcpy(at, bytes, len);
}

static inline void cursor_get_bytes(struct cursor *c, void *bytes, size_t len)
{
	const uint8_t *at = cursor_get(c, len);

	if (at && len > 0)
		memcpy(bytes, at, len);
	else if (!at)
		memset(bytes, 0, len);
}

/* `len` is 0 to 8, and most often known where it is called: one load or store then. */
static inline uint64_t cursor_get_be(struct cursor *c, size_t len)
{
	const uint8_t *at = cursor_get(c, len);
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, len);
	return be64toh(value) >> ((64 - 8 * len) & 63);
}

static inline void cursor_put_be(struct cursor *c, uint64_t value, size_t len)
{
	uint8_t *at = cursor_put(c, len);
	uint64_t be = htobe64(value << ((64 - 8 * len) & 63));

	if (at)
		memcpy(at, &be, len);
}

static inline void cursor_put_le(struct cursor *c, uint64_t value, size_t len)
{
	uint8_t *at = cursor_put(c, len);

	for (size_t i = 0; at && i < len; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

static inline uint8_t cursor_get_u8(struct cursor *c)
{
	return (uint8_t)cursor_get_be(c, 1);
}

static inline uint16_t cursor_get_be16(struct cursor *c)
{
	uint16_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return be16toh(value);
}

static inline uint32_t cursor_get_be32(struct cursor *c)
{
	uint32_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return be32toh(value);
}

static inline uint64_t cursor_get_be64(struct cursor *c)
{
	uint64_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return be64toh(value);
}

static inline uint16_t cursor_get_le16(struct cursor *c)
{
	uint16_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return le16toh(value);
}

static inline uint32_t cursor_get_le32(struct cursor *c)
{
	uint32_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return le32toh(value);
}

static inline uint64_t cursor_get_le64(struct cursor *c)
{
	uint64_t value;

	cursor_get_bytes(c, &value, sizeof(value));
	return le64toh(value);
}

#endif
