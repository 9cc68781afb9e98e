/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_FINDINGS_H
#define REPLAY_FINDINGS_H

/*
 * The alerts and dead letters that are in the store at the end, as JSON objects. By time, and at the
 * same time by function: functions run beside each other, so the order of the store's rows says
 * something only within one.
 */

#include "base/attr.h"
#include "store/store.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct finding {
	uint64_t time_ns; /* of the event, UNIX epoch */
	uint64_t row;
	char *function;
	json_t *json;
};

struct findings {
	struct finding *items;
	size_t count, room;
};

/* As the alert file has them (EVE). 0, or a negative errno. */
int findings_read_alerts(struct store *store, struct findings *findings) _must_check_;
int findings_read_dead_letters(struct store *store, struct findings *findings) _must_check_;
void findings_done(struct findings *findings);

#endif
