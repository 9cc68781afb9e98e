/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_PIPE_H
#define ENGINE_PIPE_H

/*
 * The frames between the engine and a worker process; docs/functions.md, "The worker pipe", is the
 * normative text. Sans-I/O: bytes in, bytes out. All integers are little-endian; `text` is a u32
 * length, so many bytes of UTF-8, and a zero byte that the length does not count.
 */

#include "base/attr.h"
#include "base/cursor.h"
#include "engine/engine.h"

#define PIPE_VERSION       2
#define PIPE_FRAME_MAX     (16U << 20) /* bytes of type and payload */
#define PIPE_HEADER_BYTES  5           /* u32 length of what follows it, u8 type */
#define PIPE_FD            3           /* where a worker finds the pipe */
#define PIPE_SKIPPED_BYTES 13          /* payload of a RESULT that says nothing: all zero */

enum pipe_type {
	/* to the worker */
	PIPE_HELLO = 1,
	PIPE_SCHEMA = 2,
	PIPE_STATE = 3,
	PIPE_START = 4,
	PIPE_BATCH = 5,
	/* to the engine */
	PIPE_READY = 64,
	PIPE_RESULT = 65,
	PIPE_FAILED = 66,
};

/* A growing byte buffer with a sticky error: `failed` says that memory ran out, or a cap was hit. */
struct pipe_buffer {
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	bool failed;
};

void pipe_buffer_done(struct pipe_buffer *buffer);
/* Makes room for `extra` bytes after `size`; false sets `failed`. */
bool pipe_buffer_reserve(struct pipe_buffer *buffer, size_t extra);

/* Begins a frame; returns its place for pipe_end(), which writes its length. */
size_t pipe_begin(struct pipe_buffer *buffer, enum pipe_type type);
void pipe_end(struct pipe_buffer *buffer, size_t frame);

struct pipe_hello {
	const char *function;
	const char *dir;
	const char *handler;
	const char *config; /* a JSON object */
	uint32_t timeout_ms;
	uint32_t memory_mb;
	const char *const *key; /* NULL-terminated */
};

void pipe_put_hello(struct pipe_buffer *buffer, const struct pipe_hello *hello);
void pipe_put_schema(struct pipe_buffer *buffer, const struct schema *schema);
/* One row a frame. False and nothing is put if the row does not fit into a frame. */
bool pipe_put_state(struct pipe_buffer *buffer, const char *key, const char *name,
	const char *value, size_t value_len);
void pipe_put_start(struct pipe_buffer *buffer);

/*
 * A batch is begun, filled with `count` events, and ended with pipe_end(). `position`: how many events
 * the worker has done when it comes to this batch, if all those before it succeed.
 */
size_t pipe_begin_batch(struct pipe_buffer *buffer, uint32_t count, uint32_t position);
void pipe_put_event(
	struct pipe_buffer *buffer, const struct event_ref *event, uint16_t record_size);

/*
 * A text inside a frame, which is borrowed. NULL, and the cursor has failed, if it is not one: it does
 * not fit, has a zero byte inside, or none behind.
 */
const char *pipe_get_text(struct cursor *c, size_t *ret_len);

#endif
