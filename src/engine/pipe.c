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
	put_uint(buffer, type, 1);
	return frame;
}

void pipe_end(struct pipe_buffer *buffer, size_t frame)
{
	size_t len = buffer->size - frame - 4;
	struct cursor c;

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

bool pipe_put_state(struct pipe_buffer *buffer, const char *key, const char *name,
	const char *value, size_t value_len)
{
	size_t key_len = strlen(key), name_len = strlen(name);
	size_t frame;

	if (key_len + name_len + value_len + 64 > PIPE_FRAME_MAX)
		return false;
	frame = pipe_begin(buffer, PIPE_STATE);
	put_text_len(buffer, key, key_len);
	put_text_len(buffer, name, name_len);
	put_text_len(buffer, value, value_len);
	pipe_end(buffer, frame);
	return true;
}

void pipe_put_start(struct pipe_buffer *buffer)
{
	pipe_end(buffer, pipe_begin(buffer, PIPE_START));
}

size_t pipe_begin_batch(struct pipe_buffer *buffer, uint32_t count, uint32_t position)
{
	size_t frame = pipe_begin(buffer, PIPE_BATCH);

	put_uint(buffer, count, 4);
	put_uint(buffer, position, 4);
	return frame;
}

void pipe_put_event(struct pipe_buffer *buffer, const struct event_ref *event, uint16_t record_size)
{
	struct cursor c;

	if (!pipe_buffer_reserve(buffer, 24U + record_size))
		return;
	cursor_write_init(&c, buffer->bytes + buffer->size, 24U + record_size);
	cursor_put_le(&c, event->event_id, 4);
	cursor_put_le(&c, event->switch_id, 4);
	cursor_put_le(&c, event->sequence, 4);
	cursor_put_le(&c, event->index, 2);
	cursor_put_le(&c, record_size, 2);
	cursor_put_le(&c, event->time_ns, 8);
	cursor_put_bytes(&c, event->record, record_size);
	buffer->size += 24U + record_size;
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
