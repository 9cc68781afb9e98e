/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_JOURNAL_PRIVATE_H
#define AGENT_JOURNAL_PRIVATE_H

/* What agent/journal.c shares with agent/journal_past.c: how the memory is laid out. */

#include "agent/journal.h"
#include "netlambda/event.h"

#include <stdatomic.h>
#include <string.h>

#define JOURNAL_MAGIC        0x6c616e72756f6a6eULL /* "njournal", in memory */
#define JOURNAL_VERSION      1
#define JOURNAL_SEQUENCE_MAX (1ULL << 62)
#define JOURNAL_LINE         64 /* of a cache */

typedef atomic_uint_fast64_t word;

/* ---- what lies in the memory; a change takes a new JOURNAL_VERSION ---- */

struct place {
	uint64_t sequence;
	uint32_t kind;
	uint32_t unused;
};

struct lane_words {
	uint32_t record_bytes;
	/* The producer's. */
	_Alignas(JOURNAL_LINE) word head; /* elements that ever came in */
	word base; /* which of them lies first; changes only while there is none */
	word shed_end;
	/* The consumer's. */
	_Alignas(JOURNAL_LINE) word tail; /* elements below are free; `processed` is what says so */
	word processed;
	word sent;
};

struct incarnation {
	uint64_t boot;
	uint64_t origin[V2_LANES_ACKED];
	word epoch;
	word update_sequence;
};

struct header {
	word magic; /* written last */
	uint32_t version;
	uint32_t capacity;
	uint64_t layout, owner, identity;
	word current; /* which incarnation: the other one may be half written */
	struct incarnation incarnations[2];
	struct lane_words lanes[V2_LANES_ACKED];
};

_Static_assert(sizeof(word) == 8, "two processes, one layout");
_Static_assert(sizeof(struct place) == 16, "likewise");
_Static_assert(sizeof(struct incarnation) == 48, "likewise");
_Static_assert(sizeof(struct header) == 192 + 192 * V2_LANES_ACKED, "likewise");

/* Behind the header: for each lane its places, and then its records. */

struct lane {
	struct lane_words *words;
	struct place *places;
	uint8_t *records;
	uint64_t mask;
	uint32_t record_bytes;
	/* The producer's. */
	_Alignas(JOURNAL_LINE) uint64_t next; /* the next event's sequence */
	uint64_t end; /* of the last element; [end, next) is shed, and in no element yet */
	/* The consumer's. */
	_Alignas(JOURNAL_LINE) uint64_t cursor; /* elements below were taken */
	uint64_t taken;                         /* sequences likewise */
	uint64_t origin;
};

struct journal {
	struct header *header;
	void *own; /* the memory, if it is not borrowed */
	size_t bytes;
	struct lane lanes[V2_LANES_ACKED];
};

static inline uint64_t get(const word *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static inline void set(word *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

static inline struct incarnation *incarnation_of(const struct journal *journal)
{
	return &journal->header->incarnations[get(&journal->header->current)];
}

/* ---- elements ---- */

static inline uint64_t position(const struct lane *lane, uint64_t element)
{
	return (element - atomic_load_explicit(&lane->words->base, memory_order_relaxed)) &
	       lane->mask;
}

static inline struct place *place_at(const struct lane *lane, uint64_t element)
{
	return &lane->places[position(lane, element)];
}

static inline void *record_at(const struct lane *lane, uint64_t element)
{
	return lane->records + position(lane, element) * lane->record_bytes;
}

/* The first sequence behind it. */
static inline uint64_t end_of(const struct lane *lane, uint64_t element)
{
	const struct place *place = place_at(lane, element);
	uint64_t count = 1;

	if (place->kind == JOURNAL_RANGE)
		memcpy(&count, record_at(lane, element), sizeof(count));
	return place->sequence + count;
}

/* ---- agent/journal.c ---- */

extern const uint32_t journal_record_bytes[V2_LANES_ACKED];

/* Where all is, when the header is known to be right. 0 or -ENOMEM. */
int journal_attach(void *memory, size_t bytes, struct journal **ret_journal) _must_check_;
/* Frees what ends at a sequence or before, as far as it was taken. */
void journal_free_places(struct lane *lane, uint64_t before, uint64_t counts[static JOURNAL_KINDS]);

#endif
