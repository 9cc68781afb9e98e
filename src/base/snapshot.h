/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_SNAPSHOT_H
#define BASE_SNAPSHOT_H

/*
 * A value that one thread keeps up to date and others read, whole, now and then: a sequence lock. The
 * writer never waits, whoever reads; a reader that comes in between tries again. Of counters and
 * addresses to show, say, which need no order with anything else.
 *
 *   struct snapshot snapshot;   and beside it, room for the value: SNAPSHOT_WORDS(struct view)
 */

#include "base/attr.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define SNAPSHOT_WORDS(type) ((sizeof(type) + 7) / 8)

struct snapshot {
	atomic_uint version; /* odd while it is written */
};

/* `words` is the room, `value` has `size` bytes. */
void snapshot_put(
	struct snapshot *snapshot, _Atomic uint64_t *words, const void *value, size_t size);
void snapshot_get(
	const struct snapshot *snapshot, const _Atomic uint64_t *words, void *value, size_t size);

#endif
