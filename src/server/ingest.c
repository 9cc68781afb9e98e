// SPDX-License-Identifier: BSD-2-Clause
#include "server/ingest.h"

#include "base/log.h"
#include "server/agents.h"

#include <stdlib.h>
#include <string.h>

/* Of one datagram; records as functions see them. */
struct records {
	uint32_t event_id;
	size_t count;
	uint8_t bytes[V1_EVENTS_MAX][sizeof(((struct v1_event *)NULL)->record)];
};

/* One datagram on its way through, so that the steps share what they know of it. */
struct arrival {
	struct switch_ *sw;
	uint32_t sequence;
	uint64_t digest;
	uint64_t now_ns;
	bool acknowledged;
	uint16_t position; /* of the next event in its transaction */
};

static void refuse(struct ingest *ingest, enum v1_error error, const struct endpoint *from)
{
	char text[ENDPOINT_TEXT_MAX];

	ingest->counters.malformed[error]++;
	log_limited(LOG_LEVEL_WARNING, "malformed datagram refused cause=%s from=%s",
		v1_error_name(error), endpoint_render(from, text));
}

static void acknowledge(struct ingest *ingest, const struct endpoint *to, uint32_t sequence)
{
	uint8_t bytes[V1_ACK_BYTES];
	size_t size = v1_encode_ack(sequence, bytes);

	ingest->counters.acks++;
	ingest->reply(ingest->user, to, bytes, size);
}

static struct switch_ *switch_of(struct stream *stream)
{
	return container_of(stream, struct switch_, stream);
}

/* All events are processed: the answer that it waits for. */
static void transaction_finish(struct ingest *ingest, struct switch_ *sw)
{
	v1_receiver_commit(&sw->receiver);
	/* The receiver knows resends of it. What else looks like an old one is a new sender's. */
	stream_forget(&sw->stream);
	acknowledge(ingest, &sw->transaction.reply_to, sw->transaction.sequence);
}

void ingest_processed(struct ingest *ingest, struct stream *stream)
{
	struct switch_ *sw = switch_of(stream);

	if (sw->receiver.pending && stream->processed == sw->transaction.event_count)
		transaction_finish(ingest, sw);
}

/* ---- routing ---- */

static void offer_acknowledged(
	struct ingest *ingest, const struct arrival *arrival, const struct event_run *run)
{
	if (!stream_offer(&arrival->sw->stream, ingest->units, run, arrival->position))
		ingest->counters.unrouted += run->count;
}

static void offer_unacknowledged(
	struct ingest *ingest, const struct arrival *arrival, const struct event_run *run)
{
	const struct units *units = ingest->units;
	bool routed = false;

	for (size_t i = 0; i < units->trigger_count; i++) {
		const struct unit *unit = &units->units[units->triggers[i].function];
		size_t shed = run->count;

		if (units->triggers[i].event_id != run->event_id)
			continue;
		routed = true;
		if (unit_is_live(unit))
			shed -= function_push(unit->function, run);
		arrival->sw->counters.shed += shed;
		ingest->counters.shed += shed;
	}
	if (!routed)
		ingest->counters.unrouted += run->count;
}

static void note_interfaces(struct switch_ *sw, const struct records *records)
{
	for (size_t i = 0; i < records->count && records->event_id == EVENT_INTERFACE; i++) {
		struct interface_event event;

		memcpy(&event, records->bytes[i], sizeof(event));
		interface_table_note(&sw->interfaces, &event);
	}
}

static void offer(struct ingest *ingest, struct arrival *arrival, struct records *records)
{
	const struct event_run run = {
		.event_id = records->event_id,
		.switch_id = arrival->sw->id,
		.sequence = arrival->sequence,
		.index = arrival->position,
		.time_ns = arrival->now_ns,
		.records = records->bytes,
		.stride = sizeof(records->bytes[0]),
		.count = records->count,
		.droppable = !arrival->acknowledged,
	};

	if (records->count == 0)
		return;
	note_interfaces(arrival->sw, records);
	if (arrival->acknowledged)
		offer_acknowledged(ingest, arrival, &run);
	else
		offer_unacknowledged(ingest, arrival, &run);
	arrival->position = (uint16_t)(arrival->position + records->count);
	records->count = 0;
}

/* Neighbours of one kind go together. */
static void route_events(
	struct ingest *ingest, struct arrival *arrival, struct v1_transaction transaction)
{
	struct records records;
	struct v1_event event;

	records.count = 0;
	while (v1_next_event(&transaction, &event)) {
		if (records.count > 0 && records.event_id != event.event_id)
			offer(ingest, arrival, &records);
		records.event_id = event.event_id;
		memcpy(records.bytes[records.count++], &event.record, sizeof(event.record));
	}
	offer(ingest, arrival, &records);
}

static void count_transaction(
	struct ingest *ingest, struct switch_ *sw, const struct v1_transaction *transaction)
{
	sw->counters.transactions++;
	sw->counters.events += transaction->event_count;
	ingest->counters.events[transaction->wants_ack] += transaction->event_count;
}

/*
 * A new acknowledged transaction, or one that a queue had no room for. What a switch sends while one of
 * its transactions is still with functions has to wait, also if that one will never be acknowledged.
 */
static void begin_transaction(struct ingest *ingest, struct arrival *arrival,
	const struct v1_transaction *decoded, const struct endpoint *from)
{
	const uint64_t incarnation[2] = {arrival->sequence, arrival->digest};
	struct switch_ *sw = arrival->sw;
	struct stream *stream = &sw->stream;
	bool again = stream_is(stream, incarnation);

	if (!again && !stream_is_idle(stream)) {
		ingest->counters.pending_resends++;
		return;
	}
	if (!again) {
		count_transaction(ingest, sw, decoded);
		stream_begin(stream, incarnation, 0);
	}
	sw->transaction = (struct transaction){
		.sequence = arrival->sequence,
		.digest = arrival->digest,
		.event_count = decoded->event_count,
		.reply_to = *from,
	};
	v1_receiver_begin(&sw->receiver, arrival->sequence, arrival->digest);
	route_events(ingest, arrival, *decoded);
	if (stream->next < decoded->event_count) {
		ingest->counters.put_off++;
		sw->counters.refused++;
		v1_receiver_abandon(&sw->receiver);
		return;
	}
	/* What is not with anybody is done. */
	stream_advance(stream);
	if (stream_is_idle(stream))
		stream->processed = stream->base;
	ingest_processed(ingest, stream);
}

/* The switch asks again for what is being processed; it may have moved meanwhile. */
static void note_resend(
	struct ingest *ingest, const struct arrival *arrival, const struct endpoint *from)
{
	struct transaction *transaction = &arrival->sw->transaction;

	ingest->counters.pending_resends++;
	if (transaction->sequence == arrival->sequence && transaction->digest == arrival->digest)
		transaction->reply_to = *from;
}

static void receive_acknowledged(struct ingest *ingest, struct arrival *arrival,
	const struct v1_transaction *decoded, const struct endpoint *from)
{
	switch (v1_receiver_check(&arrival->sw->receiver, arrival->sequence, arrival->digest)) {
	case V1_NEW:
		begin_transaction(ingest, arrival, decoded, from);
		break;
	case V1_PENDING:
		note_resend(ingest, arrival, from);
		break;
	case V1_DUPLICATE:
		acknowledge(ingest, from, arrival->sequence);
		break;
	case V1_STALE:
		break;
	}
}

/* Why a switch is not to be believed in the clear; NULL: it is. */
static const char *find_objection(const struct ingest *ingest, uint32_t id)
{
	if (ingest->allowed_count > 0)
		return bsearch(&id, ingest->allowed, ingest->allowed_count, sizeof(id),
			       config_compare_ids)
			       ? NULL
			       : "it is not in version1_switches";
	return ingest->agents && agents_have_met(ingest->agents, id)
		       ? "it has spoken version 2, and version1_switches does not name it"
		       : NULL;
}

/* NULL: it is not to be listened to. */
static struct switch_ *find_switch(struct ingest *ingest, uint32_t id, uint64_t now_ns)
{
	const char *objection = find_objection(ingest, id);
	struct switch_ *sw;

	if (objection) {
		ingest->counters.foreign_switches++;
		log_limited(LOG_LEVEL_WARNING, "datagram refused switch=%u: %s", id, objection);
		return NULL;
	}
	sw = switches_get(ingest->switches, id, now_ns);
	if (sw)
		return sw;
	ingest->counters.too_many_switches++;
	log_limited(LOG_LEVEL_WARNING,
		"datagram refused switch=%u: there are switches_max others already", id);
	return NULL;
}

void ingest_datagram(struct ingest *ingest, const struct endpoint *from, const void *bytes,
	size_t size, uint64_t now_ns)
{
	struct v1_transaction transaction;
	struct arrival arrival = {.now_ns = now_ns};
	enum v1_error error;

	ingest->counters.datagrams++;
	ingest->counters.bytes += size;
	error = v1_decode(bytes, size, &transaction);
	if (error != V1_OK) {
		refuse(ingest, error, from);
		return;
	}
	arrival.sw = find_switch(ingest, transaction.switch_id, now_ns);
	if (!arrival.sw)
		return;
	if (arrival.sw->first_seen_ns == 0)
		arrival.sw->first_seen_ns = now_ns;
	arrival.sw->last_seen_ns = now_ns;
	arrival.sw->address = *from;
	arrival.sw->counters.datagrams++;
	arrival.sequence = transaction.sequence;
	arrival.acknowledged = transaction.wants_ack;
	if (transaction.wants_ack) {
		arrival.digest = v1_digest(bytes, size);
		receive_acknowledged(ingest, &arrival, &transaction, from);
	} else {
		count_transaction(ingest, arrival.sw, &transaction);
		route_events(ingest, &arrival, transaction);
	}
}

void ingest_drop(
	struct ingest *ingest, size_t slot, const struct finished_event *event, bool replaced)
{
	struct stream *stream = event->origin;
	struct switch_ *sw;

	if (!stream)
		return;
	sw = switch_of(stream);
	stream_drop(stream, slot, event->position, replaced);
	if (!replaced)
		stream_advance(stream);
	else if (sw->receiver.pending)
		v1_receiver_abandon(&sw->receiver); /* it will be sent again */
	if (stream_is_idle(stream))
		stream->processed = stream->base;
	ingest_processed(ingest, stream);
}

void ingest_forget_unit(struct ingest *ingest, size_t slot)
{
	for (size_t i = 0; i < switches_count(ingest->switches); i++)
		stream_forget_unit(&switches_at(ingest->switches, i)->stream, slot);
}
