// SPDX-License-Identifier: BSD-2-Clause
#include "base/cursor.h"
#include "wire/v1.h"
#include "wire/v1_payload.h"

#include <errno.h>

#define COUNT_OFFSET (V1_HEADER_BYTES - 1)
#define FLAG_OFFSET  (V1_HEADER_BYTES + V1_EVENT_HEADER_BYTES - 1) /* the first event's */

_Static_assert((V1_DATAGRAM_MAX - V1_HEADER_BYTES) / V1_EVENT_HEADER_BYTES <= V1_EVENTS_MAX,
	"a full datagram's events fit the count octet");

void v1_builder_start(struct v1_builder *builder, uint32_t switch_id, uint32_t sequence)
{
	struct cursor c;

	cursor_write_init(&c, builder->bytes, sizeof(builder->bytes));
	cursor_put_be(&c, V1_VERSION, 1);
	cursor_put_be(&c, switch_id, 4);
	cursor_put_be(&c, sequence, 4);
	cursor_put_be(&c, 0, 1);
	builder->size = c.pos;
	builder->event_count = 0;
}

int v1_builder_add(
	struct v1_builder *builder, uint32_t event_id, const void *record, bool wants_ack)
{
	size_t length = V1_EVENT_HEADER_BYTES + payload_size(event_id, record);
	struct cursor c;

	if (!payload_known(event_id))
		return -EINVAL;
	if (builder->event_count > 0 && builder->bytes[FLAG_OFFSET] != wants_ack)
		return -EINVAL;
	if (length > sizeof(builder->bytes) - builder->size)
		return -ENOSPC;
	cursor_write_init(&c, builder->bytes + builder->size, length);
	cursor_put_be(&c, length, 4);
	cursor_put_be(&c, event_id, 4);
	cursor_put_be(&c, wants_ack, 1);
	builder->clamped += payload_encode(&c, event_id, record);
	builder->size += c.pos;
	builder->event_count++;
	builder->bytes[COUNT_OFFSET] = (uint8_t)builder->event_count;
	return 0;
}
