// SPDX-License-Identifier: BSD-2-Clause
#include "agent/volumes.h"

#include "agent/id_index.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define QUEUED     32 /* a power of two, above FAR */
#define NEAR       8  /* calls from taking a count to looking at its bucket, */
#define FAR        16 /* ... and to adding it: see agent/flows.c */
#define CANDIDATES 8  /* of which one is displaced */
#define CHANCE     16 /* an address that brings so many packets has a place for certain */
#define TIME_SHIFT 20

/* Of one kind. */
struct records {
	struct id_index index;
	struct volume *volumes; /* and behind the last one the rest */
	void *index_memory;
	uint32_t used;
	uint32_t hand;
	struct volume *last; /* that was counted as shed; there are many of one target in a row */
};

struct count {
	enum fanout_kind kind;
	ip_addr address;
	uint64_t packets, size, shed;
	uint32_t last;
	uint64_t hash;
	struct volume *likely;
};

struct volumes {
	struct volumes_options options;
	struct records kinds[FANOUT_KINDS];
	struct count queue[QUEUED];
	uint32_t taken, looked_at, added;
	uint64_t random;
	uint16_t second;
};

/* ---- addresses ---- */

/* As flow_pool_hash(). */
static uint64_t address_hash(const struct volumes *volumes, const ip_addr *address)
{
	const uint64_t *seeds = volumes->options.seeds;
	uint64_t sum = seeds[0], mixed;
	uint32_t words[4];

	memcpy(words, address, sizeof(words));
	for (int i = 0; i < 4; i++)
		sum += seeds[1 + i] * words[i];
	mixed = (sum ^ sum >> 32) * 0xd6e8feb86659fd93ULL;
	return (sum >> 32 << 32) | mixed >> 32;
}

static inline bool address_equal(const ip_addr *a, const ip_addr *b)
{
	uint64_t left[2], right[2];

	memcpy(left, a, sizeof(left));
	memcpy(right, b, sizeof(right));
	return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

/* Of the address; `likely` may be its. */
static struct volume *find(
	const struct records *records, const ip_addr *address, uint64_t hash, struct volume *likely)
{
	struct id_index_walk walk;
	uint32_t id;

	if (likely && likely->packets && address_equal(&likely->address, address))
		return likely;
	walk = id_index_walk(&records->index, hash);
	while (id_index_next(&walk, &id)) {
		struct volume *volume = &records->volumes[id];

		if (volume->packets && address_equal(&volume->address, address))
			return volume;
	}
	return NULL;
}

/* ---- making it ---- */

/* What is there belongs to a window that began under another struct volumes. */
static void take_over(struct volumes *volumes, struct records *records)
{
	struct volume *of = records->volumes;

	for (uint32_t i = 0; i < volumes->options.max; i++) {
		struct volume *to = &of[records->used];

		if (of[i].packets == 0)
			continue;
		if (to != &of[i]) {
			*to = of[i];
			of[i] = (struct volume){0};
		}
		if (id_index_insert(
			    &records->index, address_hash(volumes, &to->address), records->used))
			records->used++;
		else
			volumes_give_up(volumes, (enum fanout_kind)(records - volumes->kinds), to);
	}
}

static int records_init(struct volumes *volumes, struct records *records, struct volume *memory)
{
	const uint32_t max = volumes->options.max;
	const size_t bytes = id_index_bytes(max);

	records->volumes = memory;
	records->index_memory = aligned_alloc(sizeof(struct id_index_bucket), bytes);
	if (!records->index_memory)
		return -ENOMEM;
	memset(records->index_memory, 0, bytes);
	id_index_init(&records->index, max, records->index_memory);
	take_over(volumes, records);
	return 0;
}

int volumes_new(const struct volumes_options *options, struct volumes **ret_volumes)
{
	_cleanup_(volumes_freep) struct volumes *volumes = NULL;

	if (options->max < 1 || options->max > ID_INDEX_MAX)
		return -EINVAL;
	volumes = calloc(1, sizeof(*volumes));
	if (!volumes)
		return -ENOMEM;
	volumes->options = *options;
	volumes->random = options->seeds[VOLUMES_SEEDS - 1] | 1;
	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++) {
		int r = records_init(volumes, &volumes->kinds[kind],
			&options->memory[(size_t)kind * (options->max + 1)]);

		if (r < 0)
			return r;
	}
	*ret_volumes = TAKE_PTR(volumes);
	return 0;
}

void volumes_free(struct volumes *volumes)
{
	if (!volumes)
		return;
	/* The memory outlives it. */
	volumes_flush(volumes);
	for (int kind = 0; kind < FANOUT_KINDS; kind++)
		free(volumes->kinds[kind].index_memory);
	free(volumes);
}

void volumes_set_limits(struct volumes *volumes, const struct volume_limits limits[FANOUT_KINDS])
{
	memcpy(volumes->options.limits, limits, sizeof(volumes->options.limits));
}

/* ---- limits ---- */

static bool reaches(uint64_t value, uint64_t limit)
{
	return limit && value >= limit;
}

static void check_limits(struct volumes *volumes, struct volume *volume, const struct count *count)
{
	const struct volume_limits *limits = &volumes->options.limits[count->kind];
	uint64_t packets;

	if (volume->second != volumes->second) {
		volume->second = volumes->second;
		volume->second_packets = 0;
		volume->second_size = 0;
		volume->told_now = 0;
	}
	packets = volume->second_packets + count->packets;
	volume->second_packets = (uint32_t)MIN(packets, UINT32_MAX);
	volume->second_size += count->size;
	if (volume->told_now ||
		!(reaches(packets, limits->packets) || reaches(volume->second_size, limits->bytes)))
		return;
	volume->told = volume->told_now = 1;
	volumes->options.reached(volumes->options.user, count->kind, volume);
}

/* ---- counting ---- */

void volume_add(struct volume *sum, const struct volume *volume)
{
	if (sum->packets == 0 || (int32_t)(volume->first - sum->first) < 0)
		sum->first = volume->first;
	if (sum->packets == 0 || (int32_t)(volume->last - sum->last) > 0)
		sum->last = volume->last;
	sum->packets += volume->packets;
	sum->size += volume->size;
	sum->shed += volume->shed;
}

static void add_to(struct volume *volume, const struct count *count)
{
	const struct volume more = {
		.packets = count->packets,
		.size = count->size,
		.first = count->last,
		.last = count->last,
	};

	volume->shed += count->shed;
	if (count->packets + count->size > 0)
		volume_add(volume, &more);
}

void volumes_give_up(struct volumes *volumes, enum fanout_kind kind, struct volume *volume)
{
	volume_add(volumes_rest(volumes, kind), volume);
	*volume = (struct volume){0};
}

/* xorshift64 (Marsaglia 2003). */
static bool is_lucky(struct volumes *volumes, uint64_t packets)
{
	volumes->random ^= volumes->random << 13;
	volumes->random ^= volumes->random >> 7;
	volumes->random ^= volumes->random << 17;
	return packets >= CHANCE || volumes->random % CHANCE < packets;
}

/* What was told of is not displaced before what was not. */
static uint64_t worth(const struct volume *volume)
{
	return volume->told ? UINT64_MAX : volume->packets;
}

static uint32_t displace(struct volumes *volumes, enum fanout_kind kind)
{
	struct records *records = &volumes->kinds[kind];
	const uint32_t end = MIN(records->hand + CANDIDATES, records->used);
	uint32_t least = records->hand;

	for (uint32_t id = least + 1; id < end; id++)
		if (worth(&records->volumes[id]) < worth(&records->volumes[least]))
			least = id;
	records->hand = end < records->used ? end : 0;
	id_index_remove(
		&records->index, address_hash(volumes, &records->volumes[least].address), least);
	volumes_give_up(volumes, kind, &records->volumes[least]);
	return least;
}

/* NULL: there is no place for it. */
static struct volume *begin(struct volumes *volumes, const struct count *count)
{
	struct records *records = &volumes->kinds[count->kind];
	const bool is_full = records->used == volumes->options.max;
	struct volume *volume;
	uint32_t id;

	/* Without room in the index there is as good as never none. */
	if ((is_full && !is_lucky(volumes, count->packets)) ||
		!id_index_has_room(&records->index, count->hash))
		return NULL;
	id = is_full ? displace(volumes, count->kind) : records->used++;
	(void)id_index_insert(&records->index, count->hash, id);
	volume = &records->volumes[id];
	volume->address = count->address;
	return volume;
}

static void add(struct volumes *volumes, const struct count *count)
{
	struct records *records = &volumes->kinds[count->kind];
	struct volume *volume = find(records, &count->address, count->hash, count->likely);

	/* A record without a packet would be none. */
	if (!volume && count->packets > 0)
		volume = begin(volumes, count);
	if (!volume) {
		add_to(volumes_rest(volumes, count->kind), count);
		return;
	}
	add_to(volume, count);
	if (count->shed > 0)
		records->last = volume;
	check_limits(volumes, volume, count);
}

static void look_at(const struct volumes *volumes, struct count *count)
{
	const struct records *records = &volumes->kinds[count->kind];
	struct id_index_walk walk = id_index_walk(&records->index, count->hash);
	uint32_t id;

	if (id_index_next(&walk, &id))
		count->likely = &records->volumes[id];
}

/* In turn, and fetching ahead: as flows_fold(). */
static void take(struct volumes *volumes, struct count *count)
{
	struct count *last = &volumes->queue[volumes->taken++ % QUEUED];

	count->hash = address_hash(volumes, &count->address);
	*last = *count;
	__builtin_prefetch(id_index_first(&volumes->kinds[count->kind].index, count->hash), 1);
	if (volumes->taken - volumes->looked_at > NEAR) {
		struct count *near = &volumes->queue[volumes->looked_at++ % QUEUED];

		look_at(volumes, near);
		__builtin_prefetch(near->likely ? near->likely : (void *)near, 1);
	}
	if (volumes->taken - volumes->added > FAR)
		add(volumes, &volumes->queue[volumes->added++ % QUEUED]);
}

void volumes_flush(struct volumes *volumes)
{
	while (volumes->added != volumes->taken)
		add(volumes, &volumes->queue[volumes->added++ % QUEUED]);
	volumes->looked_at = volumes->taken;
}

static struct count count_of(
	enum fanout_kind kind, const ip_addr *address, const struct flow_event *growth)
{
	return (struct count){
		.kind = kind,
		.address = *address,
		.packets = growth->count,
		.size = growth->size,
		.last = (uint32_t)(growth->last >> TIME_SHIFT),
	};
}

static void set_time(struct volumes *volumes, uint64_t now_ns)
{
	volumes->second = (uint16_t)(now_ns / NS_PER_SEC);
}

void volumes_count(struct volumes *volumes, const struct flow_event *growth, uint64_t now_ns)
{
	struct count source = count_of(FANOUT_SOURCE, &growth->srcip, growth);
	struct count target = count_of(FANOUT_TARGET, &growth->dstip, growth);

	set_time(volumes, now_ns);
	take(volumes, &source);
	take(volumes, &target);
}

void volumes_count_shed(struct volumes *volumes, const struct flow_event *growth, uint64_t now_ns)
{
	struct records *targets = &volumes->kinds[FANOUT_TARGET];
	struct count count = count_of(FANOUT_TARGET, &growth->dstip, growth);

	set_time(volumes, now_ns);
	count.shed = count.packets;
	add_to(volumes_rest(volumes, FANOUT_SOURCE), &count);
	if (!targets->last || !targets->last->packets ||
		!address_equal(&targets->last->address, &count.address)) {
		take(volumes, &count);
		return;
	}
	add_to(targets->last, &count);
	check_limits(volumes, targets->last, &count);
}

void volumes_note_shed(struct volumes *volumes, const struct flow_event *record)
{
	struct count source = {
		.kind = FANOUT_SOURCE, .address = record->srcip, .shed = record->count};
	struct count target = {
		.kind = FANOUT_TARGET, .address = record->dstip, .shed = record->count};

	take(volumes, &source);
	take(volumes, &target);
}

/* ---- reading ---- */

struct volume *volumes_find(
	const struct volumes *volumes, enum fanout_kind kind, const ip_addr *address)
{
	return find(&volumes->kinds[kind], address, address_hash(volumes, address), NULL);
}

struct volume *volumes_rest(const struct volumes *volumes, enum fanout_kind kind)
{
	return &volumes->kinds[kind].volumes[volumes->options.max];
}

struct volume *volumes_next(
	const struct volumes *volumes, enum fanout_kind kind, uint32_t *position)
{
	const struct records *records = &volumes->kinds[kind];

	while (*position < records->used) {
		struct volume *volume = &records->volumes[(*position)++];

		if (volume->packets)
			return volume;
	}
	return NULL;
}

void volumes_sum(const struct volumes *volumes, enum fanout_kind kind, struct volume *ret_sum)
{
	struct volume sum = *volumes_rest(volumes, kind);
	const struct volume *volume;
	uint32_t position = 0;

	while ((volume = volumes_next(volumes, kind, &position)))
		volume_add(&sum, volume);
	*ret_sum = sum;
}

uint32_t volumes_index(
	const struct volumes *volumes, enum fanout_kind kind, const struct volume *volume)
{
	return (uint32_t)(volume - volumes->kinds[kind].volumes);
}

bool volumes_are_empty(const struct volumes *volumes)
{
	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++)
		if (volumes->kinds[kind].used > 0 ||
			volumes_rest(volumes, (enum fanout_kind)kind)->packets > 0)
			return false;
	return volumes->added == volumes->taken;
}

void volumes_clear(struct volumes *volumes)
{
	for (uint32_t kind = 0; kind < FANOUT_KINDS; kind++) {
		struct records *records = &volumes->kinds[kind];

		memset(records->volumes, 0, records->used * sizeof(struct volume));
		*volumes_rest(volumes, kind) = (struct volume){0};
		memset(records->index_memory, 0, id_index_bytes(volumes->options.max));
		records->used = records->hand = 0;
		records->last = NULL;
	}
}

time_ns volume_time(uint32_t time, uint64_t now_ns)
{
	const uint32_t age = (uint32_t)(now_ns >> TIME_SHIFT) - time;

	return ((now_ns >> TIME_SHIFT) - age) << TIME_SHIFT;
}
