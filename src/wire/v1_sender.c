// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v1.h"

#include <assert.h>
#include <string.h>

void v1_sender_init(struct v1_sender *sender, uint32_t switch_id, uint64_t resend_ns)
{
	memset(sender, 0, sizeof(*sender));
	sender->switch_id = switch_id;
	sender->resend_ns = resend_ns;
	sender->sequence = 1;
	v1_builder_start(&sender->builder, switch_id, 1);
}

bool v1_sender_idle(const struct v1_sender *sender)
{
	return !sender->outstanding;
}

struct v1_builder *v1_sender_begin(struct v1_sender *sender)
{
	assert(!sender->outstanding);
	v1_builder_start(&sender->builder, sender->switch_id, sender->sequence);
	return &sender->builder;
}

void v1_sender_commit(struct v1_sender *sender, uint64_t now_ns)
{
	assert(!sender->outstanding && sender->builder.event_count > 0);
	sender->outstanding = true;
	sender->sent_ns = now_ns;
	sender->resend_at_ns = now_ns + sender->resend_ns;
	sender->transactions++;
	sender->events += sender->builder.event_count;
}

bool v1_sender_resend_due(struct v1_sender *sender, uint64_t now_ns)
{
	if (!sender->outstanding || now_ns < sender->resend_at_ns)
		return false;
	sender->resend_at_ns = now_ns + sender->resend_ns;
	sender->resends++;
	return true;
}

bool v1_sender_acknowledge(struct v1_sender *sender, const void *bytes, size_t size)
{
	uint32_t sequence;

	if (!v1_decode_ack(bytes, size, &sequence))
		return false;
	if (!sender->outstanding || (sequence != 0 && sequence != sender->sequence)) {
		sender->stale_acks++;
		return false;
	}
	sender->outstanding = false;
	sender->sequence = sender->sequence == V1_SEQUENCE_MAX ? 1 : sender->sequence + 1;
	return true;
}
