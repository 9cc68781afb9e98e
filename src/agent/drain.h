/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_DRAIN_H
#define AGENT_DRAIN_H

/*
 * How far the reading of a quiet table is, kept where it outlives the process, so that each of its records
 * goes into a journal once, at whatever instruction the reader is killed. The table is read as a whole, and
 * cleared when all of it is in:
 *
 *   idle -> paused <-> read -> clear -> idle
 *
 * The journal gives each record a sequence, whether it has room for it or not. So while one reads, so many
 * records were taken as its sequence moved since the beginning: since `base`, which is written before.
 * Before others push into the lane meanwhile, the number is noted: paused. Each step is one store. Nobody
 * writes into the table, so that it has the same order whenever it is read: a hash table of the kernel is
 * read by the bucket, never moves an entry, and changes a bucket only when something is put in or deleted.
 * It is made quiet while paused, which may be done again.
 *
 * One thread.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum drain_phase {
	DRAIN_IDLE,
	DRAIN_PAUSED,
	DRAIN_READ,
	DRAIN_CLEAR,
};

/* Zero to begin with. */
struct drain_state {
	uint64_t step;    /* the phase, and which table */
	uint64_t base;    /* READ: the journal's sequence less what had been taken */
	uint64_t taken;   /* PAUSED */
	uint64_t journal; /* whose sequence it is: its identity */
};

_Static_assert(sizeof(struct drain_state) == 32, "two processes, one layout");

/* A journal's lane. */
struct drain_sequence {
	uint64_t journal; /* its identity; 0: there is none, and nothing outlives the process */
	uint64_t (*next)(void *user); /* moves on by one with each record */
};

enum drain_phase drain_phase(const struct drain_state *state);
/* Which table it is about, unless it is idle: 0 or 1. */
unsigned int drain_table(const struct drain_state *state);

/* IDLE: PAUSED, and nothing is taken of this table. It may be in use yet. */
void drain_begin(struct drain_state *state, unsigned int table);
/* PAUSED, and the table is quiet: READ. */
void drain_read(struct drain_state *state, uint64_t journal, uint64_t sequence);
/* READ: so many records were taken. */
uint64_t drain_taken(const struct drain_state *state, uint64_t sequence);
/* READ: somebody else may push. */
void drain_pause(struct drain_state *state, uint64_t sequence);
/* READ: all was taken. The table is to be emptied. */
void drain_clear(struct drain_state *state);
/* CLEAR: it is. */
void drain_end(struct drain_state *state);

/*
 * What another one left, before anything is pushed. False: how far it was is not known, as its journal is
 * gone; the table is to be cleared.
 */
bool drain_settle(struct drain_state *state, uint64_t journal, uint64_t sequence);

#endif
