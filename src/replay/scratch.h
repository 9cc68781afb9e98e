/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_SCRATCH_H
#define REPLAY_SCRATCH_H

/* A directory for what shall not outlive the replay: below $TMPDIR, or /tmp. */

#include "base/attr.h"

struct scratch {
	char *dir; /* NULL: there is none */
};

/* 0, or a negative errno with a message in `ret_error` (to be freed). */
int scratch_open(struct scratch *scratch, char **ret_error) _must_check_;
/* Removes it with all that is in it. */
void scratch_close(struct scratch *scratch);

#endif
