/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_LIVE_CALL_H
#define SERVER_LIVE_CALL_H

/*
 * Calls a function at work on one event, for an operator: unlike a rehearsal (rehearsal.h) the event is like
 * any other, and what it leads to is kept.
 */

#include "server/api.h"
#include "server/callers.h"
#include "server/units.h"

/* Takes an API_CALL about a function. */
void live_call(struct callers *callers, struct unit *unit, struct api_call *call);

#endif
