/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_FRAME_H
#define NATIVE_FRAME_H

/* The members of frames to the engine (docs/functions.md): little-endian integers, and texts. */

#include "engine/pipe.h"

void frame_put_u8(struct pipe_buffer *to, uint8_t value);
void frame_put_u32(struct pipe_buffer *to, uint32_t value);
void frame_put_u64(struct pipe_buffer *to, uint64_t value);

/* A u32 that is known later: its place. */
size_t frame_put_hole(struct pipe_buffer *to);
void frame_fill_hole(struct pipe_buffer *to, size_t hole, uint32_t value);

void frame_put_text(struct pipe_buffer *to, const char *text, size_t len);
/* The same of what is appended in between. */
size_t frame_begin_text(struct pipe_buffer *to);
void frame_end_text(struct pipe_buffer *to, size_t text);

#endif
