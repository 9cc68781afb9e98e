/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_WORKER_H
#define NATIVE_WORKER_H

/*
 * What a worker does with each frame that comes (docs/functions.md, "The worker pipe"). Knows nothing of
 * the pipe itself.
 */

#include "engine/pipe.h"

struct worker;

/* NULL: no memory. */
struct worker *worker_new(void);
void worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker, worker_free)

/*
 * Takes a frame, whose payload is aligned to 8 bytes, and appends what answers it to `out`. 0; -EBADMSG: it
 * makes no sense; -EPROTO: the engine speaks another version; or -ENOMEM. Then the worker must end.
 */
int worker_take(struct worker *worker, const struct pipe_frame *frame,
	struct pipe_buffer *out) _must_check_;

#endif
