// SPDX-License-Identifier: BSD-2-Clause
/* Whoever drains a table is killed, at any step of it, and each record is in the journal once. */
#include "agent/drain.h"
#include "agent/journal.h"
#include "netlambda/event.h"
#include "tests/unit/seed.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE   50
#define ROOM    256 /* in the journal: nothing is shed */
#define ROUNDS  600
#define NUMBERS (1U << 22)

/* A pair of tables: what is in the one that is not in use stays as it is. */
struct table {
	uint64_t numbers[TABLE]; /* 0: nothing is there */
};

struct world {
	struct drain_state state;
	struct table tables[2];
	atomic_uint active;
	uint64_t counted; /* numbers that went into tables: 1 to that */
	atomic_uint_fast64_t drains;
	_Atomic uint8_t taken[NUMBERS];
};

static const struct journal_options options = {.capacity = ROOM, .owner = 1, .boot = 1};

static void *shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* ---- one that drains ---- */

static uint64_t sequence(const struct journal *journal)
{
	return journal_next_sequence(journal, V2_LANE_PORT);
}

static void take_all(struct world *world, struct journal *journal)
{
	uint64_t counts[JOURNAL_KINDS];
	struct journal_run run;

	while (journal_peek(journal, V2_LANE_PORT, 1, &run)) {
		const struct port_event *port = run.records;
		const uint64_t at = journal_taken(journal, V2_LANE_PORT);

		if (run.kind == EVENT_PORT)
			atomic_store(&world->taken[at], (uint8_t)(1 + port->first % 251));
		journal_take(journal, V2_LANE_PORT, run.count);
		journal_note_sent(journal, V2_LANE_PORT, at + run.count);
		journal_note_processed(journal, V2_LANE_PORT, at + run.count, counts);
	}
}

static void read_table(struct world *world, struct journal *journal)
{
	const struct table *table = &world->tables[drain_table(&world->state)];
	const uint64_t skip = drain_taken(&world->state, sequence(journal));

	for (uint64_t i = 0, place = 0; place < TABLE; place++) {
		const struct port_event port = {.first = table->numbers[place]};

		if (port.first == 0 || i++ < skip)
			continue;
		journal_push(journal, V2_LANE_PORT, EVENT_PORT, &port);
	}
	drain_clear(&world->state);
}

static void drain(struct world *world, struct journal *journal)
{
	if (drain_phase(&world->state) == DRAIN_IDLE)
		drain_begin(&world->state, atomic_load(&world->active));
	if (drain_phase(&world->state) == DRAIN_PAUSED) {
		atomic_store(&world->active, !drain_table(&world->state));
		drain_read(&world->state, journal_identity(journal), sequence(journal));
	}
	if (drain_phase(&world->state) == DRAIN_READ)
		read_table(world, journal);
	if (drain_phase(&world->state) == DRAIN_CLEAR)
		memset(&world->tables[drain_table(&world->state)], 0, sizeof(struct table));
	drain_end(&world->state);
	atomic_fetch_add(&world->drains, 1);
}

static struct journal *open_journal(void *memory, struct world *world)
{
	struct journal *journal = NULL;
	struct journal_past past;

	if (journal_open(memory, journal_bytes(ROOM), &options, &journal, &past) < 0 ||
		!drain_settle(&world->state, journal_identity(journal), sequence(journal)))
		_exit(3);
	return journal;
}

/* The numbers go in beforehand, so that nobody is killed at that: it is the kernel that does it. */
static void child_main(void *memory, struct world *world)
{
	struct journal *journal = open_journal(memory, world);
	const struct port_event other = {.first = 0};

	take_all(world, journal);
	for (;;) {
		/* Others push as well, but not while one reads. */
		if (drain_phase(&world->state) == DRAIN_PAUSED)
			journal_push(journal, V2_LANE_PORT, EVENT_PORT, &other);
		drain(world, journal);
		take_all(world, journal);
	}
}

/* ---- the tests ---- */

static void count_some(struct world *world)
{
	struct table *table = &world->tables[atomic_load(&world->active)];

	for (int i = 0; i < TABLE; i++)
		if (table->numbers[i] == 0)
			table->numbers[i] = ++world->counted;
}

static void kill_one(void *memory, struct world *world, unsigned int *seed)
{
	const unsigned int patience = (unsigned int)rand_r(seed) % 2000;
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		child_main(memory, world);
	usleep(patience);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Sequences in which a number came, which is known by its remainder, as each table is read in order. */
static uint64_t count_taken(const struct world *world)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < NUMBERS; i++)
		taken += world->taken[i] > 1;
	return taken;
}

/* Of 250 in a row, none has the remainder 0, which is that of others' records. */
static uint64_t expected(uint64_t counted)
{
	return counted - counted / 251;
}

static void killed_at_random_each_record_is_taken_once(void **state _unused_)
{
	struct world *world = shared(sizeof(*world));
	void *memory = shared(journal_bytes(ROOM));
	unsigned int seed = seed_take();
	struct journal *journal = NULL;

	assert_int_equal(journal_create(memory, journal_bytes(ROOM), &options, &journal), 0);
	journal_free(journal);
	for (int i = 0; i < ROUNDS; i++) {
		count_some(world);
		kill_one(memory, world, &seed);
	}
	journal = open_journal(memory, world);
	for (int i = 0; i < 3; i++) {
		drain(world, journal);
		take_all(world, journal);
	}
	print_message("counted %llu, drains %llu\n", (unsigned long long)world->counted,
		(unsigned long long)world->drains);
	assert_int_equal(count_taken(world), expected(world->counted));
	journal_free(journal);
	munmap(world, sizeof(*world));
	munmap(memory, journal_bytes(ROOM));
}

static void what_was_taken_is_known_after_others_pushed(void **state _unused_)
{
	struct drain_state drain = {0};

	drain_begin(&drain, 1);
	assert_int_equal(drain_table(&drain), 1);
	drain_read(&drain, 7, 100);
	assert_int_equal(drain_taken(&drain, 112), 12);
	drain_pause(&drain, 112);
	drain_read(&drain, 7, 500);
	assert_int_equal(drain_taken(&drain, 503), 15);
	drain_clear(&drain);
	assert_int_equal(drain_phase(&drain), DRAIN_CLEAR);
	assert_int_equal(drain_table(&drain), 1);
	drain_end(&drain);
	assert_int_equal(drain_phase(&drain), DRAIN_IDLE);
}

static void without_its_journal_it_is_not_known_how_far_one_was(void **state _unused_)
{
	struct drain_state drain = {0};

	assert_true(drain_settle(&drain, 7, 100));
	drain_begin(&drain, 0);
	assert_true(drain_settle(&drain, 7, 100));
	drain_read(&drain, 7, 100);
	assert_true(drain_settle(&drain, 7, 104));
	assert_int_equal(drain_phase(&drain), DRAIN_PAUSED);
	/* What was taken before went with the journal, and is in no other. */
	assert_true(drain_settle(&drain, 8, 0));
	drain_read(&drain, 8, 0);
	assert_int_equal(drain_taken(&drain, 1), 5);
	assert_false(drain_settle(&drain, 9, 1));
	assert_int_equal(drain_phase(&drain), DRAIN_CLEAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_taken_is_known_after_others_pushed),
		cmocka_unit_test(without_its_journal_it_is_not_known_how_far_one_was),
		cmocka_unit_test(killed_at_random_each_record_is_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
