// SPDX-License-Identifier: BSD-2-Clause
#include "engine/pipe.h"

#include <stdlib.h>

void pipe_buffer_done(struct pipe_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct pipe_buffer){0};
}

bool pipe_buffer_reserve(struct pipe_buffer *buffer, size_t extra)
{
	size_t needed = buffer->size + extra;
	size_t capacity = MAX(buffer->capacity, 4096U);
	uint8_t *bytes;

	if (buffer->failed)
		return false;
	if (needed <= buffer->capacity)
		return true;
	while (capacity < needed)
		capacity *= 2;
	bytes = realloc(buffer->bytes, capacity);
	if (!bytes) {
		buffer->failed = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

static void put_bytes(struct pipe_buffer *buffer, const void *bytes, size_t len)
{
	if (!pipe_buffer_reserve(buffer, len))
		return;
	if (len > 0)
		memcpy(buffer->bytes + buffer->size, bytes, len);
	buffer->size += len;
}

static void put_uint(struct pipe_buffer *buffer, uint64_t value, size_t len)
{
	struct cursor c;

	if (!pipe_buffer_reserve(buffer, len))
		return;
	cursor_write_init(&c, buffer->bytes + buffer->size, len);
	cursor_put_le(&c, value, len);
	buffer->size += len;
}

static void put_text_len(struct pipe_buffer *buffer, const char *text, size_t len)
{
	put_uint(buffer, len, 4);
	put_bytes(buffer, text, len);
	put_uint(buffer, 0, 1);
}

static void put_text(struct pipe_buffer *buffer, const char *text)
{
	put_text_len(buffer, text, strlen(text));
}

size_t pipe_begin(struct pipe_buffer *buffer, enum pipe_type type)
{
	size_t frame = buffer->size;

	put_uint(buffer, 0, 4);
	put_uint(buffer, type, 4);
	return frame;
}

void pipe_end(struct pipe_buffer *buffer, size_t frame)
{
	size_t len = buffer->size - frame - PIPE_HEADER_BYTES;
	struct cursor c;

	put_uint(buffer, 0, pipe_align(len) - len);
	if (buffer->failed)
		return;
	if (len > PIPE_FRAME_MAX) {
		buffer->failed = true;
		return;
	}
	cursor_write_init(&c, buffer->bytes + frame, 4);
	cursor_put_le(&c, len, 4);
}

void pipe_put_hello(struct pipe_buffer *buffer, const struct pipe_hello *hello)
{
	size_t frame = pipe_begin(buffer, PIPE_HELLO);
	uint16_t keys = 0;

	while (hello->key[keys])
		keys++;
	put_uint(buffer, PIPE_VERSION, 2);
	put_text(buffer, hello->function);
	put_text(buffer, hello->dir);
	put_text(buffer, hello->handler);
	put_text(buffer, hello->config);
	put_uint(buffer, hello->timeout_ms, 4);
	put_uint(buffer, hello->memory_mb, 4);
	put_uint(buffer, keys, 2);
	for (uint16_t i = 0; i < keys; i++)
		put_text(buffer, hello->key[i]);
	pipe_end(buffer, frame);
}

void pipe_put_schema(struct pipe_buffer *buffer, const struct schema *schema)
{
	size_t frame = pipe_begin(buffer, PIPE_SCHEMA);

	put_uint(buffer, schema->event_id, 4);
	put_text(buffer, schema->name);
	put_uint(buffer, schema->record_size, 2);
	put_uint(buffer, schema->field_count, 2);
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];

		put_text(buffer, field->name);
		put_text(buffer, field_kind_name(field->kind));
		put_uint(buffer, field->offset, 2);
		put_uint(buffer, field->size, 2);
	}
	pipe_end(buffer, frame);
}

void pipe_put_start(struct pipe_buffer *buffer)
{
	pipe_end(buffer, pipe_begin(buffer, PIPE_START));
}

size_t pipe_begin_state(struct pipe_buffer *buffer)
{
	size_t frame = pipe_begin(buffer, PIPE_STATE);

	put_uint(buffer, 0, 4);
	return frame;
}

bool pipe_put_row(struct pipe_buffer *buffer, size_t frame, const struct state_row *row)
{
	size_t key_len = strlen(row->key), name_len = strlen(row->name);

	if (buffer->size - frame + key_len + name_len + row->value_len + 64 > PIPE_FRAME_MAX)
		return false;
	put_uint(buffer, row->hash, 8);
	put_text_len(buffer, row->key, key_len);
	put_text_len(buffer, row->name, name_len);
	put_text_len(buffer, row->value, row->value_len);
	return true;
}

void pipe_end_state(struct pipe_buffer *buffer, size_t frame, uint32_t rows)
{
	struct cursor c;

	pipe_end(buffer, frame);
	if (buffer->failed)
		return;
	cursor_write_init(&c, buffer->bytes + frame + PIPE_HEADER_BYTES, 4);
	cursor_put_le(&c, rows, 4);
}

void pipe_put_drop(struct pipe_buffer *buffer, uint16_t partitions)
{
	size_t frame = pipe_begin(buffer, PIPE_DROP);

	put_uint(buffer, partitions, 2);
	pipe_end(buffer, frame);
}

void pipe_put_evict(struct pipe_buffer *buffer, const uint64_t *hashes, size_t count)
{
	size_t frame = pipe_begin(buffer, PIPE_EVICT);

	for (size_t i = 0; i < count; i++)
		put_uint(buffer, hashes[i], 8);
	pipe_end(buffer, frame);
}

size_t pipe_begin_batch(struct pipe_buffer *buffer, uint32_t count, uint32_t flags)
{
	size_t frame = pipe_begin(buffer, PIPE_BATCH);

	put_uint(buffer, count, 4);
	put_uint(buffer, flags, 4);
	return frame;
}

void pipe_put_event(struct pipe_buffer *buffer, const struct pipe_event *event, const void *record,
	uint16_t record_size)
{
	size_t size = sizeof(*event) + pipe_align(record_size);
	uint8_t *at;

	if (!pipe_buffer_reserve(buffer, size))
		return;
	at = buffer->bytes + buffer->size;
	memcpy(at, event, sizeof(*event));
	memcpy(at + sizeof(*event), record, record_size);
	memset(at + sizeof(*event) + record_size, 0, size - sizeof(*event) - record_size);
	buffer->size += size;
}

void pipe_put_request(struct pipe_buffer *buffer, const char *key, const char *data)
{
	put_text(buffer, key);
	put_text(buffer, data);
}

const char *pipe_get_text(struct cursor *c, size_t *ret_len)
{
	size_t len = cursor_get_le32(c);
	const uint8_t *text = cursor_get(c, len);
	const uint8_t *zero = cursor_get(c, 1);

	if (!text || !zero || *zero != 0 || memchr(text, 0, len)) {
		c->failed = true;
		return NULL;
	}
	if (ret_len)
		*ret_len = len;
	return (const char *)text;
}
