/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_RLIMITS_H
#define LAUNCHER_RLIMITS_H

/* The resource limits that each worker has, of a process. */

#include "base/attr.h"

#include <stdbool.h>

/* Of the calling process and those it makes. `own_user`: processes are counted for this worker alone. */
int rlimits_set(bool own_user) _must_check_;

#endif
