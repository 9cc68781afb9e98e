// SPDX-License-Identifier: BSD-2-Clause
#include "worker.h"

#include "frame.h"
#include "loader.h"
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct worker {
	char *dir;
	char *handler;
	char *key[KEY_FIELDS_MAX + 1];
	uint32_t memory_mb;
	json_t *config;
	bool greeted;
	bool ready;
	struct schemas schemas;
	struct state *state;
	struct runner runner;
};

struct worker *worker_new(void)
{
	return calloc(1, sizeof(struct worker));
}

void worker_free(struct worker *worker)
{
	for (size_t i = 0; i < KEY_FIELDS_MAX; i++)
		free(worker->key[i]);
	free(worker->dir);
	free(worker->handler);
	json_decref(worker->config);
	state_freep(&worker->state);
	runner_done(&worker->runner);
	free(worker);
}

static char *take_text(struct cursor *c)
{
	const char *text = pipe_get_text(c, NULL);

	return text ? strdup(text) : NULL;
}

static int take_hello(struct worker *worker, struct cursor *c)
{
	const char *config;
	uint16_t keys;

	if (worker->greeted)
		return -EBADMSG;
	worker->greeted = true;
	if (cursor_get_le16(c) != PIPE_VERSION)
		return -EPROTO;
	if (!pipe_get_text(c, NULL)) /* the function's name */
		return -EBADMSG;
	worker->dir = take_text(c);
	worker->handler = take_text(c);
	config = pipe_get_text(c, NULL);
	worker->config = config ? json_loads(config, 0, NULL) : NULL;
	cursor_get_le32(c); /* the timeout, which is the engine's to keep */
	worker->memory_mb = cursor_get_le32(c);
	keys = cursor_get_le16(c);
	if (!cursor_ok(c) || keys > KEY_FIELDS_MAX || !json_is_object(worker->config))
		return -EBADMSG;
	for (uint16_t i = 0; i < keys; i++) {
		worker->key[i] = take_text(c);
		if (!worker->key[i])
			return -EBADMSG;
	}
	if (!worker->dir || !worker->handler)
		return -ENOMEM;
	return state_new(keys, STATE_ENTRIES_MAX, &worker->state);
}

static int take_rows(struct worker *worker, struct cursor *c)
{
	for (uint32_t left = cursor_get_le32(c); left > 0; left--) {
		struct state_row row = {.hash = cursor_get_le64(c)};

		row.key = pipe_get_text(c, NULL);
		row.name = pipe_get_text(c, NULL);
		row.value = pipe_get_text(c, &row.value_len);
		if (!cursor_ok(c))
			return -EBADMSG;
		if (state_load(worker->state, &row) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* ---- loading ---- */

/* All that is the worker's own; the engine's limit is higher, for the sake of other runtimes. */
static void limit_memory(uint32_t megabytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) < 0)
		return;
	limit.rlim_cur = MIN(limit.rlim_cur, (rlim_t)megabytes << 20);
	if (setrlimit(RLIMIT_DATA, &limit) < 0)
		perror("setrlimit");
}

static int init_function(
	struct worker *worker, const struct loaded *loaded, char error[static LOADER_ERROR_MAX])
{
	struct lambda_context context = {.around = &worker->runner.around};
	int r;

	if (!loaded->init)
		return 0;
	r = loaded->init(&context);
	if (r != 0)
		context_refuse(&context, "its _init handler returned %d", r);
	if (context.failed)
		snprintf(error, LOADER_ERROR_MAX, "%s", context.error);
	scratch_clear(&worker->runner.around.scratch);
	return context.failed ? -1 : 0;
}

static int load(struct worker *worker, char error[static LOADER_ERROR_MAX])
{
	struct runner *runner = &worker->runner;
	struct loaded loaded;

	limit_memory(worker->memory_mb);
	if (chdir(worker->dir) < 0) {
		snprintf(error, LOADER_ERROR_MAX, "%s: %s", worker->dir, strerror(errno));
		return -1;
	}
	if (loader_load(worker->dir, worker->handler, &loaded, error) < 0)
		return -1;
	runner->around.config = worker->config;
	runner->schemas = &worker->schemas;
	runner->state = worker->state;
	runner->handler = loaded.handler;
	runner->batch_handler = loaded.batch_handler;
	schemas_plan_keys(&worker->schemas, (const char *const *)worker->key);
	return init_function(worker, &loaded, error);
}

static int take_start(struct worker *worker, struct pipe_buffer *out)
{
	char error[LOADER_ERROR_MAX];
	size_t frame;

	if (!worker->state || worker->ready)
		return -EBADMSG;
	if (load(worker, error) == 0) {
		worker->ready = true;
		pipe_end(out, pipe_begin(out, PIPE_READY));
		return 0;
	}
	fprintf(stderr, "%s\n", error);
	frame = pipe_begin(out, PIPE_FAILED);
	frame_put_text(out, error, strlen(error));
	pipe_end(out, frame);
	return 0; /* the engine ends us */
}

static int take_drop(struct worker *worker, struct cursor *c)
{
	uint32_t partitions = cursor_get_le16(c);

	if (worker->ready)
		runner_drop(&worker->runner, partitions);
	else if (worker->state)
		state_drop(worker->state, partitions);
	return 0;
}

static int take_evict(struct worker *worker, struct cursor *c)
{
	size_t count = cursor_left(c) / sizeof(uint64_t);
	const void *hashes = cursor_get(c, count * sizeof(uint64_t)); /* a payload is aligned */

	if (worker->state && hashes)
		state_evict(worker->state, hashes, count);
	return 0;
}

int worker_take(struct worker *worker, const struct pipe_frame *frame, struct pipe_buffer *out)
{
	struct cursor c;
	int r;

	if (frame->type == PIPE_BATCH)
		return worker->ready ? runner_run(&worker->runner, frame->payload, frame->size, out)
				     : -EBADMSG;
	cursor_read_init(&c, frame->payload, frame->size);
	switch (frame->type) {
	case PIPE_HELLO:
		r = take_hello(worker, &c);
		break;
	case PIPE_SCHEMA:
		r = schemas_add(&worker->schemas, &c);
		break;
	case PIPE_STATE:
		r = worker->state ? take_rows(worker, &c) : -EBADMSG;
		break;
	case PIPE_START:
		r = take_start(worker, out);
		break;
	case PIPE_DROP:
		r = take_drop(worker, &c);
		break;
	case PIPE_EVICT:
		r = take_evict(worker, &c);
		break;
	default:
		return -EBADMSG;
	}
	return r < 0 || (cursor_ok(&c) && cursor_left(&c) == 0) ? r : -EBADMSG;
}
