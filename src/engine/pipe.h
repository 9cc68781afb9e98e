/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_PIPE_H
#define ENGINE_PIPE_H

/*
 * The frames between the engine and a worker process; docs/functions.md, "The worker pipe", is the
 * normative text. Sans-I/O: bytes in, bytes out. All integers are little-endian; `text` is a u32
 * length, so many bytes of UTF-8, and a zero byte that the length does not count. A frame is a header
 * of 8 bytes, its payload, and zeros up to a multiple of 8: so records lie aligned.
 */

#include "base/attr.h"
#include "base/cursor.h"
#include "event/schema.h"
#include "event/state.h"

#define PIPE_VERSION      4
#define PIPE_FRAME_MAX    (16U << 20) /* bytes of payload */
#define PIPE_HEADER_BYTES 8           /* u32 length of the payload, u8 type, 3 reserved */
#define PIPE_FD           3           /* where a worker finds the pipe */

enum pipe_type {
	/* to the worker */
	PIPE_HELLO = 1,
	PIPE_SCHEMA = 2,
	PIPE_STATE = 3,
	PIPE_START = 4,
	PIPE_BATCH = 5,
	PIPE_DROP = 6,
	PIPE_EVICT = 7,
	/* to the engine */
	PIPE_READY = 64,
	PIPE_RESULT = 65,
	PIPE_FAILED = 66,
};

/* One that came: its payload is borrowed. */
struct pipe_frame {
	uint8_t type;
	const uint8_t *payload;
	size_t size;
};

/* What stands in front of each record in a BATCH. */
struct pipe_event {
	uint64_t hash; /* of its key */
	uint64_t time_ns;
	uint64_t sequence;
	uint32_t event_id;
	uint32_t switch_id;
	uint32_t epoch;
	uint16_t index;
	uint8_t generation; /* of its partition with this worker */
	uint8_t reserved;
};
_Static_assert(sizeof(struct pipe_event) == 40, "as it is on the pipe");

/*
 * Flags of a BATCH: answer with what has changed; with what the only event's handler returns; refuse what would
 * make the function's state larger.
 */
#define PIPE_BATCH_COLLECT (1U << 0)
#define PIPE_BATCH_REPLY   (1U << 1)
#define PIPE_BATCH_FULL    (1U << 2)

enum pipe_exception {
	PIPE_FAILED_EVENT = 1,
	PIPE_SKIPPED_EVENT = 2,
};

static inline size_t pipe_align(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

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

/* Begins a frame; returns its place for pipe_end(), which writes its length and pads it. */
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
void pipe_put_start(struct pipe_buffer *buffer);

/*
 * STATE holds rows: begin, put each, end with their count. False and nothing is put if the row does
 * not fit into the frame any more.
 */
size_t pipe_begin_state(struct pipe_buffer *buffer);
bool pipe_put_row(struct pipe_buffer *buffer, size_t frame, const struct state_row *row);
void pipe_end_state(struct pipe_buffer *buffer, size_t frame, uint32_t rows);

/* Bit p: the worker is to forget partition p. */
void pipe_put_drop(struct pipe_buffer *buffer, uint16_t partitions);

/* The worker is to forget keys, by their hashes, which ascend. */
void pipe_put_evict(struct pipe_buffer *buffer, const uint64_t *hashes, size_t count);

/* A batch is begun, filled with `count` events, and ended with pipe_end(). */
size_t pipe_begin_batch(struct pipe_buffer *buffer, uint32_t count, uint32_t flags);
/* `event` is in the pipe's byte order. */
void pipe_put_event(struct pipe_buffer *buffer, const struct pipe_event *event, const void *record,
	uint16_t record_size);
/* Behind the only event of a batch that wants a reply: its key and its data, both "" if the record has them. */
void pipe_put_request(struct pipe_buffer *buffer, const char *key, const char *data);

/*
 * A text inside a frame, which is borrowed. NULL, and the cursor has failed, if it is not one: it does
 * not fit, has a zero byte inside, or none behind.
 */
const char *pipe_get_text(struct cursor *c, size_t *ret_len);

#endif
