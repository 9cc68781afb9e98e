// SPDX-License-Identifier: BSD-2-Clause
#include "server/feed.h"

static const struct feed_run *run_at(const struct feed *feed, uint64_t number)
{
	return &feed->runs[number & (FEED_RUNS - 1)];
}

static uint64_t run_end(const struct feed_run *run)
{
	return run->taken.sequence + run->taken.count;
}

static bool is_full(const struct feed *feed)
{
	return atomic_load_explicit(&feed->head, memory_order_relaxed) - atomic_load(&feed->tail) ==
	       FEED_RUNS;
}

/* Looks once more after it has said so, since room may have come in between. */
bool feed_has_room(struct feed *feed)
{
	if (!is_full(feed))
		return true;
	atomic_store(&feed->wanting, true);
	return !is_full(feed);
}

void feed_put(struct feed *feed, const struct feed_run *run)
{
	uint64_t head = atomic_load_explicit(&feed->head, memory_order_relaxed);

	feed->runs[head & (FEED_RUNS - 1)] = *run;
	atomic_store_explicit(&feed->head, head + 1, memory_order_release);
}

bool feed_release(struct feed *feed, uint64_t epoch, uint64_t before)
{
	uint64_t tail = atomic_load_explicit(&feed->tail, memory_order_relaxed), to = tail;
	uint64_t head = atomic_load_explicit(&feed->head, memory_order_acquire);

	while (to < head &&
		(run_at(feed, to)->epoch != epoch || run_end(run_at(feed, to)) <= before))
		to++;
	if (to == tail)
		return false;
	atomic_store(&feed->tail, to);
	return atomic_exchange(&feed->wanting, false);
}

const struct feed_run *feed_find(struct feed *feed, uint64_t epoch, uint64_t next)
{
	uint64_t head = atomic_load_explicit(&feed->head, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&feed->tail, memory_order_relaxed);
	uint64_t at = MAX(feed->at, tail);

	/* A function may have given something up: then it goes back. */
	while (at > tail && run_at(feed, at - 1)->epoch == epoch &&
		run_end(run_at(feed, at - 1)) > next)
		at--;
	while (at < head && (run_at(feed, at)->epoch != epoch || run_end(run_at(feed, at)) <= next))
		at++;
	feed->at = at;
	return at < head ? run_at(feed, at) : NULL;
}
