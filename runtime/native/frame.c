// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include "json.h"

void frame_put_u8(struct pipe_buffer *to, uint8_t value)
{
	json_put_bytes(to, (const char *)&value, sizeof(value));
}

void frame_put_u32(struct pipe_buffer *to, uint32_t value)
{
	uint32_t le = htole32(value);

	json_put_bytes(to, (const char *)&le, sizeof(le));
}

void frame_put_u64(struct pipe_buffer *to, uint64_t value)
{
	uint64_t le = htole64(value);

	json_put_bytes(to, (const char *)&le, sizeof(le));
}

size_t frame_put_hole(struct pipe_buffer *to)
{
	frame_put_u32(to, 0);
	return to->size - sizeof(uint32_t);
}

void frame_fill_hole(struct pipe_buffer *to, size_t hole, uint32_t value)
{
	uint32_t le = htole32(value);

	if (!to->failed)
		memcpy(to->bytes + hole, &le, sizeof(le));
}

void frame_put_text(struct pipe_buffer *to, const char *text, size_t len)
{
	frame_put_u32(to, (uint32_t)len);
	json_put_bytes(to, text, len);
	frame_put_u8(to, 0);
}

size_t frame_begin_text(struct pipe_buffer *to)
{
	return frame_put_hole(to);
}

void frame_end_text(struct pipe_buffer *to, size_t text)
{
	frame_fill_hole(to, text, (uint32_t)(to->size - text - sizeof(uint32_t)));
	frame_put_u8(to, 0);
}
