// SPDX-License-Identifier: BSD-2-Clause
#include "store/letter_limit.h"

#include "store/action.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PIECE 1000 /* rows that are removed beyond those that came, at most */

void letters_recount(struct letter_counts *counts)
{
	counts->count = 0;
}

static struct letter_count *find(struct letter_counts *counts, const char *function)
{
	for (size_t i = 0; i < counts->count; i++)
		if (strcmp(counts->items[i].function, function) == 0)
			return &counts->items[i];
	return NULL;
}

/* As they are now. */
static int count_letters(struct store *store, const char *function, struct letter_count **ret_count)
{
	struct letter_counts *counts = &store->letters;
	struct action action =
		action_begin(store, "SELECT count(*) FROM dead_letters WHERE function = ?1");
	struct letter_count *item;
	int64_t letters = 0;
	int r;

	action_text(&action, function);
	r = action_run(store, &action, &letters);
	if (r < 0)
		return r;
	if (counts->count == ARRAY_SIZE(counts->items))
		letters_recount(counts);
	item = &counts->items[counts->count++];
	snprintf(item->function, sizeof(item->function), "%s", function);
	item->letters = (uint64_t)letters;
	*ret_count = item;
	return 0;
}

static int note(struct store *store, const struct outcome *outcome, uint64_t settled,
	struct letter_count **ret_count)
{
	struct letter_count *item = find(&store->letters, outcome->function);

	if (!item)
		return count_letters(store, outcome->function, ret_count);
	item->letters += outcome->dead_letter_count;
	item->letters -= MIN(settled, item->letters);
	*ret_count = item;
	return 0;
}

int letters_keep(struct store *store, const struct outcome *outcome, uint64_t settled, uint64_t max)
{
	struct letter_count *item = NULL;
	struct action action;
	uint64_t excess;
	int r;

	if (max == 0 || outcome->dead_letter_count + settled == 0)
		return 0;
	r = note(store, outcome, settled, &item);
	if (r < 0 || item->letters <= max)
		return r;
	excess = MIN(item->letters - max, outcome->dead_letter_count + PIECE);
	action = action_begin(store,
		"DELETE FROM dead_letters WHERE row IN"
		" (SELECT row FROM dead_letters WHERE function = ?1 ORDER BY row LIMIT ?2)");
	action_text(&action, outcome->function);
	action_int(&action, excess);
	r = action_run(store, &action, NULL);
	if (r < 0)
		return r;
	item->letters -= excess;
	if (outcome->letters_shed)
		*outcome->letters_shed = excess;
	return 0;
}
