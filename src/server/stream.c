// SPDX-License-Identifier: BSD-2-Clause
#include "server/stream.h"

#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stream_init(struct stream *stream, uint64_t id, size_t window)
{
	size_t size = 2;

	while (size < window)
		size *= 2;
	*stream = (struct stream){.id = id, .window = size, .waits = calloc(size, 1)};
	return stream->waits ? 0 : -ENOMEM;
}

void stream_done(struct stream *stream)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		progress_free(stream->progress[i]);
	free(stream->waits);
	free(stream->gaps);
	*stream = (struct stream){0};
}

/* Where the slot's unit is; NULL: no memory. One that is new begins with what is offered now. */
static struct progress *progress_at(
	struct stream *stream, const struct units *units, size_t slot, uint64_t position)
{
	const struct division *division = units->units[slot].division;
	struct progress *progress = stream->progress[slot];

	if (progress)
		return progress_rekey(progress, division) < 0 ? NULL : progress;
	progress = progress_new(division, stream->id, stream->incarnation);
	if (progress)
		progress->pushed = position;
	stream->progress[slot] = progress;
	return progress;
}

int stream_restore(struct stream *stream, struct units *units, size_t slot, const struct mark *mark)
{
	const struct division *division = divisions_get(&units->divisions, mark->key);
	struct progress *progress = progress_at(stream, units, slot, stream->next);
	const uint64_t none[2] = {0};

	if (!division || !progress)
		return -ENOMEM;
	/* Of version 1 it may not be known yet what comes. */
	if (stream_is(stream, none) || stream_is(stream, mark->incarnation))
		return progress_restore(progress, division, mark);
	return 0;
}

void stream_begin(struct stream *stream, const uint64_t incarnation[static 2], uint64_t position)
{
	memcpy(stream->incarnation, incarnation, sizeof(stream->incarnation));
	stream->processed = stream->base = stream->next = stream->told = position;
	stream->gap_head = stream->gap_count = stream->gap_passed = 0;
	stream->declared = position;
	memset(stream->waits, 0, stream->window);
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (stream->progress[i])
			progress_begin(stream->progress[i], incarnation, position);
}

void stream_forget(struct stream *stream)
{
	static const uint64_t none[2] = {0, 0};

	stream_begin(stream, none, 0);
}

bool stream_is_idle(const struct stream *stream)
{
	if (stream->committing > 0)
		return false;
	for (size_t i = 0; i < stream->window; i++)
		if (stream->waits[i] != 0)
			return false;
	return true;
}

/* ---- giving events to units ---- */

static bool unit_takes(const struct units *units, size_t slot, uint32_t event_id)
{
	for (size_t i = 0; i < units->trigger_count; i++)
		if (units->triggers[i].event_id == event_id && units->triggers[i].function == slot)
			return true;
	return false;
}

/* The part of a run from `position` on, as far as the ring of counters goes. */
static struct event_run run_part(struct stream *stream, const struct progress *progress,
	const struct event_run *run, size_t skip)
{
	uint64_t position = progress->pushed;
	size_t place = position & (stream->window - 1);
	struct event_run part = *run;

	part.count = MIN(run->count - skip, stream->window - place);
	part.records = (const uint8_t *)run->records + skip * run->stride;
	if (run->epoch == 0)
		part.index = (uint16_t)position;
	else
		part.sequence = position;
	part.origin = stream;
	part.done = progress->mark.positions;
	part.waits = stream->waits + place;
	part.droppable = stream->once;
	return part;
}

/* What the unit has not had yet of a run that begins at `position`. */
static void give(struct stream *stream, struct function *function, struct progress *progress,
	const struct event_run *run, uint64_t position)
{
	while (progress->pushed < position + run->count) {
		struct event_run part =
			run_part(stream, progress, run, (size_t)(progress->pushed - position));
		bool done;
		size_t taken;

		part.count = progress_same(progress, &part, &done);
		taken = done ? part.count : function_push(function, &part);
		progress->pushed += taken;
		if (taken < part.count)
			return;
	}
}

/* What a unit has no room for it does not get. */
static void give_once(struct stream *stream, const struct unit *unit, const struct event_run *run,
	uint64_t position)
{
	struct progress all = {.pushed = position};

	if (unit_is_live(unit))
		give(stream, unit->function, &all, run, position);
	stream->shed += position + run->count - all.pushed;
}

static bool offer_once(
	struct stream *stream, struct units *units, const struct event_run *run, uint64_t position)
{
	bool routed = false;

	for (size_t slot = 0; slot < UNITS_MAX; slot++) {
		const struct unit *unit = &units->units[slot];

		if (!unit_is_there(unit) || !unit_takes(units, slot, run->event_id))
			continue;
		give_once(stream, unit, run, position);
		routed = true;
	}
	stream->next = position + run->count;
	return routed;
}

bool stream_offer(
	struct stream *stream, struct units *units, const struct event_run *run, uint64_t position)
{
	uint64_t end = position + run->count, next = end;
	bool routed = false;

	if (stream->once)
		return offer_once(stream, units, run, position);
	for (size_t slot = 0; slot < UNITS_MAX; slot++) {
		const struct unit *unit = &units->units[slot];
		bool takes = unit_is_there(unit) && unit_takes(units, slot, run->event_id);
		struct progress *progress =
			takes ? progress_at(stream, units, slot, position) : stream->progress[slot];

		routed = routed || takes;
		if (!takes && !progress)
			continue;
		if (!progress) { /* no memory: as one that has no room */
			next = MIN(next, position);
			continue;
		}
		/* One that is behind would get them out of order. */
		if (!takes && progress->pushed >= position)
			progress->pushed = MAX(progress->pushed, end);
		else if (takes && progress->pushed >= position && unit_is_live(unit))
			give(stream, unit->function, progress, run, position);
		next = MIN(next, progress->pushed);
	}
	stream->next = MAX(stream->next, next);
	return routed;
}

/* ---- gaps ---- */

/* What all units pass over. */
static void skip_to(struct stream *stream, uint64_t end)
{
	for (size_t slot = 0; slot < UNITS_MAX; slot++)
		if (stream->progress[slot] && stream->progress[slot]->pushed >= stream->next)
			stream->progress[slot]->pushed = MAX(stream->progress[slot]->pushed, end);
	stream->next = end;
}

static void forget_processed_gaps(struct stream *stream)
{
	while (stream->gap_count > 0 && stream->gaps[stream->gap_head].to <= stream->processed) {
		stream->gap_head++;
		stream->gap_count--;
		stream->gap_passed -= stream->gap_passed > 0;
	}
}

int stream_reserve_gap(struct stream *stream)
{
	struct gap *gaps;
	size_t room;

	forget_processed_gaps(stream);
	room = MAX(2 * stream->gap_count, (size_t)8);
	if (stream->gap_count == STREAM_GAPS_MAX)
		return -ENOBUFS;
	if (stream->gap_head + stream->gap_count < stream->gap_room)
		return 0;
	/* So that each is moved but once or twice while it is there. */
	if (room > stream->gap_room) {
		gaps = reallocarray(stream->gaps, room, sizeof(*gaps));
		if (!gaps)
			return -ENOMEM;
		stream->gaps = gaps;
		stream->gap_room = room;
	}
	memmove(stream->gaps, stream->gaps + stream->gap_head,
		stream->gap_count * sizeof(stream->gaps[0]));
	stream->gap_head = 0;
	return 0;
}

bool stream_skip_known(struct stream *stream)
{
	const struct gap *gaps;
	size_t low = 0, high = stream->gap_count;

	if (high == 0)
		return false;
	gaps = stream->gaps + stream->gap_head;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gaps[middle].from < stream->next)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == stream->gap_count || gaps[low].from != stream->next)
		return false;
	skip_to(stream, gaps[low].to);
	return true;
}

void stream_skip(struct stream *stream, uint64_t count, bool declared)
{
	uint64_t end = stream->next + count;
	struct gap *gap = stream->gaps + stream->gap_head + stream->gap_count;

	if (stream->gap_count > 0 && gap[-1].to == stream->next) {
		gap[-1].to = end;
		stream->gap_passed = MIN(stream->gap_passed, stream->gap_count - 1);
	} else {
		*gap = (struct gap){stream->next, end};
		stream->gap_count++;
	}
	if (declared)
		stream_declare(stream, end);
	skip_to(stream, end);
}

void stream_declare(struct stream *stream, uint64_t position)
{
	stream->declared = MAX(stream->declared, position);
}

/* The gap that `base` is in or in front of; NULL: there is none. */
static const struct gap *find_gap(struct stream *stream)
{
	for (; stream->gap_passed < stream->gap_count; stream->gap_passed++) {
		const struct gap *gap = &stream->gaps[stream->gap_head + stream->gap_passed];

		if (gap->to > stream->base)
			return gap;
	}
	return NULL;
}

/* True if there was one to pass. */
static bool pass_gap(struct stream *stream)
{
	const struct gap *gap = find_gap(stream);

	if (!gap || gap->from > stream->base || stream->declared <= stream->base)
		return false;
	stream->base = MIN(gap->to, stream->declared);
	return true;
}

/* ---- what becomes of them ---- */

void stream_decide(struct stream *stream, uint64_t position)
{
	stream->waits[position & (stream->window - 1)]--;
}

void stream_undecide(struct stream *stream, uint64_t position)
{
	stream->waits[position & (stream->window - 1)]++;
	if (position >= stream->base)
		return;
	stream->base = position;
	stream->gap_passed = 0;
}

void stream_advance(struct stream *stream)
{
	do {
		const struct gap *gap = find_gap(stream);
		/* A unit that is to have some of it again may be behind a gap. */
		uint64_t end = gap ? MIN(gap->from, stream->next) : stream->next;

		while (stream->base < end &&
			stream->waits[stream->base & (stream->window - 1)] == 0)
			stream->base++;
	} while (stream->base < stream->next && pass_gap(stream));
}

void stream_drop(struct stream *stream, size_t slot, uint64_t position, bool again)
{
	struct progress *progress = stream->progress[slot];

	stream_decide(stream, position);
	if (!again)
		return;
	progress->pushed = MIN(progress->pushed, position);
	stream->next = MIN(stream->next, position);
}

struct mark stream_mark(struct stream *stream, size_t slot)
{
	/* Version 1 keeps no mark of what is processed: all of a transaction may come again. */
	if (stream->epoch != 0)
		progress_pass(stream->progress[slot], stream->processed);
	return progress_mark(stream->progress[slot]);
}

void stream_forget_unit(struct stream *stream, size_t slot)
{
	progress_free(stream->progress[slot]);
	stream->progress[slot] = NULL;
}
