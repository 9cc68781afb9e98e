// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_seal.h"

#include "wire/v2.h"

static uint8_t null_phase(void *user _unused_, uint64_t packet _unused_)
{
	return 0;
}

static int null_seal(void *user _unused_, uint64_t packet _unused_, const uint8_t *header _unused_,
	uint8_t *text, size_t size)
{
	memset(text + size, 0, V2_TAG_BYTES);
	return 0;
}

static int null_open(void *user _unused_, uint8_t phase _unused_, uint64_t packet _unused_,
	const uint8_t *header _unused_, uint8_t *text _unused_, size_t size _unused_)
{
	return 0;
}

const struct v2_seal v2_seal_null = {.phase = null_phase, .seal = null_seal, .open = null_open};

bool v2_phase_find(const struct v2_phases *phases, uint8_t phase, uint64_t *ret_generation)
{
	switch ((phase - phases->generation) & 3) {
	case 0:
		*ret_generation = phases->generation;
		return true;
	case 1:
		*ret_generation = phases->generation + 1;
		return true;
	case 3:
		*ret_generation = phases->generation - 1;
		return phases->generation > 0;
	default:
		return false;
	}
}

void v2_phase_held(struct v2_phases *phases, uint64_t generation)
{
	phases->generation = MAX(phases->generation, generation);
}

#define WORDS (V2_REPLAY_WINDOW / 64)

enum v2_replay_verdict v2_replay_check(const struct v2_replay *replay, uint64_t packet)
{
	if (packet >= replay->next)
		return V2_REPLAY_FRESH;
	/* One word is always being cleared for what is next, so the window is that much shorter. */
	if (replay->next - packet > V2_REPLAY_WINDOW - 64)
		return V2_REPLAY_OLD;
	return replay->bitmap[packet / 64 % WORDS] >> packet % 64 & 1 ? V2_REPLAY_SEEN
								      : V2_REPLAY_FRESH;
}

void v2_replay_mark(struct v2_replay *replay, uint64_t packet)
{
	if (packet >= replay->next) {
		/* Words after the one that holds the highest number so far are stale. */
		uint64_t from = replay->next == 0 ? 0 : (replay->next - 1) / 64 + 1;
		uint64_t to = packet / 64;

		if (to >= from && to - from >= WORDS)
			from = to - WORDS + 1;
		for (; from <= to; from++)
			replay->bitmap[from % WORDS] = 0;
		replay->next = packet + 1;
	}
	replay->bitmap[packet / 64 % WORDS] |= 1ULL << packet % 64;
}
