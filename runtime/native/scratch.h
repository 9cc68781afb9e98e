/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_SCRATCH_H
#define NATIVE_SCRATCH_H

/* Memory for what an event needs for its while, given back all at once. */

#include "base/attr.h"

struct scratch_chunk;

struct scratch {
	struct scratch_chunk *chunks; /* the one in use first */
};

/* NULL: no memory. Aligned for texts alone. */
char *scratch_take(struct scratch *scratch, size_t bytes);
void scratch_clear(struct scratch *scratch);
void scratch_done(struct scratch *scratch);

#endif
