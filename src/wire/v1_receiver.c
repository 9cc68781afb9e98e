// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v1.h"

#include <assert.h>

static uint32_t sequence_next(uint32_t sequence)
{
	return sequence == V1_SEQUENCE_MAX ? 1 : sequence + 1;
}

/* True if `a` comes before `b` on the circle of sequences (as RFC 1982 has it). */
static bool sequence_before(uint32_t a, uint32_t b)
{
	uint32_t distance = (b + V1_SEQUENCE_MAX - a) % V1_SEQUENCE_MAX;

	return distance != 0 && distance <= V1_SEQUENCE_MAX / 2;
}

static bool is_newest(const struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	return receiver->known > 0 && receiver->history[receiver->newest].sequence == sequence &&
	       receiver->history[receiver->newest].digest == digest;
}

static bool in_history(const struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	for (unsigned int i = 0; i < receiver->known; i++)
		if (receiver->history[i].sequence == sequence &&
			receiver->history[i].digest == digest)
			return true;
	return false;
}

/*
 * The next sequence is new whatever history says: a restarted agent may repeat, byte for byte, what
 * the agent before it sent under this sequence.
 */
static bool is_stale(const struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	uint32_t newest = receiver->history[receiver->newest].sequence;

	if (receiver->known == 0 || sequence == sequence_next(newest))
		return false;
	if (in_history(receiver, sequence, digest))
		return true;
	if (sequence == 1)
		return receiver->has_first && receiver->first_digest == digest;
	return sequence_before(sequence, newest);
}

/* False once the same one has come so often that somebody must be waiting for its answer. */
static bool stale_is_patient(struct v1_receiver *receiver, uint64_t digest)
{
	if (receiver->stale_repeats == 0 || receiver->stale_digest != digest) {
		receiver->stale_digest = digest;
		receiver->stale_repeats = 0;
	}
	return ++receiver->stale_repeats < V1_STALE_PATIENCE;
}

enum v1_verdict v1_receiver_check(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	if (receiver->pending) {
		if (receiver->pending_sequence == sequence && receiver->pending_digest == digest)
			receiver->duplicates++;
		return V1_PENDING;
	}
	if (is_newest(receiver, sequence, digest)) {
		receiver->duplicates++;
		return V1_DUPLICATE;
	}
	if (is_stale(receiver, sequence, digest) && stale_is_patient(receiver, digest)) {
		receiver->stale++;
		return V1_STALE;
	}
	return V1_NEW;
}

void v1_receiver_begin(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	uint32_t newest = receiver->history[receiver->newest].sequence;

	assert(!receiver->pending);
	if (receiver->known > 0 && sequence != sequence_next(newest)) {
		if (sequence == 1)
			receiver->restarts++;
		else
			receiver->jumps++;
	}
	receiver->pending = true;
	receiver->pending_sequence = sequence;
	receiver->pending_digest = digest;
	receiver->stale_repeats = 0;
}

static void history_push(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	if (receiver->known > 0)
		receiver->newest = (receiver->newest + 1) % V1_HISTORY;
	if (receiver->known < V1_HISTORY)
		receiver->known++;
	receiver->history[receiver->newest].sequence = sequence;
	receiver->history[receiver->newest].digest = digest;
	if (sequence == 1) {
		receiver->has_first = true;
		receiver->first_digest = digest;
	}
}

void v1_receiver_commit(struct v1_receiver *receiver)
{
	assert(receiver->pending);
	receiver->pending = false;
	history_push(receiver, receiver->pending_sequence, receiver->pending_digest);
}

void v1_receiver_abandon(struct v1_receiver *receiver)
{
	receiver->pending = false;
}

void v1_receiver_restore(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	history_push(receiver, sequence, digest);
}
