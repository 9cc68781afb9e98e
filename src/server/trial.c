// SPDX-License-Identifier: BSD-2-Clause
#include "server/trial.h"

#include "base/clock.h"
#include "server/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_NS (10 * NS_PER_MS)

void trial_stop(struct trial *trial)
{
	if (!trial->function)
		return;
	loop_disarm_timer(&trial->timer);
	engine_remove(trial->function);
	trial->function = NULL;
}

static void trial_end(struct trial *trial, const char *error)
{
	_cleanup_free_ char *copy = error ? strdup(error) : NULL;

	if (error || !trial->keep)
		trial_stop(trial);
	trial->done(trial, error && !copy ? "it does not load" : copy);
}

static void on_timer(struct loop_timer *timer, uint64_t now_ns)
{
	struct trial *trial = timer->user;
	struct function_stats stats;

	function_stats(trial->function, &stats);
	if (strcmp(stats.state, "ready") == 0) {
		trial->stats = stats;
		trial_end(trial, NULL);
	} else if (stats.error) {
		trial_end(trial, stats.error);
	} else {
		loop_arm_timer(trial->loop, timer, now_ns + LOOK_NS);
	}
}

int trial_start(struct trial *trial, struct engine *engine, struct loop *loop,
	const struct function_config *config, char **ret_error)
{
	static unsigned int number;
	struct function_options options;
	char name[32];
	int r;

	unit_options(config, &options);
	options.name = name;
	options.min = options.max = 1;
	options.attempts = 1;
	options.patience_ns = 0;
	options.keep_trying = false;
	/* A name of its own, which somebody's function may have already: the function itself goes on meanwhile. */
	do {
		snprintf(name, sizeof(name), "trial-%u", ++number);
		r = engine_add(engine, &options, &trial->function, ret_error);
	} while (r == -EEXIST);
	if (r < 0) {
		trial->function = NULL;
		return r;
	}
	trial->engine = engine;
	trial->loop = loop;
	trial->timer = (struct loop_timer){.fn = on_timer, .user = trial};
	loop_arm_timer(loop, &trial->timer, clock_monotonic_ns() + LOOK_NS);
	return 0;
}
