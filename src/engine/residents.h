/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_RESIDENTS_H
#define ENGINE_RESIDENTS_H

/*
 * Which keys of a partition its worker has in memory, by their hashes, and with which batch each was last
 * sent an event. So that the keys that were not used for longest can leave it: what they are is in the
 * store, and comes back when an event of theirs does.
 */

#include "base/attr.h"
#include "base/siphash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resident {
	uint64_t hash;
	uint64_t batch; /* plus 1; 0: the place is free */
};

/* Zero is an empty one. */
struct residents {
	struct resident *places; /* a power of two of them, at most two thirds are taken */
	size_t mask;
	size_t count;
};

void residents_done(struct residents *residents);

/*
 * Notes that an event of a key is in a batch (0: its state is there, and no event yet), or in a later one. 1: the key is there
 * already; 0: it is from now on; -ENOMEM. `secret`: of where they lie, as who makes events can choose hashes.
 */
int residents_touch(struct residents *residents, const struct siphash_key *secret, uint64_t hash,
	uint64_t batch) _must_check_;

/*
 * Takes keys out until `keep` are left, those first whose batch was the earliest; none of a batch after
 * `batch`. Returns their number and, ascending, their hashes (to be freed); 0: none can go, or no memory.
 */
size_t residents_evict(struct residents *residents, const struct siphash_key *secret, size_t keep,
	uint64_t batch, uint64_t **ret_hashes) _must_check_;

#endif
