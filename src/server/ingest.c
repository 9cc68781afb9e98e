// SPDX-License-Identifier: BSD-2-Clause
#include "server/ingest.h"

#include "base/log.h"

#include <string.h>

/* One datagram on its way through, so that the steps share what they know of it. */
struct arrival {
	struct switch_ *sw;
	uint32_t sequence;
	uint64_t digest;
	uint64_t now_ns;
	struct transaction *transaction; /* NULL: no acknowledgement is wanted */
	uint64_t refusing;               /* bit = slot: it refused an event of this transaction */
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

static void transaction_finish(struct ingest *ingest, struct transaction *transaction)
{
	struct switch_ *sw = transaction->owner;

	if (transaction->refused) {
		ingest->counters.put_off++;
		sw->counters.refused++;
		v1_receiver_abandon(&sw->receiver);
		return;
	}
	v1_receiver_commit(&sw->receiver);
	/* The receiver knows resends of it. What else looks like an old one is a new sender's. */
	memset(sw->marks, 0, sizeof(sw->marks));
	acknowledge(ingest, &transaction->reply_to, transaction->sequence);
}

/* Whether the unit had this event before: a resent transaction after a restart or a refusal. */
static bool is_marked(const struct arrival *arrival, size_t slot, uint16_t index)
{
	const struct mark *mark = &arrival->sw->marks[slot];

	return arrival->transaction && mark->sequence == arrival->sequence &&
	       mark->digest == arrival->digest && index < mark->done;
}

/* An event that a unit cannot take now. Later events must not overtake it on the next attempt. */
static void put_off(struct ingest *ingest, struct arrival *arrival, size_t slot)
{
	if (arrival->transaction) {
		arrival->refusing |= 1ULL << slot;
		arrival->transaction->refused = true;
	} else {
		arrival->sw->counters.shed++;
		ingest->counters.shed++;
	}
}

static void push_to_unit(
	struct ingest *ingest, struct arrival *arrival, size_t slot, const struct event_ref *event)
{
	struct unit *unit = &ingest->units->units[slot];

	if (is_marked(arrival, slot, event->index))
		return;
	if (arrival->refusing & 1ULL << slot || !unit_is_live(unit) ||
		function_push(unit->function, event) < 0) {
		put_off(ingest, arrival, slot);
		return;
	}
	if (arrival->transaction) {
		arrival->transaction->pending[slot]++;
		arrival->transaction->outstanding++;
	}
}

static void route(struct ingest *ingest, struct arrival *arrival, const struct event_ref *event)
{
	const struct units *units = ingest->units;
	bool routed = false;

	for (size_t i = 0; i < units->trigger_count; i++) {
		if (units->triggers[i].event_id != event->event_id)
			continue;
		push_to_unit(ingest, arrival, units->triggers[i].function, event);
		routed = true;
	}
	ingest->counters.unrouted += !routed;
}

static void route_events(
	struct ingest *ingest, struct arrival *arrival, struct v1_transaction transaction)
{
	struct v1_event event;

	for (uint16_t index = 0; v1_next_event(&transaction, &event); index++) {
		const struct event_ref ref = {
			.event_id = event.event_id,
			.switch_id = arrival->sw->id,
			.sequence = arrival->sequence,
			.index = index,
			.time_ns = arrival->now_ns,
			.record = &event.record,
			.origin = arrival->transaction,
		};

		if (event.event_id == EVENT_INTERFACE)
			switch_note_interface(arrival->sw, &event.record.interface);
		route(ingest, arrival, &ref);
	}
}

static void count_transaction(
	struct ingest *ingest, struct switch_ *sw, const struct v1_transaction *transaction)
{
	sw->counters.transactions++;
	sw->counters.events += transaction->event_count;
	ingest->counters.events[transaction->wants_ack] += transaction->event_count;
}

/* A new acknowledged transaction, or one that a queue refused before. */
static void begin_transaction(struct ingest *ingest, struct arrival *arrival,
	const struct v1_transaction *decoded, const struct endpoint *from)
{
	struct switch_ *sw = arrival->sw;
	struct transaction *transaction = &sw->transaction;
	bool again = transaction->refused && transaction->sequence == arrival->sequence &&
		     transaction->digest == arrival->digest;

	if (!again)
		count_transaction(ingest, sw, decoded);
	*transaction = (struct transaction){
		.owner = sw,
		.sequence = arrival->sequence,
		.digest = arrival->digest,
		.reply_to = *from,
	};
	arrival->transaction = transaction;
	v1_receiver_begin(&sw->receiver, arrival->sequence, arrival->digest);
	route_events(ingest, arrival, *decoded);
	if (transaction->outstanding == 0)
		transaction_finish(ingest, transaction);
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
	arrival.sw = switches_get(ingest->switches, transaction.switch_id);
	if (!arrival.sw) {
		ingest->counters.too_many_switches++;
		log_limited(LOG_LEVEL_WARNING,
			"datagram refused switch=%u: there are switches_max others already",
			transaction.switch_id);
		return;
	}
	if (arrival.sw->first_seen_ns == 0)
		arrival.sw->first_seen_ns = now_ns;
	arrival.sw->last_seen_ns = now_ns;
	arrival.sw->address = *from;
	arrival.sw->counters.datagrams++;
	arrival.sequence = transaction.sequence;
	if (transaction.wants_ack) {
		arrival.digest = v1_digest(bytes, size);
		receive_acknowledged(ingest, &arrival, &transaction, from);
	} else {
		count_transaction(ingest, arrival.sw, &transaction);
		route_events(ingest, &arrival, transaction);
	}
}

void ingest_committed(struct ingest *ingest, struct transaction *transaction, size_t slot)
{
	transaction->pending[slot]--;
	if (--transaction->outstanding == 0)
		transaction_finish(ingest, transaction);
}

void ingest_forget_unit(struct ingest *ingest, size_t slot, bool replaced)
{
	for (size_t i = 0; i < switches_count(ingest->switches); i++) {
		struct switch_ *sw = switches_at(ingest->switches, i);
		struct transaction *transaction = &sw->transaction;
		uint32_t pending = transaction->pending[slot];

		if (!replaced)
			sw->marks[slot] = (struct mark){0};
		if (pending == 0)
			continue;
		transaction->pending[slot] = 0;
		transaction->refused = true;
		transaction->outstanding -= pending;
		if (transaction->outstanding == 0)
			transaction_finish(ingest, transaction);
	}
}
