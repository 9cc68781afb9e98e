/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_LAUNCHER_H
#define LAUNCHER_LAUNCHER_H

/* The outer process of a worker. */

#include "launcher/sandbox.h"

/* Obeys what comes on CONTROL_FD, until the worker has ended. Ends as the worker did. */
_Noreturn void launcher_run(void);

/* What can be had here, a line a layer, to standard output: its name, "yes" or "no", and why not. */
int launcher_probe(void) _must_check_;

#endif
