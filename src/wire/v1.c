// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v1.h"

#include "base/cursor.h"
#include "base/siphash.h"
#include "wire/v1_payload.h"

static const char ack_magic[4] = {'A', 'C', 'K', '\n'};

static const char *const error_names[V1_ERROR_COUNT] = {
	[V1_OK] = "ok",
	[V1_SHORT] = "short",
	[V1_LONG] = "long",
	[V1_BAD_VERSION] = "bad-version",
	[V1_BAD_SEQUENCE] = "bad-sequence",
	[V1_BAD_COUNT] = "bad-count",
	[V1_BAD_LENGTH] = "bad-length",
	[V1_BAD_FLAG] = "bad-flag",
	[V1_MIXED_FLAGS] = "mixed-flags",
	[V1_UNKNOWN_EVENT] = "unknown-event",
	[V1_BAD_PAYLOAD] = "bad-payload",
	[V1_TRAILING] = "trailing",
};

const char *v1_error_name(enum v1_error error)
{
	return (unsigned int)error < V1_ERROR_COUNT ? error_names[error] : "unknown";
}

struct event_header {
	uint32_t length; /* header and payload, bytes */
	uint32_t event_id;
	uint8_t wants_ack;
};

static void get_event_header(struct cursor *c, struct event_header *ret_header)
{
	ret_header->length = cursor_get_be32(c);
	ret_header->event_id = cursor_get_be32(c);
	ret_header->wants_ack = cursor_get_u8(c);
}

/* Checks the event at the cursor and moves past it. */
static enum v1_error check_event(struct cursor *c, bool *ret_wants_ack)
{
	struct event_header header;
	const uint8_t *payload;
	size_t size;
	enum v1_error error;

	get_event_header(c, &header);
	if (!cursor_ok(c))
		return V1_SHORT;
	if (header.length < V1_EVENT_HEADER_BYTES)
		return V1_BAD_LENGTH;
	if (header.wants_ack > 1)
		return V1_BAD_FLAG;
	if (!payload_known(header.event_id))
		return V1_UNKNOWN_EVENT;
	size = header.length - V1_EVENT_HEADER_BYTES;
	if (!payload_has_size(header.event_id, size))
		return V1_BAD_LENGTH;
	payload = cursor_get(c, size);
	if (!payload)
		return V1_SHORT;
	error = payload_check(header.event_id, payload, size);
	if (error != V1_OK)
		return error;
	*ret_wants_ack = header.wants_ack;
	return V1_OK;
}

/*
 * The count octet of the 10-byte header is never 0 in a transaction that holds an event, and the
 * first octet of a u32 count always is: it says which of the headers this is.
 */
static enum v1_error get_header(
	struct cursor *c, struct v1_transaction *transaction, uint32_t *ret_count)
{
	uint8_t version = cursor_get_u8(c);

	if (!cursor_ok(c))
		return V1_SHORT;
	if (version != V1_VERSION)
		return V1_BAD_VERSION;
	transaction->switch_id = cursor_get_be32(c);
	transaction->sequence = cursor_get_be32(c);
	*ret_count = cursor_get_u8(c);
	transaction->count_is_u32 = *ret_count == 0;
	if (transaction->count_is_u32)
		*ret_count = (uint32_t)cursor_get_be(c, 3);
	if (!cursor_ok(c))
		return V1_SHORT;
	return *ret_count == 0 ? V1_BAD_COUNT : V1_OK;
}

/* What follows the last event. */
static enum v1_error check_rest(struct cursor *c, bool padding_allowed)
{
	size_t left = cursor_left(c);
	const uint8_t *rest = cursor_get(c, left);

	if (left > 0 && !padding_allowed)
		return V1_TRAILING;
	for (size_t i = 0; i < left; i++)
		if (rest[i] != 0)
			return V1_TRAILING;
	return V1_OK;
}

static enum v1_error check_events(
	struct cursor *c, uint32_t count, struct v1_transaction *transaction)
{
	for (uint32_t i = 0; i < count; i++) {
		bool wants_ack = false;
		enum v1_error error = check_event(c, &wants_ack);

		if (error != V1_OK)
			return error;
		if (i > 0 && wants_ack != transaction->wants_ack)
			return V1_MIXED_FLAGS;
		transaction->wants_ack = wants_ack;
	}
	return V1_OK;
}

enum v1_error v1_decode(const void *bytes, size_t size, struct v1_transaction *ret_transaction)
{
	struct v1_transaction transaction = {0};
	struct cursor c;
	uint32_t count = 0;
	enum v1_error error;

	if (size > V1_DATAGRAM_MAX)
		return V1_LONG;
	cursor_read_init(&c, bytes, size);
	error = get_header(&c, &transaction, &count);
	if (error != V1_OK)
		return error;

	transaction.events = c.in + c.pos;
	transaction.events_bytes = c.pos;
	error = check_events(&c, count, &transaction);
	if (error != V1_OK)
		return error;
	/* So many events did fit the datagram, so their number fits as well. */
	transaction.event_count = (uint16_t)count;
	transaction.events_bytes = c.pos - transaction.events_bytes;

	error = check_rest(&c, transaction.count_is_u32);
	if (error != V1_OK)
		return error;
	if (transaction.wants_ack &&
		(transaction.sequence == 0 || transaction.sequence > V1_SEQUENCE_MAX))
		return V1_BAD_SEQUENCE;
	*ret_transaction = transaction;
	return V1_OK;
}

bool v1_next_event(struct v1_transaction *transaction, struct v1_event *ret_event)
{
	struct event_header header;
	const uint8_t *payload;
	struct cursor c;
	size_t size;

	if (transaction->events_bytes == 0)
		return false;
	cursor_read_init(&c, transaction->events, transaction->events_bytes);
	get_event_header(&c, &header);
	size = header.length - V1_EVENT_HEADER_BYTES;
	payload = cursor_get(&c, size);
	if (!payload)
		return false;
	payload_decode(header.event_id, payload, size, ret_event);
	transaction->events += c.pos;
	transaction->events_bytes -= c.pos;
	return true;
}

size_t v1_encode_ack(uint32_t sequence, uint8_t bytes[static V1_ACK_BYTES])
{
	struct cursor c;

	cursor_write_init(&c, bytes, V1_ACK_BYTES);
	cursor_put_bytes(&c, ack_magic, sizeof(ack_magic));
	cursor_put_be(&c, sequence, 4);
	return c.pos;
}

bool v1_decode_ack(const void *bytes, size_t size, uint32_t *ret_sequence)
{
	uint32_t sequence = 0;
	const uint8_t *magic;
	struct cursor c;

	cursor_read_init(&c, bytes, size);
	magic = cursor_get(&c, sizeof(ack_magic));
	if (!magic || memcmp(magic, ack_magic, sizeof(ack_magic)) != 0)
		return false;
	if (cursor_left(&c) >= 4)
		sequence = cursor_get_be32(&c);
	if (sequence > V1_SEQUENCE_MAX || check_rest(&c, true) != V1_OK)
		return false;
	*ret_sequence = sequence;
	return true;
}

uint64_t v1_digest(const void *bytes, size_t size)
{
	/* Any constant does; changing it makes marks in existing stores unknown. */
	static const struct siphash_key key = {0x6e65746c616d6264ULL, 0x7472616e73616374ULL};

	return siphash(&key, bytes, size);
}
