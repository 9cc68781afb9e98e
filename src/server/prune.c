// SPDX-License-Identifier: BSD-2-Clause
#include "server/prune.h"

#include "server/api_json.h"

#include <microhttpd.h>
#include <string.h>

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
