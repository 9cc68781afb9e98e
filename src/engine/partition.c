// SPDX-License-Identifier: BSD-2-Clause
#include "engine/instance.h"

#include <string.h>

void partition_push(struct partition *partition, struct event *event)
{
	event_list_push(partition->held ? &partition->hold : &partition->owner->waiting, event);
}

void partition_hold(struct partition *partition)
{
	struct instance *owner = partition->owner;

	if (partition->held)
		return;
	partition->held = true;
	event_list_extract(
		&owner->waiting, partition_number(owner->function, partition), &partition->hold);
}

void partition_return(struct partition *partition, struct event_list *events)
{
	if (events->count == 0)
		return;
	partition_hold(partition);
	event_list_merge(&partition->hold, events);
}

void partitions_return(struct function *function, struct event_list *events)
{
	struct event_list apart[PARTITIONS] = {0};
	struct event *event;

	while ((event = event_list_take(events)))
		event_list_push(&apart[event->partition], event);
	for (unsigned int i = 0; i < PARTITIONS; i++)
		partition_return(&function->partitions[i], &apart[i]);
}

void partition_unload(struct partition *partition)
{
	partition_hold(partition);
	partition->loaded = false;
	partition->generation = 0;
	residents_done(&partition->residents);
	if (partition->is_tracked)
		partition->owner->function->tracked_partitions--;
	partition->is_tracked = false;
	partition->is_partial = false;
	partition->looked_at = 0;
	partition->sent = 0;
	partition->done = 0;
}

/* A function of that name was removed a moment ago, and its last result is not back. */
static bool waits_for_predecessor(const struct function *function)
{
	for (struct function *other = function->engine->functions; other; other = other->next)
		if (other->removed && strcmp(other->name, function->name) == 0)
			return true;
	return false;
}

static void move(struct function *function, struct partition *partition)
{
	struct instance *from = partition->owner;

	instance_drop(from, partition);
	partition_unload(partition);
	partition->owner = partition->next;
	partition->next = NULL;
	partition->since = partition->owner->batches_sent;
	function->stats.moves++;
	if (from->leaving)
		function_dispatch_soon(function); /* it may have been the last one there */
}

/* True if it can leave its owner: all that the worker had of it is durable. */
static bool may_move(struct partition *partition)
{
	if (partition->sent > 0)
		return false;
	if (partition->done > 0)
		instance_collect(partition->owner);
	return partition->done == 0 && partition->undurable == 0;
}

void partition_advance(struct function *function, struct partition *partition)
{
	if (!partition->held || !partition->owner)
		return;
	if (partition->next) {
		if (!may_move(partition))
			return;
		move(function, partition);
	}
	/* What was skipped comes back first; what is being committed would be missing in the state. */
	if (partition->sent > 0 || !instance_is_up(partition->owner))
		return;
	if (!partition->loaded) {
		if (partition->undurable == 0 && !waits_for_predecessor(function))
			function_dispatch_soon(function);
		return;
	}
	if (partition->retry_at_ns != 0)
		return;
	partition->held = false;
	event_list_merge(&partition->owner->waiting, &partition->hold);
	function_dispatch_soon(function);
}

void partitions_advance(struct function *function)
{
	for (unsigned int i = 0; i < PARTITIONS; i++)
		partition_advance(function, &function->partitions[i]);
}

bool partition_may_load(const struct function *function, const struct partition *partition)
{
	return partition->held && !partition->loaded && !partition->next &&
	       partition->undurable == 0 && !waits_for_predecessor(function);
}

/* ---- sharing out ---- */

/* Where a partition is, or is going to; NULL: nowhere that stays. */
static struct instance *home(const struct partition *partition)
{
	struct instance *instance = partition->next ? partition->next : partition->owner;

	return instance && !instance->leaving ? instance : NULL;
}

static unsigned int count_homes(const struct function *function, const struct instance *instance)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < PARTITIONS; i++)
		count += home(&function->partitions[i]) == instance;
	return count;
}

static void settle_in(
	struct function *function, struct partition *partition, struct instance *instance)
{
	if (!partition->owner) {
		partition->owner = instance;
		partition->since = instance->batches_sent;
	} else {
		partition->next = partition->owner == instance ? NULL : instance;
		partition_hold(partition);
	}
	partition_advance(function, partition);
}

/* The instance that stays and has fewest, or most. */
static struct instance *find_instance(const struct function *function, bool most)
{
	struct instance *found = NULL;
	unsigned int best = 0;

	for (unsigned int i = 0; i < function->instance_count; i++) {
		struct instance *instance = function->instances[i];
		unsigned int count = count_homes(function, instance);

		if (instance->leaving || (found && (most ? count <= best : count >= best)))
			continue;
		found = instance;
		best = count;
	}
	return found;
}

static struct partition *find_partition(struct function *function, const struct instance *at)
{
	for (unsigned int i = 0; i < PARTITIONS; i++)
		if (home(&function->partitions[i]) == at)
			return &function->partitions[i];
	return NULL;
}

void partitions_balance(struct function *function)
{
	struct partition *homeless;

	while ((homeless = find_partition(function, NULL)))
		settle_in(function, homeless, find_instance(function, false));
	for (;;) {
		struct instance *most = find_instance(function, true);
		struct instance *fewest = find_instance(function, false);

		if (count_homes(function, most) <= count_homes(function, fewest) + 1)
			return;
		settle_in(function, find_partition(function, most), fewest);
	}
}
