// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much a function keeps altogether. The store knows that to the byte and tells it with each commit; the
 * workers are told with each batch whether it is too much. So the limit costs an event nothing, and what
 * is under way when it is reached may go beyond it, by some megabytes at most.
 */
#include "base/log.h"
#include "engine/function.h"

#include <inttypes.h>

/* Below that much of the limit it is worth another line when it is reached again. */
#define AGAIN(bytes) ((bytes) - (bytes) / 16)

static void tell(struct function *function)
{
	const struct state_sum *kept = &function->stats.kept;

	if (function_is_full(function) && !function->warned_full) {
		function->warned_full = true;
		log_warning(
			"function=%s keeps as much as it may: what would make its state larger is "
			"refused bytes=%" PRIu64 " entries=%" PRIu64 " state_bytes=%" PRIu64,
			function->name, kept->bytes, kept->entries, function->state_bytes);
	} else if (function->warned_full && kept->bytes < AGAIN(function->state_bytes)) {
		function->warned_full = false;
		log_info("function=%s has room for state again bytes=%" PRIu64
			 " state_bytes=%" PRIu64,
			function->name, kept->bytes, function->state_bytes);
	}
}

void function_note_state(struct function *function, const struct state_sum *sum)
{
	bool was_full = function_is_full(function);

	function->stats.kept = *sum;
	function->stats.fills += function_is_full(function) && !was_full;
	tell(function);
}

void function_sum_state(struct function *function)
{
	struct engine *engine = function->engine;
	struct state_sum sum = {0};

	if (engine->ops->sum_state &&
		engine->ops->sum_state(engine->user, function->name, &sum) == 0)
		function_note_state(function, &sum);
}

void engine_sum_state(struct engine *engine)
{
	for (struct function *function = engine->functions; function; function = function->next)
		if (!function->removed)
			function_sum_state(function);
}
