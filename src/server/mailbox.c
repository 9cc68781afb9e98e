// SPDX-License-Identifier: BSD-2-Clause
#include "server/mailbox.h"

#include "base/log.h"

/*
 * Both flags are changed by exchanges on both sides. So one that finds the flag set is followed by the
 * reader's, which sees all that was stored before.
 */

int mailbox_init(struct mailbox *mailbox, size_t items)
{
	return ring_new(items, sizeof(void *), &mailbox->ring);
}

void mailbox_done(struct mailbox *mailbox)
{
	ring_free(mailbox->ring);
	mailbox->ring = NULL;
}

void mailbox_post(struct mailbox *mailbox, void *item, struct mail *mail)
{
	if (atomic_exchange(&mail->posted, true))
		return;
	if (ring_push(mailbox->ring, &item) < 0) {
		log_error("a mailbox is full of items that there cannot be");
		abort();
	}
}

void mailbox_ring(struct mailbox *mailbox)
{
	if (ring_count(mailbox->ring) > 0 && !atomic_exchange(&mailbox->ringing, true))
		mailbox->wake(mailbox->user);
}

void mailbox_open(struct mailbox *mailbox)
{
	atomic_exchange(&mailbox->ringing, false);
}

void *mailbox_take(struct mailbox *mailbox)
{
	void *const *item = ring_peek(mailbox->ring);
	void *taken = item ? *item : NULL;

	if (item)
		ring_pop(mailbox->ring);
	return taken;
}

void mail_take(struct mail *mail)
{
	atomic_exchange(&mail->posted, false);
}
