// SPDX-License-Identifier: BSD-2-Clause
#include "server/prune.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/api_json.h"

#include "store/streams.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define FIRST_NS (10 * NS_PER_SEC)
#define LOOK_NS  (600 * NS_PER_SEC)
#define PIECE_NS NS_PER_SEC
#define PIECE    10000 /* rows of a table */

struct drop {
	struct commit_request request;
	struct api_call *call;
	struct letter_filter filter; /* borrows from the call */
	uint64_t count;
};

static int task_drop(struct store *store, struct commit_request *request)
{
	struct drop *drop = container_of(request, struct drop, request);
	const struct dead_letter_range range = {
		.function = drop->filter.function,
		.row = drop->filter.row,
		.before_ns = drop->filter.before_ns,
	};

	return store_drop_dead_letters(store, &range, &drop->count);
}

static void on_dropped(struct commit_request *request)
{
	struct drop *drop = container_of(request, struct drop, request);

	if (request->error < 0)
		api_call_refuse(drop->call, MHD_HTTP_SERVICE_UNAVAILABLE, "the store refuses: %s",
			strerror(-request->error));
	else
		api_call_answer(drop->call, MHD_HTTP_OK,
			json_pack("{s:o}", "dropped", json_count(drop->count)));
	free(drop);
}

void prune_letters(struct commits *commits, struct api_call *call)
{
	struct letter_filter filter;
	struct drop *drop;

	if (letter_filter_read(call, &filter) < 0)
		return;
	drop = calloc(1, sizeof(*drop));
	if (!drop) {
		api_call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	*drop = (struct drop){
		.request = {.task = task_drop, .done = on_dropped}, .call = call, .filter = filter};
	if (commits_submit_task(commits, &drop->request) < 0) {
		api_call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
		free(drop);
	}
}

/* ---- streams ---- */

struct forgetting {
	struct commit_request request;
	uint64_t stream;
	size_t count;
	char names[UNITS_MAX][64];
};

static int task_forget(struct store *store, struct commit_request *request)
{
	struct forgetting *forgetting = container_of(request, struct forgetting, request);
	const char *names[UNITS_MAX];

	for (size_t i = 0; i < forgetting->count; i++)
		names[i] = forgetting->names[i];
	return streams_forget(store, forgetting->stream, names, forgetting->count);
}

static void on_forgotten(struct commit_request *request)
{
	free(container_of(request, struct forgetting, request));
}

void prune_stream(struct commits *commits, uint64_t stream)
{
	const struct units *units = commits->ingest->units;
	struct forgetting *forgetting = calloc(1, sizeof(*forgetting));

	if (!forgetting)
		return;
	forgetting->request = (struct commit_request){.task = task_forget, .done = on_forgotten};
	forgetting->stream = stream;
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (units->units[i].config)
			snprintf(forgetting->names[forgetting->count++],
				sizeof(forgetting->names[0]), "%s", units->units[i].config->name);
	if (commits_submit_task(commits, &forgetting->request) < 0)
		free(forgetting);
}

/* ---- what was kept long enough ---- */

static int task_prune(struct store *store, struct commit_request *request)
{
	struct pruner *pruner = container_of(request, struct pruner, request);

	return store_prune(
		store, pruner->alerts_before_ns, pruner->letters_before_ns, PIECE, &pruner->count);
}

static void on_pruned(struct commit_request *request)
{
	struct pruner *pruner = container_of(request, struct pruner, request);
	bool more = request->error == 0 && pruner->count >= PIECE;

	if (request->error < 0)
		log_warning("what is old cannot be removed: %s", strerror(-request->error));
	else
		pruner->pruned += pruner->count;
	if (pruner->timer.fn)
		loop_arm_timer(pruner->loop, &pruner->timer,
			clock_monotonic_ns() + (more ? PIECE_NS : LOOK_NS));
}

static uint64_t before_ns(uint64_t keep_ns, uint64_t now_ns)
{
	return keep_ns > 0 && keep_ns < now_ns ? now_ns - keep_ns : 0;
}

static void on_prune_timer(struct loop_timer *timer, uint64_t loop_ns)
{
	struct pruner *pruner = timer->user;
	uint64_t now_ns =
		time_without_leaps(&pruner->started, clock_realtime_ns(), clock_monotonic_ns());

	pruner->alerts_before_ns = before_ns(pruner->config->alerts_keep_ns, now_ns);
	pruner->letters_before_ns = before_ns(pruner->config->dead_letters_keep_ns, now_ns);
	pruner->count = 0;
	pruner->request = (struct commit_request){.task = task_prune, .done = on_pruned};
	if ((pruner->alerts_before_ns == 0 && pruner->letters_before_ns == 0) ||
		commits_submit_task(pruner->commits, &pruner->request) < 0)
		loop_arm_timer(pruner->loop, timer, loop_ns + LOOK_NS);
}

void pruner_start(struct pruner *pruner, struct loop *loop, struct commits *commits,
	const struct config *config)
{
	*pruner = (struct pruner){.loop = loop,
		.commits = commits,
		.config = config,
		.timer = {.fn = on_prune_timer, .user = pruner},
		.started = clock_origin_now()};
	loop_arm_timer(loop, &pruner->timer, clock_monotonic_ns() + FIRST_NS);
}

void pruner_stop(struct pruner *pruner)
{
	loop_disarm_timer(&pruner->timer);
	pruner->timer.fn = NULL;
}
