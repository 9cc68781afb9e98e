// SPDX-License-Identifier: BSD-2-Clause
#include "agent/drain.h"

/* By the phase, which is the commit. */
static void step(struct drain_state *state, enum drain_phase phase, unsigned int table)
{
	__atomic_store_n(&state->step, (uint64_t)phase | (uint64_t)table << 8, __ATOMIC_RELEASE);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

enum drain_phase drain_phase(const struct drain_state *state)
{
	const uint64_t phase = state->step & 0xff;

	return phase <= DRAIN_CLEAR ? (enum drain_phase)phase : DRAIN_CLEAR;
}

unsigned int drain_table(const struct drain_state *state)
{
	return state->step >> 8 & 1;
}

void drain_begin(struct drain_state *state, unsigned int table)
{
	set(&state->taken, 0);
	step(state, DRAIN_PAUSED, table);
}

void drain_read(struct drain_state *state, uint64_t journal, uint64_t sequence)
{
	set(&state->base, sequence - state->taken);
	set(&state->journal, journal);
	step(state, DRAIN_READ, drain_table(state));
}

uint64_t drain_taken(const struct drain_state *state, uint64_t sequence)
{
	return sequence - state->base;
}

void drain_pause(struct drain_state *state, uint64_t sequence)
{
	set(&state->taken, drain_taken(state, sequence));
	step(state, DRAIN_PAUSED, drain_table(state));
}

void drain_clear(struct drain_state *state)
{
	step(state, DRAIN_CLEAR, drain_table(state));
}

void drain_end(struct drain_state *state)
{
	step(state, DRAIN_IDLE, 0);
}

bool drain_settle(struct drain_state *state, uint64_t journal, uint64_t sequence)
{
	if (drain_phase(state) != DRAIN_READ)
		return true;
	if (state->journal != journal) {
		drain_clear(state);
		return false;
	}
	drain_pause(state, sequence);
	return true;
}
