/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_MAILBOX_H
#define SERVER_MAILBOX_H

/*
 * "Look at this one": from one thread to another, without a lock. What there is to see stands in the
 * item itself, in atomics; a mailbox says which items have something, each once until it is looked at. So
 * it has a bound, the number of items, and is never full. The other thread is woken once, until it
 * begins to take.
 */

#include "base/ring.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Part of an item, one for each mailbox that it may be in. */
struct mail {
	atomic_bool posted;
};

struct mailbox {
	struct ring *ring; /* of pointers to items */
	atomic_bool ringing;
	void (*wake)(void *user); /* thread-safe */
	void *user;
};

/* `items` is the most that there may ever be. `wake` and `user` are set by the caller. 0 or -ENOMEM. */
int mailbox_init(struct mailbox *mailbox, size_t items) _must_check_;
void mailbox_done(struct mailbox *mailbox);

/* Writer, after what is to be seen was stored. Then mailbox_ring(), once for several. */
void mailbox_post(struct mailbox *mailbox, void *item, struct mail *mail);
void mailbox_ring(struct mailbox *mailbox);

/* Reader, when it was woken: first mailbox_open(), then each item; NULL: no more. */
void mailbox_open(struct mailbox *mailbox);
void *mailbox_take(struct mailbox *mailbox);
/* Before the reader looks at what the item says: what is stored from here on is another post. */
void mail_take(struct mail *mail);

#endif
