/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_SENDER_PRIVATE_H
#define WIRE_V2_SENDER_PRIVATE_H

/*
 * What the files of the sender know of each other:
 *
 *   v2_sender.c         lanes and sessions
 *   v2_sender_heard.c   what the server says, and what follows when it says nothing
 *   v2_sender_train.c   what leaves
 */

#include "wire/v2_sender.h"

#define V2_NEVER UINT64_MAX

static inline struct v2_sent *v2_sender_sent(const struct v2_sender *s, uint64_t packet)
{
	return &s->sent[packet & (s->config.packets - 1)];
}

/* ---- v2_sender.c ---- */

void v2_sender_advance(struct v2_sender *s, uint64_t now_ns);
/* Something was sent whose receipt or processing is not yet confirmed. */
bool v2_sender_owes(const struct v2_sender *s);

/* ---- v2_sender_heard.c ---- */

/* A packet counts as lost: what it carried waits to be sent again. */
void v2_sender_lose(struct v2_sender *s, uint64_t packet);
/* `oldest` moves up to the first packet that something waits for. */
void v2_sender_settle(struct v2_sender *s);
/* Finds losses and asks whether the server is there, if it is time to. */
void v2_sender_run_timers(struct v2_sender *s);
/* When it is asked next; V2_NEVER without a session. */
uint64_t v2_sender_probe_at(const struct v2_sender *s);

#endif
