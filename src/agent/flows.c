// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flows.h"

#include "agent/flow_pool.h"
#include "base/clock.h"

#include <errno.h>

#define QUEUED      32 /* increments whose lines are being fetched; a power of two, above FAR */
#define NEAR        8  /* calls from taking an increment to looking at its bucket, */
#define FAR         16 /* ... and to folding it: a miss of the cache takes less */
#define CANDIDATES  8  /* of which one leaves a full table */
#define CLASSES     33 /* of growth: powers of two of 64 bytes */
#define SWEEPS      16 /* in the time after which a flow is idle */
#define ROUND_NS    (10 * NS_PER_SEC) /* in which each flow that changed has its turn */
#define GROWTH_MANY (1U << 24) /* bytes: is handed on at once, since growth is kept in 32 bits */
#define AGE_MAX     (1U << 30) /* 13 days: then an incarnation ends, or its times would be ambiguous */

_Static_assert(FLOWS_SEEDS == FLOW_POOL_SEEDS, "they are the pool's");

struct increment {
	struct flow_event event;
	uint64_t hash;
	struct flow *likely; /* whose it may be; NULL: nobody's, or not looked at */
	uint64_t now_ns;
};

struct flows {
	struct flows_options options;
	struct flow_pool pool;
	struct increment queue[QUEUED];
	uint32_t taken, looked_at, folded; /* count on */
	uint32_t hand;                     /* where to look for who leaves a full table */

	uint64_t untold; /* packets */
	uint64_t now_ns;
	uint64_t updated_ns;
	uint64_t updates_left; /* that the rate pays for, in units of 10^-9 */
	uint64_t ends_paid_ns; /* up to when the rate has paid for last records */
	uint32_t least;        /* class of growth of which is told */
	uint32_t round_at;     /* the word of flows whose turn it is */
	uint32_t sweep_at;     /* the word of flows that are looked at next; 0: at `sweep_ns` */
	uint64_t sweep_ns;
};

int flows_new(const struct flows_options *options, struct flows **ret_flows)
{
	_cleanup_(flows_freep) struct flows *flows = NULL;
	int r;

	if (options->max < 1 || options->max > ID_INDEX_MAX)
		return -EINVAL;
	flows = calloc(1, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	flows->options = *options;
	r = flow_pool_init(&flows->pool, options->max, options->seeds);
	if (r < 0)
		return r;
	*ret_flows = TAKE_PTR(flows);
	return 0;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	flow_pool_done(&flows->pool);
	free(flows);
}

size_t flows_count(const struct flows *flows)
{
	return flows->pool.count;
}

uint64_t flows_untold(const struct flows *flows)
{
	return flows->untold;
}

/* ---- records ---- */

/* From its first packet to its last one. */
static uint32_t age_of(const struct flow *flow, time_ns first)
{
	return flow->last - flow_time(first);
}

static struct flow_event record_of(const struct flows *flows, const struct flow *flow, bool ended)
{
	const time_ns first = flow_pool_history(&flows->pool, flow)->first;

	return (struct flow_event){
		.srcip = flow->srcip,
		.dstip = flow->dstip,
		.srcport = flow->srcport,
		.dstport = flow->dstport,
		.protocol = flow->protocol,
		.flags = flow->flags,
		.ended = ended,
		.first = first,
		.last = first + flow_time_to_ns(age_of(flow, first)),
		.count = flow->count,
		.size = flow->size,
	};
}

static void report(struct flows *flows, const struct flow *flow, bool ended, flow_fn fn)
{
	struct flow_history *history = flow_pool_history(&flows->pool, flow);
	const struct flow_event record = record_of(flows, flow, ended);

	flows->untold -= (uint32_t)flow->count - history->told_packets;
	history->told_packets = (uint32_t)flow->count;
	fn(flows->options.user, &record);
}

static void hand_on(struct flows *flows, const struct flow *flow, uint64_t count, uint64_t size)
{
	struct flow_history *history = flow_pool_history(&flows->pool, flow);
	struct flow_event growth = record_of(flows, flow, false);

	growth.count = count;
	growth.size = size;
	history->grown_packets += (uint32_t)count;
	history->grown_bytes += (uint32_t)size;
	if (flows->options.grown && count + size > 0)
		flows->options.grown(flows->options.user, &growth);
}

static void hand_on_growth(struct flows *flows, const struct flow *flow)
{
	const struct flow_history *history = flow_pool_history(&flows->pool, flow);

	hand_on(flows, flow, (uint32_t)flow->count - history->grown_packets,
		(uint32_t)flow->size - history->grown_bytes);
	flow_bits_clear(&flows->pool.grown, flow_pool_id(&flows->pool, flow));
}

static void leave(struct flows *flows, struct flow *flow, flow_fn fn)
{
	hand_on_growth(flows, flow);
	report(flows, flow, true, fn);
	flow_pool_release(&flows->pool, flow);
}

/* For one more last record. A second's worth may come at once. */
static bool pay_for_end(struct flows *flows)
{
	const uint32_t rate = flows->options.events_per_s;

	if (rate == 0)
		return true;
	if (flows->ends_paid_ns > flows->now_ns + NS_PER_SEC)
		return false;
	flows->ends_paid_ns = MAX(flows->ends_paid_ns, flows->now_ns) + NS_PER_SEC / rate;
	return true;
}

/* ---- folding ---- */

/* Of a few: one with a single packet, else the one that is idle longest. The table is full. */
static struct flow *choose_leaver(const struct flows *flows)
{
	const uint32_t now = flow_time(flows->now_ns);
	const uint32_t candidates = MIN(CANDIDATES, flows->pool.used - flows->hand);
	struct flow *leaver = &flows->pool.flows[flows->hand];

	for (uint32_t i = 1; i < candidates; i++) {
		struct flow *flow = &flows->pool.flows[flows->hand + i];
		const bool is_single = flow->count <= 1, was_single = leaver->count <= 1;

		if (is_single != was_single ? is_single : now - flow->folded > now - leaver->folded)
			leaver = flow;
	}
	return leaver;
}

/* False if the increment, having no more packets than who would have to go, is what is shed. */
static bool make_room(struct flows *flows, const struct flow_event *increment)
{
	const bool paid = pay_for_end(flows);
	struct flow *leaver = NULL;

	/* Who is there has a packet at least. */
	if (paid || increment->count > 1)
		leaver = choose_leaver(flows);
	if (!leaver || (!paid && increment->count <= leaver->count)) {
		flows->options.shed(flows->options.user, increment);
		flows->untold -= increment->count;
		return false;
	}
	leave(flows, leaver, paid ? flows->options.end : flows->options.shed);
	flows->hand += CANDIDATES;
	if (flows->hand >= flows->pool.used)
		flows->hand = 0;
	return true;
}

/* NULL: the increment was shed. */
static struct flow *begin(struct flows *flows, const struct increment *increment)
{
	const struct flow_event *event = &increment->event;
	struct flow *flow;

	if (flow_pool_is_full(&flows->pool) && !make_room(flows, event))
		return NULL;
	flow = flow_pool_add(&flows->pool, increment->hash, event);
	while (!flow) {
		leave(flows, flow_pool_neighbour(&flows->pool, increment->hash),
			flows->options.end);
		flow = flow_pool_add(&flows->pool, increment->hash, event);
	}
	flow->last = flow_time(event->first);
	flow_pool_history(&flows->pool, flow)->first = event->first;
	return flow;
}

static void fold(struct flows *flows, const struct increment *increment)
{
	const struct flow_event *event = &increment->event;
	const uint32_t last = flow_time(event->last);
	struct flow *flow = flow_pool_find(&flows->pool, increment->hash, event, increment->likely);

	if (!flow)
		flow = begin(flows, increment);
	if (!flow)
		return;
	flow->count += event->count;
	flow->size += event->size;
	flow->flags |= event->flags;
	/* The wall clock may have been set back. */
	if ((int32_t)(last - flow->last) > 0)
		flow->last = last;
	flow->folded = flow_time(increment->now_ns);
	flow_bits_set(&flows->pool.changed, flow_pool_id(&flows->pool, flow));
	flow_bits_set(&flows->pool.grown, flow_pool_id(&flows->pool, flow));
	if (event->size >= GROWTH_MANY)
		hand_on(flows, flow, event->count, event->size);
}

/*
 * An increment's way takes some calls: first its bucket is fetched, then the flow that is found there,
 * then it is folded. Meanwhile the misses of others are under way.
 */
void flows_fold(struct flows *flows, const struct flow_event *event, uint64_t now_ns)
{
	const struct flow_pool *pool = &flows->pool;
	struct increment *last = &flows->queue[flows->taken++ % QUEUED];

	flows->now_ns = now_ns;
	flows->untold += event->count;
	last->event = *event;
	last->hash = flow_pool_hash(pool, event);
	last->likely = NULL;
	last->now_ns = now_ns;
	__builtin_prefetch(id_index_first(&pool->index, last->hash), 1);
	if (flows->taken - flows->looked_at > NEAR) {
		struct increment *near = &flows->queue[flows->looked_at++ % QUEUED];

		near->likely = flow_pool_likely(pool, near->hash);
		if (near->likely)
			__builtin_prefetch(near->likely, 1);
	}
	if (flows->taken - flows->folded > FAR)
		fold(flows, &flows->queue[flows->folded++ % QUEUED]);
}

static void fold_all(struct flows *flows, uint64_t now_ns)
{
	while (flows->folded != flows->taken)
		fold(flows, &flows->queue[flows->folded++ % QUEUED]);
	flows->looked_at = flows->taken;
	flows->now_ns = now_ns;
}

/* ---- updates ---- */

static uint32_t in_64_bytes(uint64_t bytes)
{
	return (uint32_t)(bytes >> 6);
}

static void tell(struct flows *flows, struct flow *flow)
{
	report(flows, flow, false, flows->options.update);
	flow_pool_history(&flows->pool, flow)->told = in_64_bytes(flow->size);
	flow_bits_clear(&flows->pool.untold, flow_pool_id(&flows->pool, flow));
}

/* By how much it grew since it was told of, as a power of two. */
static uint32_t growth_class(const struct flows *flows, const struct flow *flow)
{
	const uint32_t told = flow_pool_history(&flows->pool, flow)->told;
	const uint32_t growth = in_64_bytes(flow->size) - told;

	return growth == 0 ? 0 : 32 - (uint32_t)__builtin_clz(growth);
}

/* The least class, so that of it and above there are no more than `most`. */
static uint32_t least_of(const uint32_t classes[static CLASSES], uint64_t most)
{
	uint32_t least = CLASSES;

	for (uint64_t sum = 0; least > 0; least--) {
		sum += classes[least - 1];
		if (sum > most)
			break;
	}
	return least;
}

/*
 * Leaves those of the changed flows that may be told of: what grew by less than was told of last time
 * would not be now. Sets what is told of this time.
 */
static void sift_changed(struct flows *flows, uint64_t most)
{
	struct flow_pool *pool = &flows->pool;
	uint32_t classes[CLASSES] = {0};

	for (uint32_t word = 0; word < flow_pool_words(pool); word++) {
		uint64_t bits = pool->changed.words[word];

		pool->untold.words[word] |= bits;
		while (bits) {
			struct flow *flow = flow_pool_take(pool, word, &bits);
			const uint32_t class = growth_class(flows, flow);

			classes[class]++;
			if (class < flows->least)
				flow_bits_clear(&pool->changed, flow_pool_id(pool, flow));
		}
	}
	flows->least = least_of(classes, most);
}

static uint64_t tell_changed(struct flows *flows, uint64_t most)
{
	struct flow_pool *pool = &flows->pool;
	uint64_t told = 0;

	sift_changed(flows, most);
	for (uint32_t word = 0; word < flow_pool_words(pool); word++) {
		uint64_t bits = pool->changed.words[word];

		pool->changed.words[word] = 0;
		while (bits) {
			struct flow *flow = flow_pool_take(pool, word, &bits);

			if (growth_class(flows, flow) < flows->least || told >= most)
				continue;
			tell(flows, flow);
			told++;
		}
	}
	return told;
}

/* Each flow that changed has its turn once a round, or more slowly if that is all that the rate allows. */
static uint64_t tell_untold(struct flows *flows, uint64_t elapsed_ns, uint64_t most)
{
	struct flow_pool *pool = &flows->pool;
	const uint32_t words = flow_pool_words(pool);
	uint64_t pace = words * MIN(elapsed_ns, NS_PER_SEC) / ROUND_NS + 1;
	uint64_t told = 0;

	for (; words > 0 && pace > 0 && told < most; pace--) {
		uint64_t bits;

		flows->round_at = flows->round_at < words ? flows->round_at : 0;
		bits = pool->untold.words[flows->round_at];
		for (; bits && told < most; told++)
			tell(flows, flow_pool_take(pool, flows->round_at, &bits));
		if (!bits)
			flows->round_at++;
	}
	return told;
}

/* How many updates the rate pays for; a second's worth at most. */
static uint64_t updates_paid(struct flows *flows, uint64_t elapsed_ns)
{
	const uint64_t rate = flows->options.events_per_s;

	if (rate == 0)
		return UINT64_MAX;
	flows->updates_left += rate * MIN(elapsed_ns, NS_PER_SEC);
	flows->updates_left = MIN(flows->updates_left, rate * NS_PER_SEC);
	return flows->updates_left / NS_PER_SEC;
}

void flows_update(struct flows *flows, uint64_t now_ns)
{
	const uint64_t elapsed_ns = now_ns - flows->updated_ns;
	const uint64_t most = updates_paid(flows, elapsed_ns);
	uint64_t told;

	fold_all(flows, now_ns);
	flows->updated_ns = now_ns;
	/* Half at most, so that those that grow fast do not wait for those that do not. */
	told = tell_untold(flows, elapsed_ns, most / 2);
	told += tell_changed(flows, most - told);
	if (flows->options.events_per_s > 0)
		flows->updates_left -= told * NS_PER_SEC;
}

void flows_hand_on_growth(struct flows *flows)
{
	struct flow_pool *pool = &flows->pool;

	fold_all(flows, flows->now_ns);
	for (uint32_t word = 0; word < flow_pool_words(pool); word++)
		for (uint64_t bits = pool->grown.words[word]; bits;)
			hand_on_growth(flows, flow_pool_take(pool, word, &bits));
}

/* ---- ends ---- */

static bool is_over(const struct flows *flows, const struct flow *flow)
{
	const uint32_t idle = flow_time(flows->now_ns) - flow->folded;
	const time_ns first = flow_pool_history(&flows->pool, flow)->first;

	return flow_time_to_ns(idle) >= flows->options.idle_ns || age_of(flow, first) > AGE_MAX;
}

/* False if the rate does not pay for all that should end. */
static bool expire_word(struct flows *flows, uint32_t word)
{
	for (uint64_t bits = flows->pool.in_use.words[word]; bits;) {
		struct flow *flow = flow_pool_take(&flows->pool, word, &bits);

		if (!is_over(flows, flow))
			continue;
		if (!pay_for_end(flows))
			return false;
		leave(flows, flow, flows->options.end);
	}
	return true;
}

void flows_expire(struct flows *flows, uint64_t now_ns)
{
	fold_all(flows, now_ns);
	if (flows->sweep_at == 0 && now_ns < flows->sweep_ns)
		return;
	for (; flows->sweep_at < flow_pool_words(&flows->pool); flows->sweep_at++)
		if (!expire_word(flows, flows->sweep_at))
			return;
	flows->sweep_at = 0;
	flows->sweep_ns = now_ns + flows->options.idle_ns / SWEEPS;
}

void flows_end(struct flows *flows)
{
	fold_all(flows, flows->now_ns);
	for (uint32_t word = 0; word < flow_pool_words(&flows->pool); word++)
		for (uint64_t bits = flows->pool.in_use.words[word]; bits;)
			leave(flows, flow_pool_take(&flows->pool, word, &bits), flows->options.end);
}
