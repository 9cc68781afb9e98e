// SPDX-License-Identifier: BSD-2-Clause
/* A journal is gone on with at whatever instruction its agent was killed, and is not trusted blindly. */
#include "agent/journal.h"
#include "netlambda/event.h"
#include "tests/unit/seed.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER  77
#define LAYOUT 0x1234

static const struct journal_options options_of_all = {
	.capacity = 8, .layout = LAYOUT, .owner = OWNER, .boot = 1000};

/* ---- memory that outlives a journal ---- */

struct memory {
	void *at;
	size_t bytes;
};

static struct memory memory_new(size_t capacity)
{
	struct memory memory = {.bytes = journal_bytes(capacity)};

	memory.at =
		mmap(NULL, memory.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory.at, MAP_FAILED);
	return memory;
}

static void memory_free(struct memory *memory)
{
	munmap(memory->at, memory->bytes);
}

static struct journal *create(const struct memory *memory)
{
	struct journal *journal = NULL;

	assert_int_equal(journal_create(memory->at, memory->bytes, &options_of_all, &journal), 0);
	return journal;
}

static struct journal *reopen(const struct memory *memory, struct journal_past *ret_past)
{
	struct journal_options options = options_of_all;
	struct journal *journal = NULL;

	options.boot = 2000;
	assert_int_equal(journal_open(memory->at, memory->bytes, &options, &journal, ret_past), 0);
	return journal;
}

/* ---- pushing and taking ---- */

/* The record says which sequence it should have. */
static bool push(struct journal *journal)
{
	const struct port_event port = {.first = journal_next_sequence(journal, V2_LANE_PORT)};

	return journal_push(journal, V2_LANE_PORT, EVENT_PORT, &port);
}

static void push_many(struct journal *journal, unsigned int count)
{
	while (count-- > 0)
		push(journal);
}

static uint64_t first_of(const struct journal_run *run)
{
	return ((const struct port_event *)run->records)->first;
}

static void expect_events(struct journal *journal, uint64_t first, uint64_t count)
{
	struct journal_run run;

	for (uint64_t i = 0; i < count; i += run.count) {
		assert_true(journal_peek(journal, V2_LANE_PORT, count - i, &run));
		assert_int_equal(run.kind, EVENT_PORT);
		assert_int_equal(first_of(&run), first + i);
		journal_take(journal, V2_LANE_PORT, run.count);
	}
}

static void expect_range(struct journal *journal, uint64_t count)
{
	struct journal_run run;

	assert_true(journal_peek(journal, V2_LANE_PORT, 1, &run));
	assert_int_equal(run.kind, JOURNAL_RANGE);
	assert_int_equal(run.count, count);
	journal_take(journal, V2_LANE_PORT, run.count);
}

static void expect_nothing(const struct journal *journal)
{
	struct journal_run run;

	assert_false(journal_peek(journal, V2_LANE_PORT, 1, &run));
}

static uint64_t process(struct journal *journal, uint64_t before)
{
	uint64_t counts[JOURNAL_KINDS] = {0};

	journal_note_sent(journal, V2_LANE_PORT, before);
	journal_note_processed(journal, V2_LANE_PORT, before, counts);
	return counts[EVENT_PORT];
}

/* ---- one process ---- */

static void element_stays_until_it_is_processed(void **state _unused_)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;

	assert_int_equal(journal_new(&options_of_all, &journal), 0);
	push_many(journal, 8);
	expect_events(journal, 0, 8);
	expect_nothing(journal);
	assert_false(journal_has_room(journal, V2_LANE_PORT));
	assert_false(journal_is_empty(journal));
	assert_int_equal(process(journal, 3), 3);
	assert_true(journal_has_room(journal, V2_LANE_PORT));
	assert_int_equal(process(journal, 2), 0);
	assert_int_equal(process(journal, 8), 5);
	assert_true(journal_is_empty(journal));
}

static void full_lane_sheds_the_newest_and_has_the_range_in_its_place(void **state _unused_)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;

	assert_int_equal(journal_new(&options_of_all, &journal), 0);
	push_many(journal, 8);
	assert_false(push(journal));
	assert_false(push(journal));
	expect_events(journal, 0, 8);
	process(journal, 1);
	/* One place is for the range, and one for the event. */
	assert_false(push(journal));
	process(journal, 4);
	assert_true(push(journal));
	expect_range(journal, 3);
	expect_events(journal, 11, 1);
	assert_int_equal(process(journal, 12), 5);
	assert_true(journal_is_empty(journal));
}

static void what_was_shed_last_is_known_without_another_event(void **state _unused_)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;

	assert_int_equal(journal_new(&options_of_all, &journal), 0);
	push_many(journal, 10);
	assert_false(journal_settle(journal));
	expect_events(journal, 0, 8);
	expect_nothing(journal);
	process(journal, 1);
	assert_true(journal_settle(journal));
	expect_range(journal, 2);
	assert_true(journal_settle(journal));
	expect_nothing(journal);
}

static void run_has_one_kind(void **state _unused_)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;
	const struct source_event event = {.syn = 1};
	struct journal_run run;

	assert_int_equal(journal_new(&options_of_all, &journal), 0);
	for (int i = 0; i < 5; i++)
		assert_true(journal_push(
			journal, V2_LANE_URGENT, i < 3 ? EVENT_SOURCE : EVENT_TARGET, &event));
	assert_true(journal_peek(journal, V2_LANE_URGENT, 2, &run));
	assert_int_equal(run.count, 2);
	assert_true(journal_peek(journal, V2_LANE_URGENT, 8, &run));
	assert_int_equal(run.kind, EVENT_SOURCE);
	assert_int_equal(run.count, 3);
	journal_take(journal, V2_LANE_URGENT, 3);
	assert_true(journal_peek(journal, V2_LANE_URGENT, 8, &run));
	assert_int_equal(run.kind, EVENT_TARGET);
	assert_int_equal(run.count, 2);
}

/* ---- one after the other ---- */

static void next_agent_goes_on_from_what_was_processed(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct journal *journal = create(&memory);
	struct journal_past past;

	push_many(journal, 6);
	expect_events(journal, 0, 5);
	journal_note_sent(journal, V2_LANE_PORT, 4);
	process(journal, 2);
	journal_note_update_sequence(journal, 99);
	journal_note_epoch(journal, 5);
	journal_free(journal);
	journal = reopen(&memory, &past);
	assert_true(past.goes_on);
	assert_int_equal(past.waiting[EVENT_PORT], 4);
	assert_int_equal(past.lost[EVENT_PORT], 0);
	assert_int_equal(journal_boot(journal), 1000);
	assert_int_equal(journal_epoch(journal), 5);
	assert_int_equal(journal_update_sequence(journal), 99);
	assert_int_equal(journal_processed(journal, V2_LANE_PORT), 2);
	assert_int_equal(journal_sent(journal, V2_LANE_PORT), 4);
	assert_int_equal(journal_next_sequence(journal, V2_LANE_PORT), 6);
	push(journal);
	expect_events(journal, 2, 5);
	expect_nothing(journal);
	journal_free(journal);
	memory_free(&memory);
}

static void shed_before_the_end_is_declared_by_the_next(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct journal *journal = create(&memory);
	struct journal_past past;

	push_many(journal, 11);
	journal_free(journal);
	journal = reopen(&memory, &past);
	assert_int_equal(past.waiting[EVENT_PORT], 8);
	assert_int_equal(journal_next_sequence(journal, V2_LANE_PORT), 11);
	expect_events(journal, 0, 8);
	process(journal, 8);
	assert_true(journal_settle(journal));
	expect_range(journal, 3);
	process(journal, 11);
	assert_true(journal_is_empty(journal));
	journal_free(journal);
	memory_free(&memory);
}

/* What was never sent is nobody's yet. */
static void another_owner_gives_up_what_may_have_been_sent(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct journal *journal = create(&memory);
	struct journal_options options = options_of_all;
	struct journal_past past;

	push_many(journal, 7);
	expect_events(journal, 0, 7);
	journal_note_sent(journal, V2_LANE_PORT, 5);
	process(journal, 1);
	journal_free(journal);
	options.owner = OWNER + 1;
	options.boot = 2000;
	assert_int_equal(journal_open(memory.at, memory.bytes, &options, &journal, &past), 0);
	assert_false(past.goes_on);
	assert_int_equal(past.lost[EVENT_PORT], 4);
	assert_int_equal(past.waiting[EVENT_PORT], 2);
	assert_int_equal(journal_boot(journal), 2000);
	assert_int_equal(journal_epoch(journal), 0);
	assert_int_equal(journal_processed(journal, V2_LANE_PORT), 0);
	assert_int_equal(journal_next_sequence(journal, V2_LANE_PORT), 7);
	expect_events(journal, 5, 2);
	assert_int_equal(process(journal, 2), 2);
	assert_true(journal_is_empty(journal));
	journal_free(journal);
	memory_free(&memory);
}

static void without_an_owner_nothing_is_sent_twice(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct journal_options options = options_of_all;
	struct journal *journal = NULL;
	struct journal_past past;

	options.owner = 0;
	assert_int_equal(journal_create(memory.at, memory.bytes, &options, &journal), 0);
	push_many(journal, 3);
	expect_events(journal, 0, 2);
	journal_note_sent(journal, V2_LANE_PORT, 2);
	journal_free(journal);
	assert_int_equal(journal_open(memory.at, memory.bytes, &options, &journal, &past), 0);
	assert_false(past.goes_on);
	assert_int_equal(past.lost[EVENT_PORT], 2);
	expect_events(journal, 2, 1);
	journal_free(journal);
	memory_free(&memory);
}

static void restart_gives_up_what_was_sent_and_takes_the_rest_again(void **state _unused_)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;
	uint64_t counts[JOURNAL_KINDS] = {0};

	assert_int_equal(journal_new(&options_of_all, &journal), 0);
	push_many(journal, 6);
	expect_events(journal, 0, 6);
	journal_note_sent(journal, V2_LANE_PORT, 4);
	journal_restart(journal, 3000, counts);
	assert_int_equal(counts[EVENT_PORT], 4);
	assert_int_equal(journal_boot(journal), 3000);
	assert_int_equal(journal_taken(journal, V2_LANE_PORT), 0);
	expect_events(journal, 4, 2);
	assert_int_equal(process(journal, 2), 2);
	assert_true(journal_is_empty(journal));
}

static void other_capacity_keeps_what_waits(void **state _unused_)
{
	struct memory memory = memory_new(8), larger = memory_new(64), smaller = memory_new(2);
	struct journal *journal = create(&memory);
	struct journal_past past;

	push_many(journal, 3);
	expect_events(journal, 0, 3);
	process(journal, 3);
	push_many(journal, 10);
	assert_int_equal(journal_move(journal, smaller.at, smaller.bytes, 2), -ENOSPC);
	assert_int_equal(journal_move(journal, larger.at, larger.bytes, 64), 0);
	journal_free(journal);
	journal = reopen(&larger, &past);
	assert_true(past.goes_on);
	assert_int_equal(journal_capacity(journal), 64);
	assert_int_equal(journal_boot(journal), 1000);
	assert_true(push(journal));
	expect_events(journal, 3, 8);
	expect_range(journal, 2);
	expect_events(journal, 13, 1);
	journal_free(journal);
	memory_free(&memory);
	memory_free(&larger);
	memory_free(&smaller);
}

/* ---- what no agent left ---- */

static int open_as_it_is(
	const struct memory *memory, uint64_t layout, struct journal_past *ret_past)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;
	struct journal_options options = options_of_all;

	options.layout = layout;
	return journal_open(memory->at, memory->bytes, &options, &journal, ret_past);
}

static void other_records_and_versions_are_given_up_with_a_bound(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct journal *journal = create(&memory);
	struct journal_past past;

	push_many(journal, 8);
	journal_free(journal);
	assert_int_equal(open_as_it_is(&memory, LAYOUT + 1, &past), -ESTALE);
	assert_in_range(past.lost[EVENT_PORT], 8, 1000);
	((uint8_t *)memory.at)[8] ^= 0x40; /* the version */
	assert_int_equal(open_as_it_is(&memory, LAYOUT, &past), -EPROTO);
	assert_in_range(past.lost[EVENT_PORT], 8, 1000);
	memset(memory.at, 0, memory.bytes);
	assert_int_equal(open_as_it_is(&memory, LAYOUT, &past), -EBADMSG);
	memory.bytes = 5;
	assert_int_equal(open_as_it_is(&memory, LAYOUT, &past), -EBADMSG);
	memory.bytes = journal_bytes(8);
	memory_free(&memory);
}

/* Takes all that it claims to have, which must end and lie within. */
static void read_all(struct journal *journal)
{
	uint64_t counts[JOURNAL_KINDS] = {0}, sum = 0;
	struct journal_run run;

	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++) {
		for (int i = 0; journal_peek(journal, lane, 8, &run); i++) {
			assert_true(i < 100);
			for (uint64_t byte = 0; run.records && byte < run.count * 72; byte++)
				sum += ((const uint8_t *)run.records)[byte];
			journal_take(journal, lane, run.count);
		}
		journal_note_processed(journal, lane, journal_taken(journal, lane), counts);
	}
	assert_true(sum < UINT64_MAX);
	push_many(journal, 20);
	(void)journal_settle(journal);
}

/* In a mapping with a page that cannot be touched behind it. */
static struct memory guarded(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = journal_bytes(8);
	const size_t all = (bytes + page - 1) / page * page;
	uint8_t *at =
		mmap(NULL, all + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at + all, page, PROT_NONE), 0);
	return (struct memory){.at = at + (all - bytes) / 64 * 64, .bytes = bytes};
}

static void damaged_memory_is_refused_or_read_within_its_bounds(void **state _unused_)
{
	struct memory sound = memory_new(8), damaged = guarded();
	struct journal *journal = create(&sound);
	unsigned int seed = seed_take(), refused = 0;

	push_many(journal, 10);
	expect_events(journal, 0, 6);
	process(journal, 3);
	push_many(journal, 3);
	journal_free(journal);
	for (int i = 0; i < 20000; i++) {
		struct journal_past past;

		memcpy(damaged.at, sound.at, sound.bytes);
		for (int flips = 1 + rand_r(&seed) % 3; flips > 0; flips--)
			((uint8_t *)damaged.at)[rand_r(&seed) % (192 + 3 * 192 + 1024)] ^=
				(uint8_t)(1U << rand_r(&seed) % 8);
		journal = NULL;
		if (journal_open(damaged.at, damaged.bytes, &options_of_all, &journal, &past) < 0)
			refused++;
		else
			read_all(journal);
		journal_free(journal);
	}
	assert_true(refused > 1000);
	memory_free(&sound);
}

/* ---- killed ---- */

#define ROUNDS    400
#define SEQUENCES (1U << 22)
#define LANES     V2_LANES_ACKED

enum outcome { OUTCOME_UNKNOWN, OUTCOME_IN, OUTCOME_SHED };

/* What a server keeps of an incarnation: all below a mark was processed, each once. */
struct mark {
	uint64_t boot;
	atomic_uint_fast64_t before[LANES];
	atomic_uint_fast64_t
		offset[LANES]; /* + 1: of the records' numbers to sequences; 0: unknown */
};

/* What outlives the children, beside the journal. */
struct world {
	struct mark marks[2];
	atomic_uint current;
	atomic_uint_fast64_t intent[LANES];
	atomic_uint_fast64_t processed, ranges, restarts; /* for the report */
	_Atomic uint8_t outcome[LANES][SEQUENCES];
};

struct child {
	struct journal *journal;
	struct world *world;
	unsigned int seed;
};

static const uint32_t kinds[LANES] = {EVENT_SOURCE, EVENT_PORT, EVENT_FLOW};

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(3);                                                                  \
		}                                                                                  \
	} while (0)

/* Each record begins with its number. */
static void produce_one(struct child *child, enum v2_lane_id lane)
{
	uint8_t record[EVENT_RECORD_MAX] = {0};
	const uint64_t number = journal_next_sequence(child->journal, lane);
	bool is_in;

	CHECK(number < SEQUENCES);
	memcpy(record, &number, sizeof(number));
	atomic_store(&child->world->intent[lane], number);
	is_in = journal_push(child->journal, lane, kinds[lane], record);
	atomic_store(&child->world->outcome[lane][number], is_in ? OUTCOME_IN : OUTCOME_SHED);
}

static void *produce(void *arg)
{
	struct child *child = arg;
	unsigned int seed = child->seed;

	for (;;) {
		for (int burst = rand_r(&seed) % 12; burst > 0; burst--)
			produce_one(child, (enum v2_lane_id)(rand_r(&seed) % LANES));
		(void)journal_settle(child->journal);
		if (rand_r(&seed) % 4 == 0)
			usleep((unsigned int)rand_r(&seed) % 20);
	}
	return NULL;
}

static struct mark *mark_of(struct world *world)
{
	return &world->marks[atomic_load(&world->current)];
}

/* As a server answers a HELLO. */
static struct mark *welcome(struct child *child)
{
	struct world *world = child->world;
	struct mark *mark = mark_of(world);
	const unsigned int other = !atomic_load(&world->current);

	if (mark->boot != journal_boot(child->journal)) {
		mark = &world->marks[other];
		memset(mark, 0, sizeof(*mark));
		mark->boot = journal_boot(child->journal);
		atomic_store(&world->current, other);
	}
	return mark;
}

static void check_event(
	struct child *child, enum v2_lane_id lane, uint64_t sequence, const uint8_t *record)
{
	struct mark *mark = mark_of(child->world);
	uint64_t number, offset = atomic_load(&mark->offset[lane]);

	memcpy(&number, record, sizeof(number));
	CHECK(number >= sequence);
	if (offset == 0)
		atomic_store(&mark->offset[lane], offset = number - sequence + 1);
	CHECK(number - sequence + 1 == offset);
	CHECK(atomic_load(&child->world->outcome[lane][number]) != OUTCOME_SHED);
}

static void check_range(
	struct child *child, enum v2_lane_id lane, uint64_t sequence, uint64_t count)
{
	const uint64_t offset = atomic_load(&mark_of(child->world)->offset[lane]);

	CHECK(count > 0);
	atomic_fetch_add(&child->world->ranges, 1);
	for (uint64_t i = 0; i < count && offset > 0; i++)
		CHECK(atomic_load(&child->world->outcome[lane][sequence + i + offset - 1]) !=
			OUTCOME_IN);
}

/* Sends a run: what lies below the mark is known there, the rest is processed, at once. */
static void send_run(struct child *child, enum v2_lane_id lane, const struct journal_run *run)
{
	struct mark *mark = mark_of(child->world);
	const uint64_t first = journal_taken(child->journal, lane);
	const size_t stride = lane == V2_LANE_LAST ? 72 : 80;

	if (run->kind == JOURNAL_RANGE)
		check_range(child, lane, first, run->count);
	for (uint64_t i = 0; run->kind != JOURNAL_RANGE && i < run->count; i++)
		check_event(child, lane, first + i, (const uint8_t *)run->records + i * stride);
	journal_take(child->journal, lane, run->count);
	journal_note_sent(child->journal, lane, first + run->count);
	CHECK(atomic_load(&mark->before[lane]) >= first); /* there is no gap */
	if (atomic_load(&mark->before[lane]) < first + run->count) {
		atomic_fetch_add(&child->world->processed,
			first + run->count - atomic_load(&mark->before[lane]));
		atomic_store(&mark->before[lane], first + run->count);
	}
}

static void consume_one(struct child *child, enum v2_lane_id lane)
{
	uint64_t counts[JOURNAL_KINDS] = {0};
	struct journal_run run;

	if (rand_r(&child->seed) % 2 && journal_peek(child->journal, lane,
						1 + (unsigned int)rand_r(&child->seed) % 5, &run))
		send_run(child, lane, &run);
	if (rand_r(&child->seed) % 3 == 0)
		journal_note_processed(child->journal, lane,
			atomic_load(&mark_of(child->world)->before[lane]), counts);
	if (rand_r(&child->seed) % 40000 == 0) {
		const uint64_t number = atomic_fetch_add(&child->world->restarts, 1);

		journal_restart(child->journal, 10000 + number, counts);
		welcome(child);
	}
}

/* The one before had an intent, which was carried out or not. */
static void check_resumed(struct child *child)
{
	const struct mark *mark = welcome(child);

	for (enum v2_lane_id lane = 0; lane < LANES; lane++) {
		const uint64_t next = journal_next_sequence(child->journal, lane);
		const uint64_t intent = atomic_load(&child->world->intent[lane]);

		CHECK(next == intent || next == intent + 1);
		CHECK(journal_processed(child->journal, lane) <= atomic_load(&mark->before[lane]));
		CHECK(atomic_load(&mark->before[lane]) <= journal_sent(child->journal, lane));
	}
}

static void child_main(const struct memory *memory, struct world *world, unsigned int seed)
{
	struct child child = {.world = world, .seed = seed};
	struct journal_past past;
	pthread_t thread;

	CHECK(journal_open(memory->at, memory->bytes, &options_of_all, &child.journal, &past) == 0);
	CHECK(past.goes_on);
	check_resumed(&child);
	CHECK(pthread_create(&thread, NULL, produce, &child) == 0);
	for (;;)
		consume_one(&child, (enum v2_lane_id)(rand_r(&child.seed) % LANES));
}

static void kill_one(const struct memory *memory, struct world *world, unsigned int *seed)
{
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		child_main(memory, world, (unsigned int)rand_r(seed));
	usleep(200 + (unsigned int)rand_r(seed) % 3000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	rand_r(seed);
}

/* All that is left is taken: nothing lacks to the end. */
static void drain(const struct memory *memory, struct world *world)
{
	struct child child = {.world = world};
	uint64_t counts[JOURNAL_KINDS] = {0};
	struct journal_past past;
	struct journal_run run;

	child.journal = reopen(memory, &past);
	check_resumed(&child);
	for (enum v2_lane_id lane = 0; lane < LANES; lane++)
		do {
			while (journal_peek(child.journal, lane, 100, &run))
				send_run(&child, lane, &run);
			journal_note_processed(
				child.journal, lane, journal_taken(child.journal, lane), counts);
			(void)journal_settle(child.journal);
		} while (journal_peek(child.journal, lane, 1, &run));
	assert_true(journal_settle(child.journal));
	journal_free(child.journal);
}

static void killed_at_random_each_event_is_there_once(void **state _unused_)
{
	struct memory memory = memory_new(8);
	struct world *world = mmap(
		NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = seed_take();

	assert_ptr_not_equal(world, MAP_FAILED);
	journal_free(create(&memory));
	for (int i = 0; i < ROUNDS; i++)
		kill_one(&memory, world, &seed);
	drain(&memory, world);
	print_message("processed %llu, ranges %llu, restarts %llu\n",
		(unsigned long long)world->processed, (unsigned long long)world->ranges,
		(unsigned long long)world->restarts);
	assert_true(world->processed > 1000);
	assert_true(world->ranges > 0);
	munmap(world, sizeof(*world));
	memory_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(element_stays_until_it_is_processed),
		cmocka_unit_test(full_lane_sheds_the_newest_and_has_the_range_in_its_place),
		cmocka_unit_test(what_was_shed_last_is_known_without_another_event),
		cmocka_unit_test(run_has_one_kind),
		cmocka_unit_test(next_agent_goes_on_from_what_was_processed),
		cmocka_unit_test(shed_before_the_end_is_declared_by_the_next),
		cmocka_unit_test(another_owner_gives_up_what_may_have_been_sent),
		cmocka_unit_test(without_an_owner_nothing_is_sent_twice),
		cmocka_unit_test(restart_gives_up_what_was_sent_and_takes_the_rest_again),
		cmocka_unit_test(other_capacity_keeps_what_waits),
		cmocka_unit_test(other_records_and_versions_are_given_up_with_a_bound),
		cmocka_unit_test(damaged_memory_is_refused_or_read_within_its_bounds),
		cmocka_unit_test(killed_at_random_each_event_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
