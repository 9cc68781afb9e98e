// SPDX-License-Identifier: BSD-2-Clause
#include "store/committer.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Enough that the fsync is shared widely, few enough that the first in line does not wait long. */
#define GROUP_MAX 256

/* Requests in order, linked by `next`. */
struct request_list {
	struct commit_request *first;
	struct commit_request **end;
};

struct committer {
	struct store *store; /* the committing thread's */
	void (*on_done)(void *user);
	void *user;
	pthread_t thread;
	bool joined;

	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t wake;
	bool stopping;
	struct request_list queue;
	struct request_list done;
	size_t done_failed; /* of those in `done` */
	struct committer_stats stats;
};

static void list_init(struct request_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_append(struct request_list *list, struct commit_request *request)
{
	request->next = NULL;
	*list->end = request;
	list->end = &request->next;
}

static struct commit_request *list_take_first(struct request_list *list)
{
	struct commit_request *first = list->first;

	list->first = first->next;
	if (!list->first)
		list->end = &list->first;
	return first;
}

static void append_done(struct committer *committer, struct commit_request *request)
{
	committer->stats.requests++;
	committer->stats.failures += request->error != 0;
	committer->stats.over_limit += request->error == -EDQUOT;
	committer->done_failed += request->error != 0;
	list_append(&committer->done, request);
}

/*
 * A request whose function failed, and the caller does not know yet: what it builds on is not
 * there, so it fails too. True if it was put aside as such.
 */
static bool fail_follower(struct committer *committer, struct commit_request *request)
{
	const struct commit_request *done =
		committer->done_failed > 0 && !request->task ? committer->done.first : NULL;

	for (; done; done = done->next) {
		if (done->error == 0 || done->task ||
			strcmp(done->outcome.function, request->outcome.function) != 0)
			continue;
		request->error = done->error;
		append_done(committer, request);
		return true;
	}
	return false;
}

/* Takes up to GROUP_MAX requests off the queue; a task alone. */
static size_t take_group(struct committer *committer, struct commit_request **group)
{
	size_t count = 0;

	while (committer->queue.first && count < GROUP_MAX) {
		struct commit_request *request = committer->queue.first;

		if (count > 0 && (request->task || group[0]->task))
			break;
		request = list_take_first(&committer->queue);
		if (fail_follower(committer, request))
			continue;
		request->stale = request->known != committer->stats.failures;
		group[count++] = request;
	}
	return count;
}

static struct outcome outcome_to_write(const struct commit_request *request)
{
	struct outcome outcome = request->outcome;

	if (request->stale)
		outcome.stream_mark_count = 0;
	return outcome;
}

static int commit_together(
	struct committer *committer, struct commit_request *const *group, size_t count)
{
	struct outcome outcomes[GROUP_MAX];

	for (size_t i = 0; i < count; i++)
		outcomes[i] = outcome_to_write(group[i]);
	return store_commit(committer->store, outcomes, count);
}

/*
 * The group was refused: each request alone, so that one that the store cannot take does not hold
 * up the other functions'. Returns the number of database transactions.
 */
static size_t commit_each(
	struct committer *committer, struct commit_request *const *group, size_t count)
{
	size_t commits = 0;
	bool refused = false;

	for (size_t i = 0; i < count; i++) {
		struct commit_request *request = group[i];
		struct outcome outcome;

		request->error = 0;
		for (size_t j = 0; j < i && request->error == 0; j++)
			if (strcmp(group[j]->outcome.function, request->outcome.function) == 0)
				request->error = group[j]->error;
		if (request->error != 0)
			continue;
		request->stale |= refused;
		outcome = outcome_to_write(request);
		request->error = store_commit(committer->store, &outcome, 1);
		refused |= request->error != 0;
		commits += request->error == 0;
	}
	return commits;
}

/* Without the lock. Returns the number of database transactions. */
static size_t commit_group(
	struct committer *committer, struct commit_request *const *group, size_t count)
{
	if (group[0]->task) {
		group[0]->error = group[0]->task(committer->store, group[0]);
		return group[0]->error == 0;
	}
	if (commit_together(committer, group, count) < 0)
		return commit_each(committer, group, count);
	for (size_t i = 0; i < count; i++)
		group[i]->error = 0;
	return 1;
}

/* What is wrong with the store, or that nothing is any more. */
static void note_error(
	struct committer *committer, struct commit_request *const *group, size_t count)
{
	char *error = committer->stats.error;

	error[0] = '\0';
	for (size_t i = 0; i < count && error[0] == '\0'; i++)
		if (group[i]->error != 0)
			snprintf(error, sizeof(committer->stats.error), "%s",
				store_error(committer->store));
}

/* One turn, with the lock held on entry and on return. */
static void commit_next(struct committer *committer)
{
	struct commit_request *group[GROUP_MAX];
	uint64_t start_ns, busy_ns = 0;
	size_t count, commits = 0;

	count = take_group(committer, group);
	pthread_mutex_unlock(&committer->lock);
	if (count > 0) {
		start_ns = clock_monotonic_ns();
		commits = commit_group(committer, group, count);
		busy_ns = clock_monotonic_ns() - start_ns;
	}
	pthread_mutex_lock(&committer->lock);
	for (size_t i = 0; i < count; i++)
		append_done(committer, group[i]);
	if (count > 0 && !group[0]->task)
		note_error(committer, group, count);
	committer->stats.commits += commits;
	committer->stats.busy_ns += busy_ns;
	pthread_mutex_unlock(&committer->lock);
	committer->on_done(committer->user);
	pthread_mutex_lock(&committer->lock);
}

static void *committer_run(void *arg)
{
	struct committer *committer = arg;

	pthread_mutex_lock(&committer->lock);
	for (;;) {
		while (!committer->queue.first && !committer->stopping)
			pthread_cond_wait(&committer->wake, &committer->lock);
		if (!committer->queue.first)
			break;
		commit_next(committer);
	}
	pthread_mutex_unlock(&committer->lock);
	return NULL;
}

/* Signals are for the caller's threads. */
static int start_thread(struct committer *committer)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&committer->thread, NULL, committer_run, committer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int committer_new(struct store *store, void (*on_done)(void *user), void *user,
	struct committer **ret_committer)
{
	_cleanup_free_ struct committer *committer = calloc(1, sizeof(*committer));
	int r;

	if (!committer)
		return -ENOMEM;
	committer->store = store;
	committer->on_done = on_done;
	committer->user = user;
	list_init(&committer->queue);
	list_init(&committer->done);
	pthread_mutex_init(&committer->lock, NULL);
	pthread_cond_init(&committer->wake, NULL);
	r = start_thread(committer);
	if (r < 0)
		return r;
	*ret_committer = TAKE_PTR(committer);
	return 0;
}

void committer_stop(struct committer *committer)
{
	if (committer->joined)
		return;
	pthread_mutex_lock(&committer->lock);
	committer->stopping = true;
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
	pthread_join(committer->thread, NULL);
	committer->joined = true;
}

void committer_free(struct committer *committer)
{
	if (!committer)
		return;
	committer_stop(committer);
	store_close(committer->store);
	pthread_cond_destroy(&committer->wake);
	pthread_mutex_destroy(&committer->lock);
	free(committer);
}

void committer_limit(struct committer *committer, uint64_t bytes)
{
	store_limit(committer->store, bytes);
}

void committer_limit_letters(struct committer *committer, uint64_t count)
{
	store_limit_letters(committer->store, count);
}

void committer_submit(struct committer *committer, struct commit_request *request)
{
	request->error = 0;
	pthread_mutex_lock(&committer->lock);
	list_append(&committer->queue, request);
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
}

/*
 * What waits behind a failure that is now collected comes back with it; whatever is submitted later
 * was made by a caller that knows.
 */
static void fail_followers(struct committer *committer)
{
	struct commit_request *request = committer->queue.first;

	list_init(&committer->queue);
	while (request) {
		struct commit_request *next = request->next;

		if (!fail_follower(committer, request))
			list_append(&committer->queue, request);
		request = next;
	}
}

struct commit_request *committer_collect(struct committer *committer)
{
	struct commit_request *first;

	pthread_mutex_lock(&committer->lock);
	fail_followers(committer);
	first = committer->done.first;
	list_init(&committer->done);
	committer->done_failed = 0;
	pthread_mutex_unlock(&committer->lock);
	return first;
}

void committer_get_stats(struct committer *committer, struct committer_stats *ret_stats)
{
	pthread_mutex_lock(&committer->lock);
	*ret_stats = committer->stats;
	pthread_mutex_unlock(&committer->lock);
}
