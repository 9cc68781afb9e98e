/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_FUNCTION_METRICS_H
#define SERVER_FUNCTION_METRICS_H

#include "server/metrics.h"
#include "server/units.h"

/* What Prometheus is shown of functions and their workers. */
void write_function_metrics(
	struct metrics *m, const struct units *units, const struct engine *engine);

#endif
