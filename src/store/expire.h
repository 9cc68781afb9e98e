/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_EXPIRE_H
#define STORE_EXPIRE_H

/*
 * Takes out of the store what has expired (event/expiry.h) of the state of all functions, those as well that
 * do not run. Piece by piece, so that commits never wait long.
 */

#include "event/state.h"
#include "store/store.h"

/* Where a round through the store is. Zero: at its beginning. */
struct expire_round {
	char function[64];
	struct state_place place; /* the last row that was looked at */
};

/*
 * Looks at the next `limit` rows, and deletes those that have expired at a time. Returns 0 and how many
 * went; `round` is at its beginning again when all were looked at. Or as of store_commit().
 */
int store_expire(struct store *store, struct expire_round *round, uint64_t time_ms,
	unsigned int limit, uint64_t *ret_count) _must_check_;

#endif
