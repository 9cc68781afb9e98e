/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_RESULT_FRAME_H
#define ENGINE_RESULT_FRAME_H

/*
 * What a worker said of events that it was sent: a RESULT frame, checked as a whole before any of it
 * has effect. It covers the next events in the order in which they were sent; each of them is done
 * but for the exceptions. All texts are borrowed from the frame.
 */

#include "engine/pipe.h"

struct result_frame {
	uint32_t count; /* events */
	bool collected; /* it has all that has changed, of these events and of those before */
	uint32_t exception_count, alert_count, write_count;
	/* Where the next of each is. */
	struct cursor exceptions, alerts, writes;
	uint32_t last_alert, alerts_of_event;
	const char *reply; /* JSON: what the only event's handler returned; NULL: nothing */
};

struct exception {
	uint32_t index;     /* of the event in the frame */
	const char *reason; /* why it failed; NULL: it was not run, since one before it failed */
};

struct frame_alert {
	uint32_t index;
	unsigned int number; /* among its event's */
	const char *text;    /* JSON */
	size_t len;
};

/*
 * `most`: the events that it can cover. A reply stands only in one that covers one event, which is done.
 * 0, or -EBADMSG: not a valid one.
 */
int result_frame_read(const uint8_t *payload, size_t size, uint32_t most,
	struct result_frame *ret_frame) _must_check_;

/* Each takes the next one; false: there are no more. Indexes ascend. */
bool result_frame_exception(struct result_frame *frame, struct exception *ret_exception);
bool result_frame_alert(struct result_frame *frame, struct frame_alert *ret_alert);
/*
 * `ret_identity_len`: bytes from row->key on that are the same in two changes if, and only if, both
 * key and name are.
 */
bool result_frame_write(
	struct result_frame *frame, struct state_row *ret_row, size_t *ret_identity_len);

#endif
