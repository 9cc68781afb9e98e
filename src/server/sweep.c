// SPDX-License-Identifier: BSD-2-Clause
#include "server/sweep.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define FIRST_NS (20 * NS_PER_SEC)
#define PIECE_NS NS_PER_SEC
#define PAUSE_NS (600 * NS_PER_SEC) /* between two rounds */
#define PIECE    5000               /* rows: some milliseconds */
#define LATE_NS  (3600 * NS_PER_SEC)

static int task_sweep(struct store *store, struct commit_request *request)
{
	struct sweeper *sweeper = container_of(request, struct sweeper, request);

	return store_expire(store, &sweeper->round, sweeper->time_ms, PIECE, &sweeper->count);
}

static void on_swept(struct commit_request *request)
{
	struct sweeper *sweeper = container_of(request, struct sweeper, request);
	bool more = request->error == 0 && sweeper->round.function[0];

	if (request->error < 0)
		log_warning("expired state cannot be removed: %s", strerror(-request->error));
	else
		sweeper->swept += sweeper->count;
	if (sweeper->timer.fn && request->error == 0 && sweeper->count > 0)
		engine_sum_state(sweeper->engine);
	if (sweeper->timer.fn)
		loop_arm_timer(sweeper->loop, &sweeper->timer,
			clock_monotonic_ns() + (more ? PIECE_NS : PAUSE_NS));
}

static void on_timer(struct loop_timer *timer, uint64_t loop_ns)
{
	struct sweeper *sweeper = timer->user;
	uint64_t now =
		time_without_leaps(&sweeper->started, clock_realtime_ns(), clock_monotonic_ns());

	sweeper->time_ms = now > LATE_NS ? (now - LATE_NS) / NS_PER_MS : 0;
	sweeper->count = 0;
	sweeper->request = (struct commit_request){.task = task_sweep, .done = on_swept};
	if (commits_submit_task(sweeper->commits, &sweeper->request) < 0)
		loop_arm_timer(sweeper->loop, timer, loop_ns + PAUSE_NS);
}

void sweeper_start(
	struct sweeper *sweeper, struct loop *loop, struct commits *commits, struct engine *engine)
{
	*sweeper = (struct sweeper){.loop = loop,
		.commits = commits,
		.engine = engine,
		.timer = {.fn = on_timer, .user = sweeper},
		.started = clock_origin_now()};
	loop_arm_timer(loop, &sweeper->timer, clock_monotonic_ns() + FIRST_NS);
}

void sweeper_stop(struct sweeper *sweeper)
{
	loop_disarm_timer(&sweeper->timer);
	sweeper->timer.fn = NULL;
}
