// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_updates.h"

void v2_updates_begin(struct v2_updates *updates, uint64_t base)
{
	updates->base = updates->taken = base;
	updates->frames = (struct cursor){0};
}

void v2_updates_offer(struct v2_updates *updates, const uint8_t *text, size_t size)
{
	cursor_read_init(&updates->frames, text, size);
}

/* As if it was events, or a range, of the lane. False: it is none. */
static bool of_lane(const struct v2_frame *frame, struct v2_taken *ret_taken)
{
	if (frame->type == V2_FRAME_EVENTS && frame->events.lane == V2_LANE_UPDATE) {
		*ret_taken = (struct v2_taken){
			.sequence = frame->events.sequence,
			.count = frame->events.count,
			.schema = frame->events.schema,
			.records = frame->events.records,
			.stride = frame->events.record_bytes,
		};
		return true;
	}
	if (frame->type == V2_FRAME_SHED && frame->shed.lane == V2_LANE_UPDATE) {
		*ret_taken = (struct v2_taken){
			.sequence = frame->shed.sequence,
			.count = frame->shed.count,
			.cause = (enum v2_cause)frame->shed.cause,
		};
		return true;
	}
	return false;
}

/* Leaves out what was handed out before. False: that is all of it. */
static bool cut(struct v2_updates *updates, struct v2_taken *taken)
{
	uint64_t known = updates->taken - MIN(updates->taken, taken->sequence);

	known = MIN(known, taken->count);
	if (taken->cause == V2_CAUSE_NONE) {
		updates->late += known;
		taken->records += known * taken->stride;
	}
	taken->sequence += known;
	taken->count -= known;
	return taken->count > 0;
}

static struct v2_taken gap_before(const struct v2_updates *updates, const struct v2_taken *taken)
{
	return (struct v2_taken){
		.sequence = updates->taken,
		.count = taken->sequence - updates->taken,
		.cause = V2_CAUSE_PATH,
	};
}

bool v2_updates_take(
	struct v2_updates *updates, const struct v2_schemas *schemas, struct v2_taken *ret_taken)
{
	while (cursor_left(&updates->frames) > 0) {
		struct cursor before = updates->frames;
		struct v2_frame frame;
		struct v2_taken taken;

		if (v2_next_frame(&updates->frames, schemas, &frame) != V2_OK)
			break;
		if (!of_lane(&frame, &taken) || !cut(updates, &taken))
			continue;
		if (taken.sequence > updates->taken) {
			taken = gap_before(updates, &taken);
			updates->frames = before; /* what follows the gap is next */
			updates->lost += taken.count;
		} else if (taken.cause == V2_CAUSE_NONE) {
			updates->events += taken.count;
		} else {
			updates->shed += taken.count;
		}
		updates->taken += taken.count;
		*ret_taken = taken;
		return true;
	}
	return false;
}

void v2_updates_commit(struct v2_updates *updates, uint64_t before)
{
	updates->base = MAX(updates->base, MIN(before, updates->taken));
}
