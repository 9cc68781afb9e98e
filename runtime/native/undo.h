/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_UNDO_H
#define NATIVE_UNDO_H

/*
 * What takes an event's changes back: records, each pushed before the change that it undoes. If the event
 * fails they are run from the last to the first; if it succeeds they are let go.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct undo_log {
	uint8_t *bytes;
	size_t size, capacity;
	size_t last;      /* where the last record is */
	unsigned int own; /* records that own something */
};

typedef void (*undo_fn)(void *record);

/*
 * Room for a record of so many bytes, set to zero; NULL: no memory, and nothing may be changed. `back` takes
 * the change back. `let_go`: releases what the record owns, since the change stays; NULL: it owns nothing.
 */
void *undo_push(struct undo_log *log, size_t bytes, undo_fn back, undo_fn let_go);

/* Takes the last record off again: what it was for did not happen. It must own nothing. */
void undo_drop(struct undo_log *log);

void undo_all(struct undo_log *log);
void undo_let_go(struct undo_log *log);
void undo_done(struct undo_log *log);

/* For what was made by an event, and is freed if that fails; or is replaced, and freed if not. False: no memory. */
bool undo_push_made(struct undo_log *log, void *made, void (*release)(void *));
bool undo_push_replaced(struct undo_log *log, void *replaced, void (*release)(void *));

#endif
