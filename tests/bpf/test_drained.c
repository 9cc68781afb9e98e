// SPDX-License-Identifier: BSD-2-Clause
/*
 * Collectors on one set of pinned maps, one after the other, each killed at random while packets are counted:
 * what they hand on into a journal adds up to what was sent.
 */
#include "agent/collect_private.h"
#include "agent/journal.h"
#include "agent/pins.h"
#include "base/error.h"
#include "tests/bpf/count_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/seed.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS  150
#define PACKETS 40         /* a round, at least */
#define ROOM    (1U << 17) /* for all packets: nothing is shed, however long nobody gets far */
#define EVENTS  (1U << 20)

/* What the server has of each event, by its sequence: so that is once. */
struct server {
	_Atomic uint32_t ports[EVENTS]; /* SYN segments + 1 */
	_Atomic uint32_t ended[2][EVENTS];
	atomic_uint_fast64_t windows;
};

struct rig {
	struct pins *pins;
	struct collector *collector;
	void *memory;
	struct server *server;
	struct journal *journal;
	uint64_t sent;
	unsigned int killed_at[2]; /* reading ports, and ending a window */
	int fuse;                  /* steps until the process kills itself; negative: it does not */
};

static const struct journal_options journal_options = {.capacity = ROOM, .owner = 1, .boot = 1};
static const struct fanout_options fanout_options = {
	.window_ns = 1, .max = 512, .source = {.half_open = 1}, .target = {.half_open = 1}};

static void *shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* ---- into the journal, and from there to the server ---- */

static void ignore_flow(void *user _unused_, const struct flow_event *flow _unused_)
{
}

/* Steps that take no time are never hit by a clock. */
static void burn(struct rig *rig)
{
	if (rig->fuse >= 0 && rig->fuse-- == 0)
		kill(getpid(), SIGKILL);
}

static void push(struct rig *rig, enum v2_lane_id lane, uint32_t kind, const void *event)
{
	burn(rig);
	journal_push(rig->journal, lane, kind, event);
	burn(rig);
}

static void on_port(void *user, const struct port_event *event)
{
	push(user, V2_LANE_PORT, EVENT_PORT, event);
}

static void on_source(void *user, const struct source_event *event)
{
	push(user, V2_LANE_URGENT, EVENT_SOURCE, event);
}

static void on_target(void *user, const struct target_event *event)
{
	push(user, V2_LANE_URGENT, EVENT_TARGET, event);
}

static uint64_t next_port(void *user)
{
	return journal_next_sequence(((const struct rig *)user)->journal, V2_LANE_PORT);
}

static uint64_t next_alarm(void *user)
{
	return journal_next_sequence(((const struct rig *)user)->journal, V2_LANE_URGENT);
}

static struct collect_sink sink_of(struct rig *rig)
{
	const uint64_t journal = journal_identity(rig->journal);

	return (struct collect_sink){.flow = ignore_flow,
		.port = on_port,
		.port_sequence = {journal, next_port},
		.source = on_source,
		.target = on_target,
		.alarm_sequence = {journal, next_alarm},
		.user = rig};
}

static void tell_one(struct server *server, uint32_t kind, uint64_t sequence, const void *record)
{
	const struct port_event *port = record;
	const struct source_event *source = record;

	if (sequence >= EVENTS)
		_exit(4);
	if (kind == EVENT_PORT)
		atomic_store(&server->ports[sequence], port->syn + 1);
	else if (source->ended)
		atomic_store(&server->ended[kind == EVENT_TARGET][sequence], source->syn + 1);
}

static void tell(struct rig *rig)
{
	static const enum v2_lane_id lanes[] = {V2_LANE_URGENT, V2_LANE_PORT};
	uint64_t counts[JOURNAL_KINDS];
	struct journal_run run;

	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++)
		while (journal_peek(rig->journal, lanes[i], 1, &run)) {
			const uint64_t at = journal_taken(rig->journal, lanes[i]);

			if (run.kind == JOURNAL_RANGE)
				_exit(5); /* there is room enough */
			tell_one(rig->server, run.kind, at, run.records);
			journal_take(rig->journal, lanes[i], 1);
			journal_note_sent(rig->journal, lanes[i], at + 1);
			journal_note_processed(rig->journal, lanes[i], at + 1, counts);
		}
}

static struct pin_state *notes(const struct rig *rig)
{
	return pin_set_state(collector_pin_set(rig->collector));
}

/* ---- one collector after the other ---- */

/* Another process has the maps of the one before, and nothing else but the journal. */
static int take_over(struct rig *rig)
{
	struct collector *collector = rig->collector;
	struct collector_unknown unknown;
	struct journal_past past;
	struct collect_sink sink;
	int r = journal_open(
		rig->memory, journal_bytes(ROOM), &journal_options, &rig->journal, &past);

	if (r < 0)
		return r;
	tell(rig); /* or the journal would fill up, where many are killed in a row */
	collector->is_resumed = true;
	fanout_free(TAKE_PTR(collector->fanout));
	r = collector_open_fanout(collector, &fanout_options);
	if (r < 0)
		return r;
	collector_open_ports(collector);
	sink = sink_of(rig);
	collector_settle(collector, &sink, &unknown);
	if (unknown.ports > 0 || unknown.window)
		return -ENOENT;
	return collector_finish_window(collector, &sink);
}

static int collect(struct rig *rig)
{
	const struct collect_sink sink = sink_of(rig);
	int r = collector_collect(rig->collector, &sink);

	tell(rig);
	return r;
}

static void child_main(struct rig *rig)
{
	struct collect_sink sink;

	if (take_over(rig) < 0)
		_exit(3);
	sink = sink_of(rig);
	while (collect(rig) == 0 && collector_end_window(rig->collector, &sink) == 0)
		atomic_fetch_add(&rig->server->windows, 1);
	_exit(6);
}

/* ---- what there is to count ---- */

static void send_some(struct rig *rig, unsigned int *seed)
{
	char source[16], target[16];
	struct frame f;

	for (int i = 0; i < PACKETS; i++) {
		snprintf(source, sizeof(source), "192.0.2.%d", 1 + rand_r(seed) % 40);
		snprintf(target, sizeof(target), "198.51.100.%d", 1 + rand_r(seed) % 40);
		lab_tcp4(&f, source, target, (uint16_t[2]){40000, (uint16_t)(rand_r(seed) % 9)},
			TCP_SYN, 0);
		count_run(rig->collector, &f, 1);
		rig->sent++;
	}
}

/* It has its fuse, or is killed by the clock, as it is when it gets that far no more. */
static void kill_one(struct rig *rig, unsigned int *seed)
{
	const bool has_fuse = rand_r(seed) % 4 > 0;
	const struct timespec patience = {.tv_nsec = rand_r(seed) % 60 * (long)NS_PER_MS};
	pid_t pid;
	int status = 0;

	rig->fuse = has_fuse ? rand_r(seed) % 700 : -1;
	send_some(rig, seed);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_main(rig);
	rig->fuse = -1;
	for (int i = 0; i < 1 + 10 * has_fuse && waitpid(pid, &status, WNOHANG) == 0; i++) {
		send_some(rig, seed);
		nanosleep(&patience, NULL);
	}
	if (!status) {
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("the collector ended with status %#x", (unsigned int)status);
	rig->killed_at[0] += drain_phase(&notes(rig)->ports) == DRAIN_READ;
	rig->killed_at[1] += drain_phase(&notes(rig)->window_end) == DRAIN_READ;
}

static uint64_t sum(const _Atomic uint32_t *values)
{
	uint64_t all = 0;

	for (size_t i = 0; i < EVENTS; i++)
		all += values[i] ? values[i] - 1 : 0;
	return all;
}

static int setup(void **state)
{
	static struct rig rig;
	struct collector_options options = {
		.interface_count = 1, .flow_max = 1000, .port_max = ROOM, .fanout = fanout_options};
	_cleanup_free_ char *error = NULL;

	rig = (struct rig){.fuse = -1,
		.memory = shared(journal_bytes(ROOM)),
		.server = shared(sizeof(struct server))};
	assert_int_equal(pins_open("/sys/fs/bpf/drained", PINS_ANYONE, &rig.pins, &error), 0);
	options.pins = rig.pins;
	assert_int_equal(collector_new(&options, &rig.collector), 0);
	assert_int_equal(
		journal_create(rig.memory, journal_bytes(ROOM), &journal_options, &rig.journal), 0);
	journal_free(TAKE_PTR(rig.journal));
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	journal_free(rig->journal);
	collector_free(rig->collector);
	pins_remove_all(rig->pins);
	pins_close(rig->pins);
	munmap(rig->memory, journal_bytes(ROOM));
	munmap(rig->server, sizeof(*rig->server));
	return 0;
}

/* ---- tests ---- */

static void killed_at_random_collectors_hand_each_record_on_once(void **state)
{
	struct rig *rig = *state;
	unsigned int seed = seed_take();
	struct collect_sink sink;

	for (int i = 0; i < ROUNDS; i++)
		kill_one(rig, &seed);
	assert_int_equal(take_over(rig), 0);
	sink = sink_of(rig);
	assert_int_equal(collect(rig), 0);
	assert_int_equal(collector_end_window(rig->collector, &sink), 0);
	tell(rig);
	print_message("packets %llu, windows ended %llu, killed at ports %u, at windows %u\n",
		(unsigned long long)rig->sent, (unsigned long long)rig->server->windows,
		rig->killed_at[0], rig->killed_at[1]);
	assert_int_equal(sum(rig->server->ports), rig->sent);
	assert_int_equal(sum(rig->server->ended[0]), rig->sent);
	assert_int_equal(sum(rig->server->ended[1]), rig->sent);
}

/* So many of the records, in the order in which the kernel has them, are skipped. */
static uint64_t hand_on(struct rig *rig, enum drain_phase phase, uint64_t taken)
{
	struct drain_state *drain = &notes(rig)->ports;
	const uint64_t before = sum(rig->server->ports);

	drain_begin(drain, rig->collector->ports.active);
	if (phase >= DRAIN_READ)
		drain_read(drain, journal_identity(rig->journal), next_port(rig) - taken);
	if (phase == DRAIN_CLEAR)
		drain_clear(drain);
	journal_free(TAKE_PTR(rig->journal));
	assert_int_equal(take_over(rig), 0);
	assert_int_equal(collect(rig), 0);
	return sum(rig->server->ports) - before;
}

static void send_ports(struct rig *rig, uint16_t count)
{
	struct frame f;

	for (uint16_t i = 1; i <= count; i++) {
		lab_tcp4(&f, "192.0.2.1", "198.51.100.1", (uint16_t[2]){40000, i}, TCP_SYN, 0);
		count_run(rig->collector, &f, 1);
	}
}

static void each_phase_is_gone_on_with(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(take_over(rig), 0);
	send_ports(rig, 100);
	assert_int_equal(hand_on(rig, DRAIN_PAUSED, 0), 100);
	send_ports(rig, 100);
	assert_int_equal(hand_on(rig, DRAIN_READ, 0), 100);
	send_ports(rig, 2000);
	assert_int_equal(hand_on(rig, DRAIN_READ, 1500), 500);
	send_ports(rig, 100);
	assert_int_equal(hand_on(rig, DRAIN_READ, 100), 0);
	send_ports(rig, 100);
	assert_int_equal(hand_on(rig, DRAIN_CLEAR, 0), 0);
	send_ports(rig, 7);
	assert_int_equal(collect(rig), 0);
	assert_int_equal(sum(rig->server->ports), 100 + 100 + 500 + 7);
}

static void table_whose_journal_is_gone_is_given_up_and_counted(void **state)
{
	struct rig *rig = *state;
	struct drain_state *drain = &notes(rig)->ports;
	struct collector_unknown unknown;
	struct collect_sink sink;

	assert_int_equal(take_over(rig), 0);
	send_ports(rig, 70);
	drain_begin(drain, rig->collector->ports.active);
	drain_read(drain, journal_identity(rig->journal) + 1, 0);
	sink = sink_of(rig);
	collector_settle(rig->collector, &sink, &unknown);
	assert_int_equal(unknown.ports, 70);
	assert_int_equal(collect(rig), 0);
	assert_int_equal(sum(rig->server->ports), 0);
	send_ports(rig, 5);
	assert_int_equal(collect(rig), 0);
	assert_int_equal(sum(rig->server->ports), 5);
}

#define DRAIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DRAIN_TEST(each_phase_is_gone_on_with),
		DRAIN_TEST(table_whose_journal_is_gone_is_given_up_and_counted),
		DRAIN_TEST(killed_at_random_collectors_hand_each_record_on_once),
	};

	lab_require();
	lab_enter();
	lab_mount_bpf();
	lab_stay_here();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
