// SPDX-License-Identifier: BSD-2-Clause
#include "agent/class_tally.h"

#include <string.h>

static struct class_tally_batch *batch_at(struct class_tally *tally, uint64_t number)
{
	return &tally->batches[number % CLASS_TALLY_BATCHES];
}

void class_tally_add(
	struct class_tally *tally, enum spool_class class, uint64_t events, uint64_t end)
{
	struct class_tally_batch *batch;

	if (tally->tail - tally->head < CLASS_TALLY_BATCHES)
		memset(batch_at(tally, tally->tail++), 0, sizeof(*batch));
	batch = batch_at(tally, tally->tail - 1);
	batch->events[class] += events;
	batch->end = end;
}

static void settle_first(struct class_tally *tally, uint64_t counts[static SPOOL_CLASSES])
{
	const struct class_tally_batch *batch = batch_at(tally, tally->head++);

	for (int class = 0; class < SPOOL_CLASSES; class ++)
		counts[class] += batch->events[class];
}

void class_tally_settle(
	struct class_tally *tally, uint64_t before, uint64_t counts[static SPOOL_CLASSES])
{
	while (tally->head < tally->tail && batch_at(tally, tally->head)->end <= before)
		settle_first(tally, counts);
}

void class_tally_clear(struct class_tally *tally, uint64_t counts[static SPOOL_CLASSES])
{
	while (tally->head < tally->tail)
		settle_first(tally, counts);
}

uint64_t class_tally_outstanding(const struct class_tally *tally, enum spool_class class)
{
	uint64_t sum = 0;

	for (uint64_t i = tally->head; i < tally->tail; i++)
		sum += tally->batches[i % CLASS_TALLY_BATCHES].events[class];
	return sum;
}
