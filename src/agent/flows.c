// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flows.h"

#include "account.h"
#include "base/table.h"

#include <errno.h>

struct flow {
	struct table_entry entry;
	struct flow_key key;
	struct flow_event record;
	uint64_t folded_ns; /* when the last increment came */
	uint64_t round;     /* of the last increment */
	struct flow *newer, *older;
};

struct flows {
	struct flows_options options;
	struct table table;
	struct flow *pool;
	size_t pool_used; /* entries that were ever used: untouched memory costs nothing */
	struct flow *free;
	/* By the last increment. So what changed in this round is together at the newest end. */
	struct flow *newest, *oldest;
	uint64_t round; /* counts flows_update() */
};

int flows_new(const struct flows_options *options, struct flows **ret_flows)
{
	_cleanup_(flows_freep) struct flows *flows = calloc(1, sizeof(*flows));
	int r;

	if (!flows)
		return -ENOMEM;
	flows->options = *options;
	flows->round = 1;
	flows->pool = calloc(options->max, sizeof(*flows->pool));
	if (!flows->pool)
		return -ENOMEM;
	r = table_init(&flows->table, options->max,
		(ptrdiff_t)offsetof(struct flow, key) - (ptrdiff_t)offsetof(struct flow, entry),
		sizeof(struct flow_key), &options->secret);
	if (r < 0)
		return r;
	*ret_flows = TAKE_PTR(flows);
	return 0;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	table_done(&flows->table);
	free(flows->pool);
	free(flows);
}

size_t flows_count(const struct flows *flows)
{
	return flows->table.count;
}

static void list_remove(struct flows *flows, struct flow *flow)
{
	*(flow->newer ? &flow->newer->older : &flows->newest) = flow->older;
	*(flow->older ? &flow->older->newer : &flows->oldest) = flow->newer;
	flow->newer = flow->older = NULL;
}

static void list_put_newest(struct flows *flows, struct flow *flow)
{
	flow->older = flows->newest;
	*(flows->newest ? &flows->newest->newer : &flows->oldest) = flow;
	flows->newest = flow;
}

static void flow_end(struct flows *flows, struct flow *flow)
{
	flow->record.ended = 1;
	flows->options.end(flows->options.user, &flow->record);
	table_remove(&flows->table, &flow->entry);
	list_remove(flows, flow);
	flow->newer = flows->free;
	flows->free = flow;
}

static struct flow *flow_take_free(struct flows *flows)
{
	struct flow *flow = flows->free;

	if (!flow && flows->pool_used < flows->options.max)
		return &flows->pool[flows->pool_used++];
	if (!flow) {
		flow_end(flows, flows->oldest);
		flow = flows->free;
	}
	flows->free = flow->newer;
	return flow;
}

static struct flow *flow_new(
	struct flows *flows, const struct flow_key *key, const struct flow_event *increment)
{
	struct flow *flow = flow_take_free(flows);

	*flow = (struct flow){.key = *key, .record = *increment};
	flow->record.count = 0;
	flow->record.size = 0;
	flow->record.ended = 0;
	table_insert(&flows->table, &flow->entry);
	return flow;
}

void flows_fold(struct flows *flows, const struct flow_event *increment, uint64_t now_ns)
{
	const struct flow_key key = {
		.srcip = increment->srcip,
		.dstip = increment->dstip,
		.srcport = increment->srcport,
		.dstport = increment->dstport,
		.protocol = increment->protocol,
	};
	struct table_entry *found = table_find(&flows->table, &key);
	struct flow *flow;

	if (found) {
		flow = container_of(found, struct flow, entry);
		list_remove(flows, flow);
	} else {
		flow = flow_new(flows, &key, increment);
	}
	flow->record.count += increment->count;
	flow->record.size += increment->size;
	flow->record.flags |= increment->flags;
	/* The wall clock may have been set back. */
	flow->record.last = MAX(flow->record.last, increment->last);
	flow->folded_ns = now_ns;
	flow->round = flows->round;
	list_put_newest(flows, flow);
}

void flows_update(struct flows *flows)
{
	for (struct flow *flow = flows->newest; flow && flow->round == flows->round;
		flow = flow->older)
		flows->options.update(flows->options.user, &flow->record);
	flows->round++;
}

void flows_expire(struct flows *flows, uint64_t now_ns)
{
	while (flows->oldest && now_ns - flows->oldest->folded_ns >= flows->options.idle_ns)
		flow_end(flows, flows->oldest);
}

void flows_end(struct flows *flows)
{
	while (flows->oldest)
		flow_end(flows, flows->oldest);
}
