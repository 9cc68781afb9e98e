// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flow_table.h"

#include "flow_slots.h"

#include <assert.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define BITS_MAX     24 /* buckets or records a CPU */
#define WORD_SLOTS   64 /* slots in a word of bits */
#define LINE_WORDS   8  /* words of bits in a cache line */
#define WORD_BUCKETS (WORD_SLOTS / FLOW_WAYS)
#define PREFETCH     8  /* records */
#define BATCH        64 /* slots */
#define TICKS_AHEAD  (1U << 20)

/* One map's memory. */
struct mapping {
	void *at;
	size_t bytes;
};

/* Slots of one kind, all CPUs' one after the other. */
struct family {
	bool is_ip6; /* as is what was shed */
	bool is_shed;
	struct mapping slots, touched, seen;
	size_t words; /* of bits */
};

struct flow_table {
	uint64_t tick_ns;
	uint32_t cpu_count;
	uint32_t ring_bits;
	struct family family4, family6, shed;
	struct mapping ring, cpus, tails;
	uint64_t collected_tick; /* of the last collection: what is handed on now is later */
	bool look_at_all;        /* the next collection trusts no touched bit */
};

/* ---- sizes ---- */

static int bits_for(uint64_t units, uint32_t least, uint32_t *ret_bits)
{
	const uint32_t bits = units > 0 ? 63 - (uint32_t)__builtin_clzll(units) : 0;

	if (units == 0 || bits < least || bits > BITS_MAX)
		return -EINVAL;
	*ret_bits = bits;
	return 0;
}

/* Any odd-looking numbers do, if they are always the same. */
static void seeds_set(struct flow_settings *s)
{
	for (uint64_t i = 0; i < ARRAY_SIZE(s->seeds); i++)
		s->seeds[i] = (i + 1) * 0xd1342543de82ef95ULL;
}

static int settings_fill(
	const struct flow_table_options *options, struct flow_settings *ret_settings)
{
	/* At least a cache line of bits: no two CPUs write to the same one. */
	const uint32_t least = __builtin_ctz(WORD_BUCKETS * LINE_WORDS);
	const uint32_t cpus = options->cpu_count;
	struct flow_settings s = {0};
	uint64_t stale;
	int r;

	if (cpus == 0 || options->tick_ns == 0)
		return -EINVAL;
	r = bits_for(options->slots4 / cpus / FLOW_WAYS, least, &s.bucket4_bits);
	if (r == 0)
		r = bits_for(options->slots6 / cpus / FLOW_WAYS, least, &s.bucket6_bits);
	if (r == 0)
		r = bits_for(options->slots_shed / cpus / FLOW_WAYS, least, &s.bucket_shed_bits);
	if (r == 0)
		r = bits_for(options->ring_records / cpus, 0, &s.ring_bits);
	if (r < 0)
		return r;
	stale = options->stale_ns / options->tick_ns;
	s.stale_ticks = (uint32_t)MIN(stale, FLOW_TICK_MASK / 2);
	s.one_cpu = options->repeatable;
	if (options->repeatable)
		seeds_set(&s);
	else if (getrandom(s.seeds, sizeof(s.seeds), 0) != sizeof(s.seeds))
		return -EIO;
	*ret_settings = s;
	return 0;
}

static int map_resize(struct bpf_object *object, const char *name, uint64_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		return -ENOENT;
	if (entries > UINT32_MAX / WORD_SLOTS)
		return -EINVAL;
	return bpf_map__set_max_entries(map, (uint32_t)entries);
}

int flow_table_prepare(const struct flow_table_options *options, struct bpf_object *object,
	struct flow_settings *ret_settings)
{
	const uint64_t cpus = options->cpu_count;
	struct flow_settings s;
	int r = settings_fill(options, &s);

	if (r < 0)
		return r;
	const struct {
		const char *name;
		uint64_t entries;
	} maps[] = {
		{"flow_table4", cpus << s.bucket4_bits},
		{"flow_table6", cpus << s.bucket6_bits},
		{"flow_table_shed", cpus << s.bucket_shed_bits},
		{"flow_touched4", (cpus << s.bucket4_bits) / WORD_BUCKETS},
		{"flow_touched6", (cpus << s.bucket6_bits) / WORD_BUCKETS},
		{"flow_touched_shed", (cpus << s.bucket_shed_bits) / WORD_BUCKETS},
		{"flow_seen4", (cpus << s.bucket4_bits) * FLOW_WAYS},
		{"flow_seen6", (cpus << s.bucket6_bits) * FLOW_WAYS},
		{"flow_seen_shed", (cpus << s.bucket_shed_bits) * FLOW_WAYS},
		{"flow_ring", cpus << s.ring_bits},
		{"flow_cpus", cpus},
		{"flow_tails", cpus},
	};
	for (size_t i = 0; i < ARRAY_SIZE(maps) && r == 0; i++)
		r = map_resize(object, maps[i].name, maps[i].entries);
	if (r == 0)
		*ret_settings = s;
	return r;
}

int flow_table_share(struct bpf_object *object, const struct bpf_object *owner)
{
	static const char *const names[] = {"flow_table4", "flow_table6", "flow_table_shed",
		"flow_touched4", "flow_touched6", "flow_touched_shed", "flow_seen4", "flow_seen6",
		"flow_seen_shed", "flow_ring", "flow_cpus", "flow_tails"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, names[i]);
		const struct bpf_map *owners = bpf_object__find_map_by_name(owner, names[i]);
		int r = map && owners ? bpf_map__reuse_fd(map, bpf_map__fd(owners)) : -ENOENT;

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- mappings ---- */

static int mapping_open(
	const struct bpf_object *object, const char *name, struct mapping *ret_mapping)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	struct mapping m;

	if (!map)
		return -ENOENT;
	m.bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	m.at = mmap(NULL, m.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (m.at == MAP_FAILED)
		return -errno;
	*ret_mapping = m;
	return 0;
}

static void mapping_close(struct mapping *m)
{
	if (m->at)
		munmap(m->at, m->bytes);
}

static int family_open(const struct bpf_object *object, const char *kind, struct family *family)
{
	char name[32];
	int r;

	family->is_shed = strcmp(kind, "_shed") == 0;
	family->is_ip6 = family->is_shed || strcmp(kind, "6") == 0;
	snprintf(name, sizeof(name), "flow_table%s", kind);
	r = mapping_open(object, name, &family->slots);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "flow_touched%s", kind);
	r = mapping_open(object, name, &family->touched);
	if (r < 0)
		return r;
	family->words = family->touched.bytes / sizeof(uint64_t);
	snprintf(name, sizeof(name), "flow_seen%s", kind);
	return mapping_open(object, name, &family->seen);
}

static void family_close(struct family *family)
{
	mapping_close(&family->slots);
	mapping_close(&family->touched);
	mapping_close(&family->seen);
}

int flow_table_open(const struct flow_table_options *options, const struct flow_settings *settings,
	const struct bpf_object *object, struct flow_table **ret_table)
{
	_cleanup_(flow_table_closep) struct flow_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->tick_ns = options->tick_ns;
	table->cpu_count = options->cpu_count;
	table->ring_bits = settings->ring_bits;
	r = family_open(object, "4", &table->family4);
	if (r == 0)
		r = family_open(object, "6", &table->family6);
	if (r == 0)
		r = family_open(object, "_shed", &table->shed);
	if (r == 0)
		r = mapping_open(object, "flow_ring", &table->ring);
	if (r == 0)
		r = mapping_open(object, "flow_cpus", &table->cpus);
	if (r == 0)
		r = mapping_open(object, "flow_tails", &table->tails);
	if (r == 0)
		*ret_table = TAKE_PTR(table);
	return r;
}

void flow_table_resume(struct flow_table *table, uint64_t collected_tick)
{
	table->collected_tick = collected_tick;
	table->look_at_all = true;
}

void flow_table_close(struct flow_table *table)
{
	if (!table)
		return;
	family_close(&table->family4);
	family_close(&table->family6);
	family_close(&table->shed);
	mapping_close(&table->ring);
	mapping_close(&table->cpus);
	mapping_close(&table->tails);
	free(table);
}

/* ---- from counters to increments ---- */

/* What a collection works with. */
struct collection {
	struct flow_table *table;
	const struct flow_sink *sink;
	struct flow_time now;
	size_t count;    /* increments handed on */
	bool is_of_shed; /* what is read now */
};

static uint64_t tick_to_ns(const struct collection *c, uint64_t tick)
{
	return c->now.unix_ns - (c->now.tick - tick) * c->table->tick_ns;
}

/* The kernel keeps a tick's lower bits. It is before `now`, or a little after: time goes on. */
static uint64_t tick_widen(uint64_t low, uint64_t now)
{
	return now + TICKS_AHEAD - ((now + TICKS_AHEAD - low) & FLOW_TICK_MASK);
}

static uint32_t seen_packets(const struct flow_seen *seen)
{
	return (uint32_t)seen->packets_high << 8 | (uint32_t)seen->packets_low;
}

/* Stored by one instruction: whoever reads on after this process was killed finds no half of it. */
typedef uint64_t __attribute__((vector_size(16), may_alias)) seen_vector;

static void seen_set(struct flow_seen *seen, const struct flow_tally *tally)
{
	const struct flow_seen now = {
		.birth = tally->times >> FLOW_TICK_BITS,
		.packets_high = tally->packets >> 8,
		.packets_low = tally->packets & 0xff,
		.bytes = tally->size >> 16,
	};
	seen_vector words;

	memcpy(&words, &now, sizeof(words));
	*(seen_vector *)seen = words;
}

/*
 * Hands on what the tally has more than was seen of the same incarnation. Times: an incarnation's
 * first increment begins with it, a later one after the last collection (or with its last packet, if
 * that was another reader's).
 */
static void hand_on(struct collection *c, struct flow_event *event, const struct flow_tally *tally,
	const struct flow_seen *seen)
{
	const struct flow_table *table = c->table;
	const uint64_t birth = tally->times >> FLOW_TICK_BITS;
	const bool is_new = seen->birth != birth;
	const uint64_t last = tick_widen(tally->times & FLOW_TICK_MASK, c->now.tick);
	const uint64_t first =
		is_new ? tick_widen(birth >> FLOW_BIRTH_BITS, c->now.tick) : table->collected_tick;

	event->count = tally->packets - (is_new ? 0 : seen_packets(seen));
	event->size = (tally->size >> 16) - (is_new ? 0 : seen->bytes);
	if (event->count == 0 && event->size == 0)
		return;
	event->srcport = (uint16_t)(tally->ports >> 16);
	event->dstport = (uint16_t)tally->ports;
	event->protocol = (uint8_t)tally->size;
	event->flags = (uint8_t)(tally->size >> 8);
	event->first = tick_to_ns(c, first > 0 && first < last ? first : last);
	event->last = tick_to_ns(c, last);
	event->ended = 0;
	event->pad = 0;
	if (!c->is_of_shed)
		c->sink->flow(c->sink->user, event);
	else if (c->sink->shed)
		c->sink->shed(c->sink->user, event);
	c->count++;
}

/* ---- the rings ---- */

static struct flow_seen *seen_at(const struct family *family, size_t index)
{
	return (struct flow_seen *)family->seen.at + index;
}

static struct flow_seen *seen_of(struct flow_table *table, uint64_t origin)
{
	struct family *family = origin & 1 ? &table->family6 : &table->family4;

	/* The kernel wrote it, but these are our pointers. */
	return seen_at(family, (origin >> 1) % (family->words * WORD_SLOTS));
}

/* Gives what was seen of the record's slot. */
static struct flow_seen *hand_on_record(struct collection *c, const struct flow_slot6 *record)
{
	struct flow_seen *seen = seen_of(c->table, record->origin);
	struct flow_event event;

	event.srcip = record->srcip;
	event.dstip = record->dstip;
	hand_on(c, &event, &record->tally, seen);
	return seen;
}

static size_t drain_cpu(struct collection *c, uint32_t cpu, size_t max)
{
	const struct flow_table *table = c->table;
	const struct flow_cpu *kernel = (const struct flow_cpu *)table->cpus.at + cpu;
	struct flow_tail *tail = (struct flow_tail *)table->tails.at + cpu;
	const uint64_t size = 1ULL << table->ring_bits;
	const struct flow_slot6 *ring = (const struct flow_slot6 *)table->ring.at + cpu * size;
	const uint64_t head = __atomic_load_n(&kernel->ring_head, __ATOMIC_ACQUIRE);
	const uint64_t from = tail->ring_tail;
	const uint64_t end = from + MIN(head - from, max);
	const struct flow_slot6 *record;
	struct flow_seen *seen;
	uint64_t birth;

	for (uint64_t at = from; at < end; at++) {
		__builtin_prefetch(&ring[(at + 2 * PREFETCH) & (size - 1)]);
		if (at + PREFETCH < end) {
			const uint64_t ahead = (at + PREFETCH) & (size - 1);

			__builtin_prefetch(seen_of(c->table, ring[ahead].origin), 1);
		}
		record = &ring[at & (size - 1)];
		birth = record->tally.times >> FLOW_TICK_BITS;
		seen = hand_on_record(c, record);
		/*
		 * Whoever reads on after this process was killed here must not take the record for
		 * one that was never seen: the tail first. The kernel may overwrite it then.
		 */
		__atomic_store_n(&tail->ring_tail, at + 1, __ATOMIC_RELEASE);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		/* The incarnation is done with; if another one's was seen, then not before this. */
		if (seen->birth == birth)
			*seen = (struct flow_seen){0};
	}
	return end - from;
}

size_t flow_table_drain(struct flow_table *table, const struct flow_time *now, size_t max,
	const struct flow_sink *sink)
{
	struct collection c = {.table = table, .sink = sink, .now = *now};
	size_t count = 0;

	for (uint32_t cpu = 0; cpu < table->cpu_count; cpu++)
		count += drain_cpu(&c, cpu, max);
	return count;
}

size_t flow_table_backlog(const struct flow_table *table, size_t *ret_capacity)
{
	uint64_t most = 0;

	for (uint32_t cpu = 0; cpu < table->cpu_count; cpu++) {
		const struct flow_cpu *kernel = (const struct flow_cpu *)table->cpus.at + cpu;
		const struct flow_tail *tail = (const struct flow_tail *)table->tails.at + cpu;
		const uint64_t head = __atomic_load_n(&kernel->ring_head, __ATOMIC_RELAXED);

		most = MAX(most, head - tail->ring_tail);
	}
	*ret_capacity = 1ULL << table->ring_bits;
	return most;
}

/* ---- the slots ---- */

static const struct flow_tally *slot_tally(const struct family *family, size_t index)
{
	if (family->is_ip6)
		return &((const struct flow_slot6 *)family->slots.at)[index].tally;
	return &((const struct flow_slot4 *)family->slots.at)[index].tally;
}

static void set_mapped(ip_addr *to, uint32_t address_be)
{
	memset(to->bytes, 0, 10);
	memset(to->bytes + 10, 0xff, 2);
	memcpy(to->bytes + 12, &address_be, 4);
}

static void copy_addresses(const struct family *family, size_t index, struct flow_event *event)
{
	if (family->is_ip6) {
		const struct flow_slot6 *slot = (const struct flow_slot6 *)family->slots.at + index;

		event->srcip = slot->srcip;
		event->dstip = slot->dstip;
	} else {
		const struct flow_slot4 *slot = (const struct flow_slot4 *)family->slots.at + index;

		set_mapped(&event->srcip, slot->srcip);
		set_mapped(&event->dstip, slot->dstip);
	}
}

/*
 * Copies a slot that the kernel may be writing. False if it is empty or changed its incarnation in
 * the meantime: then the kernel sets its bit when it is done. Packets and bytes may be those before
 * and after the same packet; then the bit is set again as well.
 */
static bool slot_read(const struct family *family, size_t index, struct flow_event *ret_event,
	struct flow_tally *ret_tally)
{
	const struct flow_tally *tally = slot_tally(family, index);
	const uint64_t times = __atomic_load_n(&tally->times, __ATOMIC_ACQUIRE);

	if (times == 0)
		return false;
	copy_addresses(family, index, ret_event);
	ret_tally->ports = __atomic_load_n(&tally->ports, __ATOMIC_RELAXED);
	ret_tally->packets = __atomic_load_n(&tally->packets, __ATOMIC_RELAXED);
	ret_tally->size = __atomic_load_n(&tally->size, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret_tally->times = __atomic_load_n(&tally->times, __ATOMIC_RELAXED);
	return (ret_tally->times ^ times) >> FLOW_TICK_BITS == 0;
}

static void collect_slot(struct collection *c, struct family *family, size_t index)
{
	const size_t per_cpu = family->words * WORD_SLOTS / c->table->cpu_count;
	struct flow_seen *seen = seen_at(family, index);
	struct flow_event event;
	struct flow_tally tally;

	if (!slot_read(family, index, &event, &tally))
		return;
	/*
	 * Another incarnation was seen here: if it was a flow's, its record has been in the ring since before this one
	 * began, and must be read while `seen` is still about it. After that the slot must be read
	 * again, for what was just read from it may be among the records.
	 */
	if (!family->is_shed && seen->birth != 0 && seen->birth != tally.times >> FLOW_TICK_BITS) {
		drain_cpu(c, (uint32_t)(index / per_cpu), SIZE_MAX);
		if (!slot_read(family, index, &event, &tally))
			return;
	}
	hand_on(c, &event, &tally, seen);
	seen_set(seen, &tally);
}

/*
 * Touched words and slots are read in batches: by the time of a batch's last, its first is in the
 * cache.
 */
struct batch {
	struct family *family;
	size_t word_count, slot_count;
	size_t words[BATCH];
	size_t slots[BATCH + WORD_SLOTS];
};

static void batch_collect_slots(struct collection *c, struct batch *batch)
{
	for (size_t i = 0; i < batch->slot_count; i++)
		collect_slot(c, batch->family, batch->slots[i]);
	batch->slot_count = 0;
}

static void batch_add_slots(struct batch *batch, size_t first, uint64_t bits)
{
	for (; bits; bits &= bits - 1) {
		const size_t index = first + (size_t)__builtin_ctzll(bits);

		__builtin_prefetch(slot_tally(batch->family, index));
		__builtin_prefetch(seen_at(batch->family, index), 1);
		batch->slots[batch->slot_count++] = index;
	}
}

static void batch_take_words(struct collection *c, struct batch *batch)
{
	uint64_t *touched = batch->family->touched.at;

	for (size_t i = 0; i < batch->word_count; i++) {
		const size_t word = batch->words[i];

		/* A full barrier: what the bits announced can be read now. */
		uint64_t bits = __atomic_exchange_n(&touched[word], 0, __ATOMIC_SEQ_CST);

		if (c->table->look_at_all)
			bits = UINT64_MAX;
		batch_add_slots(batch, word * WORD_SLOTS, bits);
		if (batch->slot_count >= BATCH)
			batch_collect_slots(c, batch);
	}
	batch->word_count = 0;
}

static void batch_add_word(struct collection *c, struct batch *batch, size_t word)
{
	const uint64_t *touched = batch->family->touched.at;

	if (__atomic_load_n(&touched[word], __ATOMIC_RELAXED) == 0 && !c->table->look_at_all)
		return;
	__builtin_prefetch(&touched[word], 1);
	batch->words[batch->word_count++] = word;
	if (batch->word_count >= BATCH)
		batch_take_words(c, batch);
}

/* Most of a large table's lines of bits are empty. */
static bool is_line_touched(const uint64_t *words)
{
	uint64_t any = 0;

	for (size_t i = 0; i < LINE_WORDS; i++)
		any |= __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	return any != 0;
}

static void collect_family(struct collection *c, struct family *family)
{
	const uint64_t *touched = family->touched.at;
	struct batch batch = {.family = family};

	for (size_t line = 0; line < family->words; line += LINE_WORDS) {
		if (!is_line_touched(&touched[line]) && !c->table->look_at_all)
			continue;
		for (size_t i = 0; i < LINE_WORDS; i++)
			batch_add_word(c, &batch, line + i);
	}
	batch_take_words(c, &batch);
	batch_collect_slots(c, &batch);
}

/* What was counted for no target. Both words of what is seen at once, as of a slot. */
static void collect_unplaced(struct collection *c, uint32_t cpu)
{
	const struct flow_cpu *kernel = (const struct flow_cpu *)c->table->cpus.at + cpu;
	struct flow_tail *tail = (struct flow_tail *)c->table->tails.at + cpu;
	const uint64_t packets = __atomic_load_n(&kernel->unplaced_packets, __ATOMIC_RELAXED);
	const uint64_t bytes = __atomic_load_n(&kernel->unplaced_bytes, __ATOMIC_RELAXED);
	const struct flow_event event = {
		.first = c->now.unix_ns,
		.last = c->now.unix_ns,
		.count = packets - tail->seen_packets,
		.size = bytes - tail->seen_bytes,
	};

	if (event.count == 0 && event.size == 0)
		return;
	if (c->sink->shed)
		c->sink->shed(c->sink->user, &event);
	*(seen_vector *)&tail->seen_packets = (seen_vector){packets, bytes};
	c->count++;
}

static void collect_shed(struct collection *c)
{
	c->is_of_shed = true;
	collect_family(c, &c->table->shed);
	for (uint32_t cpu = 0; cpu < c->table->cpu_count; cpu++)
		collect_unplaced(c, cpu);
}

size_t flow_table_collect(
	struct flow_table *table, const struct flow_time *now, const struct flow_sink *sink)
{
	struct collection c = {.table = table, .sink = sink, .now = *now};

	assert(table->cpu_count > 0);
	for (uint32_t cpu = 0; cpu < table->cpu_count; cpu++)
		drain_cpu(&c, cpu, SIZE_MAX);
	collect_family(&c, &table->family4);
	collect_family(&c, &table->family6);
	collect_shed(&c);
	table->collected_tick = now->tick;
	table->look_at_all = false;
	return c.count;
}

void flow_table_read_counters(
	const struct flow_table *table, struct flow_table_counters *ret_counters)
{
	struct flow_table_counters sum = {0};

	for (uint32_t cpu = 0; cpu < table->cpu_count; cpu++) {
		const struct flow_cpu *kernel = (const struct flow_cpu *)table->cpus.at + cpu;

		sum.shed_packets += __atomic_load_n(&kernel->shed_packets, __ATOMIC_RELAXED);
		sum.shed_bytes += __atomic_load_n(&kernel->shed_bytes, __ATOMIC_RELAXED);
		sum.records += __atomic_load_n(&kernel->ring_head, __ATOMIC_RELAXED);
	}
	*ret_counters = sum;
}
