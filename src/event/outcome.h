/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_OUTCOME_H
#define EVENT_OUTCOME_H

/*
 * What running a batch of events leads to: state changes, alerts, dead letters, and the marks that
 * say which transactions are done with. The engine fills an outcome, the store makes all of it
 * durable in one database transaction (that is what makes state exactly-once), the server then
 * publishes the alerts and acknowledges. Strings and bytes are borrowed from whoever fills it and
 * live until the commit is reported done.
 */

#include "event/key.h"
#include "event/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alert {
	char id[48];        /* unique and the same again if the batch runs again */
	uint64_t time_ns;   /* of the event that raised it, UNIX epoch */
	uint64_t raised_ns; /* when the server learned of it, UNIX epoch */
	uint32_t switch_id;
	uint32_t event_id;
	const char *severity; /* "critical", "high", "medium", "low", "info" */
	const char *title;    /* the EVE signature */
	const char *category;
	const char *srcip; /* text; NULL where the event has none */
	const char *dstip;
	int srcport; /* -1 where the event has none */
	int dstport;
	int protocol;
	const char *data; /* a JSON object, or NULL */
};

struct dead_letter {
	uint64_t time_ns;
	uint32_t switch_id;
	uint32_t event_id;
	uint32_t epoch; /* of the agent; 0: version 1 */
	uint16_t index; /* version 1: in its transaction; else its lane */
	uint16_t attempts;
	uint64_t sequence; /* version 1: of its transaction */
	const char *reason;
	const char *data; /* the event as JSON */
	const void *record;
	size_t record_size;
};

/*
 * Progress of one function through one stream of acknowledged events: of each partition, all events
 * below a position are committed. What is sent again is thereby known, also after a restart. An
 * incarnation of the stream has positions of its own: those of another say nothing. Partitions are those of a key: a
 * function whose key has changed has a mark by each, until the earlier ones say nothing any more.
 */
struct mark {
	const char *key; /* the names of its fields, joined by "," */
	uint64_t stream;
	uint64_t incarnation[2];
	uint64_t positions[PARTITIONS];
	bool sweep; /* to be committed: marks of this function and stream by other keys go */
};

/* Of version 1: an incarnation is a transaction (sequence, digest), a position a place in it. */
#define STREAM_V1 0xff

static inline uint64_t stream_id(uint32_t switch_id, uint8_t lane)
{
	return (uint64_t)switch_id << 8 | lane;
}

static inline uint32_t stream_switch(uint64_t stream)
{
	return (uint32_t)(stream >> 8);
}

/* A stream whose progress is kept: all below is processed by all functions, or declared lost. */
struct stream_mark {
	uint64_t stream;
	uint64_t epoch;
	uint64_t before;
};

struct outcome {
	const char *function;
	/* By the store: what the function keeps once this is committed. NULL: nobody wants to know. */
	struct state_sum *sum;
	const struct state_row *writes;
	size_t write_count;
	const struct alert *alerts;
	size_t alert_count;
	const struct dead_letter *dead_letters;
	size_t dead_letter_count;
	/* By the store: how many older ones had to leave for them. NULL: nobody wants to know. */
	uint64_t *letters_shed;
	const uint64_t *settled; /* by the server: rows of dead letters that are done with */
	size_t settled_count;
	const struct mark *marks; /* by the server */
	size_t mark_count;
	const struct stream_mark *stream_marks; /* by the server */
	size_t stream_mark_count;
};

#endif
