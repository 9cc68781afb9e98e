// SPDX-License-Identifier: BSD-2-Clause
#include "server/progress.h"

#include <errno.h>
#include <string.h>

/* That says nothing. */
static struct mark mark_new(
	const struct division *division, uint64_t stream, const uint64_t incarnation[static 2])
{
	return (struct mark){
		.key = division->key,
		.stream = stream,
		.incarnation = {incarnation[0], incarnation[1]},
	};
}

static bool mark_is_of(const struct mark *mark, const uint64_t incarnation[static 2])
{
	return mark->incarnation[0] == incarnation[0] && mark->incarnation[1] == incarnation[1];
}

static uint64_t mark_end(const struct mark *mark)
{
	uint64_t end = 0;

	for (size_t i = 0; i < PARTITIONS; i++)
		end = MAX(end, mark->positions[i]);
	return end;
}

struct progress *progress_new(
	const struct division *division, uint64_t stream, const uint64_t incarnation[static 2])
{
	struct progress *progress = calloc(1, sizeof(*progress));

	if (!progress)
		return NULL;
	progress->division = division;
	progress->mark = mark_new(division, stream, incarnation);
	return progress;
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	while (progress->earlier) {
		struct earlier_mark *next = progress->earlier->next;

		free(progress->earlier);
		progress->earlier = next;
	}
	free(progress);
}

/* The earlier mark by a key; NULL: no memory. */
static struct earlier_mark *earlier_get(struct progress *progress, const struct division *division)
{
	struct earlier_mark *earlier = progress->earlier;

	while (earlier && earlier->division != division)
		earlier = earlier->next;
	if (earlier)
		return earlier;
	earlier = calloc(1, sizeof(*earlier));
	if (!earlier)
		return NULL;
	*earlier = (struct earlier_mark){
		.next = progress->earlier,
		.division = division,
		.mark = mark_new(division, progress->mark.stream, progress->mark.incarnation),
	};
	progress->earlier = earlier;
	return earlier;
}

int progress_restore(
	struct progress *progress, const struct division *division, const struct mark *mark)
{
	struct earlier_mark *earlier = NULL;
	struct mark *to = &progress->mark;

	if (division != progress->division) {
		earlier = earlier_get(progress, division);
		if (!earlier)
			return -ENOMEM;
		to = &earlier->mark;
	}
	*to = *mark;
	to->key = division->key;
	return 0;
}

int progress_rekey(struct progress *progress, const struct division *division)
{
	struct earlier_mark *earlier;
	struct mark before = progress->mark;

	if (division == progress->division)
		return 0;
	earlier = earlier_get(progress, division);
	if (!earlier)
		return -ENOMEM;
	progress->mark = earlier->mark;
	earlier->mark = before;
	earlier->division = progress->division;
	progress->division = division;
	progress->swept = false;
	return 0;
}

/* Frees the earlier mark that is there. */
static void earlier_drop(struct earlier_mark **at)
{
	struct earlier_mark *gone = *at;

	*at = gone->next;
	free(gone);
}

void progress_begin(
	struct progress *progress, const uint64_t incarnation[static 2], uint64_t position)
{
	struct earlier_mark **at = &progress->earlier;

	progress->pushed = position;
	if (!mark_is_of(&progress->mark, incarnation))
		progress->mark = mark_new(progress->division, progress->mark.stream, incarnation);
	while (*at) {
		if (mark_is_of(&(*at)->mark, incarnation))
			at = &(*at)->next;
		else
			earlier_drop(at);
	}
}

void progress_pass(struct progress *progress, uint64_t position)
{
	struct earlier_mark **at = &progress->earlier;

	while (*at) {
		if (mark_end(&(*at)->mark) > position)
			at = &(*at)->next;
		else
			earlier_drop(at);
	}
}

static bool is_done_earlier(const struct progress *progress, const struct event_run *run, size_t i)
{
	const void *record = (const uint8_t *)run->records + i * run->stride;

	for (const struct earlier_mark *earlier = progress->earlier; earlier;
		earlier = earlier->next)
		if (progress->pushed + i < earlier->mark.positions[division_partition(
						   earlier->division, run->event_id, record)])
			return true;
	return false;
}

/* Behind which earlier marks say nothing. */
static uint64_t earlier_end(const struct progress *progress)
{
	uint64_t end = 0;

	for (const struct earlier_mark *earlier = progress->earlier; earlier;
		earlier = earlier->next)
		end = MAX(end, mark_end(&earlier->mark));
	return end;
}

size_t progress_same(const struct progress *progress, const struct event_run *run, bool *ret_done)
{
	bool done;
	size_t i = 1;

	if (!progress->earlier || progress->pushed >= earlier_end(progress)) {
		*ret_done = false;
		return run->count;
	}
	done = is_done_earlier(progress, run, 0);
	while (i < run->count && is_done_earlier(progress, run, i) == done)
		i++;
	*ret_done = done;
	return i;
}

struct mark progress_mark(const struct progress *progress)
{
	struct mark mark = progress->mark;

	mark.sweep = !progress->swept && !progress->earlier;
	return mark;
}

void progress_commit(struct progress *progress, const struct mark *mark)
{
	progress->mark = *mark;
	progress->swept |= mark->sweep;
}
