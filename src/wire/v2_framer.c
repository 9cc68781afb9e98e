// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_framer.h"

static void drop_handed(struct v2_framer *f)
{
	f->have -= f->handed;
	memmove(f->bytes, f->bytes + f->handed, f->have);
	f->handed = 0;
}

size_t v2_framer_room(struct v2_framer *framer, uint8_t **ret_at)
{
	drop_handed(framer);
	*ret_at = framer->bytes + framer->have;
	return sizeof(framer->bytes) - framer->have;
}

void v2_framer_add(struct v2_framer *framer, size_t size)
{
	framer->have += size;
}

enum v2_error v2_framer_next(
	struct v2_framer *framer, const uint8_t **ret_message, size_t *ret_size)
{
	struct cursor c;
	size_t size;

	drop_handed(framer);
	*ret_size = 0;
	if (framer->have < V2_CONTROL_HEADER_BYTES)
		return V2_OK;
	cursor_read_init(&c, framer->bytes, framer->have);
	cursor_get_be16(&c);
	size = V2_CONTROL_HEADER_BYTES + cursor_get_be16(&c);
	if (size > V2_CONTROL_MAX)
		return V2_BAD_CONTROL;
	if (size > framer->have)
		return V2_OK;
	framer->handed = size;
	*ret_message = framer->bytes;
	*ret_size = size;
	return V2_OK;
}
