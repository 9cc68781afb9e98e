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

#include "event/state.h"

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
	uint32_t sequence;
	uint16_t index; /* of the event in its transaction */
	uint16_t attempts;
	const char *reason;
	const char *data; /* the event as JSON */
};

/*
 * Progress of one function through one switch's acknowledged transactions: of transaction
 * (`sequence`, `digest`) the first `done` events are committed. A resent transaction is thereby
 * known, also after a restart.
 */
struct mark {
	uint32_t switch_id;
	uint32_t sequence;
	uint64_t digest; /* of the datagram: the sequence alone restarts with the agent */
	uint32_t done;   /* events */
};

struct outcome {
	const char *function;
	const struct state_row *writes;
	size_t write_count;
	const struct alert *alerts;
	size_t alert_count;
	const struct dead_letter *dead_letters;
	size_t dead_letter_count;
	const struct mark *marks; /* by the server */
	size_t mark_count;
};

#endif
