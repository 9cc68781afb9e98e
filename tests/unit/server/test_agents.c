// SPDX-License-Identifier: BSD-2-Clause
#include "server/agents.h"

#include "base/clock.h"
#include "store/streams.h"
#include "tests/unit/server/core.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <sqlite3.h>

#define PORT V2_LANE_PORT

static struct core_options options_for(void **state)
{
	const struct place *place = *state;

	return (struct core_options){.path = place->path,
		.handler = "sum.main",
		.queue_max = 4096,
		.workers = 1,
		.window = 1024};
}

static void hello(struct core *core, uint64_t boot)
{
	struct v2_mark mark;

	assert_int_equal(core_hello(core, boot, 0, &mark), V2_ADMIT_NEW);
}

/* ---- incarnations ---- */

static void the_first_incarnation_is_epoch_1_and_is_known_again(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 0, &mark), V2_ADMIT_NEW);
	assert_true(mark.boot == 99 && mark.epoch == 1);
	assert_int_equal(core.admissions, 1);
	assert_int_equal(core_hello(&core, 99, 0, &mark), V2_ADMIT_RESUME); /* WELCOME got lost */
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(core_hello(&core, 99, 2, &mark), V2_ADMIT_STALE);
	core_close(&core);
	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_true(mark.epoch == 1);
	assert_int_equal(core_hello(&core, 100, 1, &mark), V2_ADMIT_STALE);
	core_close(&core);
}

static void send_in_the_clear(struct core *core, uint32_t switch_id)
{
	static const struct port_event record = {.dstport = 80};
	const struct endpoint from = {0};
	struct v1_builder builder = {0};

	v1_builder_start(&builder, switch_id, 5);
	assert_int_equal(v1_builder_add(&builder, EVENT_PORT, &record, false), 0);
	ingest_datagram(&core->ingest, &from, builder.bytes, builder.size, 1);
}

/* Whoever reaches the port could speak for it otherwise. */
static void a_switch_that_has_proved_itself_is_not_believed_in_the_clear(void **state)
{
	static const uint32_t allowed[] = {CORE_SWITCH};
	struct core_options o = options_for(state);
	struct core core = {0};

	core_open(&core, &o);
	send_in_the_clear(&core, CORE_SWITCH);
	assert_int_equal(core.ingest.counters.foreign_switches, 0);
	hello(&core, 99);
	send_in_the_clear(&core, CORE_SWITCH);
	send_in_the_clear(&core, CORE_SWITCH + 1);
	assert_int_equal(core.ingest.counters.foreign_switches, 1);
	assert_int_equal(core.ingest.counters.events[0], 2);
	core_close(&core);

	core_open(&core, &o);
	send_in_the_clear(&core, CORE_SWITCH);
	assert_int_equal(core.ingest.counters.foreign_switches, 1);
	core.ingest.allowed = allowed; /* by name: it goes back to version 1 */
	core.ingest.allowed_count = 1;
	send_in_the_clear(&core, CORE_SWITCH);
	assert_int_equal(core.ingest.counters.foreign_switches, 1);
	assert_int_equal(core.ingest.counters.events[0], 1);
	core_close(&core);
}

static void events_are_processed_once_and_resumed_where_they_were(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;
	char text[64];

	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 100, 0), 100);
	core_run_to(&core, PORT, 100);
	assert_string_equal(core_state(&core, "10.0.0.3", "last", text), "99");
	core_close(&core);

	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(mark.before[PORT], 100);
	assert_int_equal(agent_next(core.agent, PORT), 100);
	assert_int_equal(core_offer(&core, PORT, 3, 50, 100), 50);
	core_run_to(&core, PORT, 150);
	assert_string_equal(core_state(&core, "10.0.0.3", "last", text), "149");
	core_close(&core);
}

static bool ten_are_done(struct core *core)
{
	return core_stats(core).events >= 10;
}

/* The mark of all is behind that of a partition: what comes again is known by the latter. */
static void what_one_partition_has_done_is_not_done_again(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;
	char text[64];
	struct stream *stream;

	o.handler = "sum.stuck";
	core_open(&core, &o);
	hello(&core, 99);
	stream = &core.agent->lanes[PORT].stream;
	assert_int_equal(core_offer(&core, PORT, 3, 1, 0), 1);   /* fails each time ... */
	assert_int_equal(core_offer(&core, PORT, 5, 10, 1), 10); /* ... of another partition */
	core_run_until(&core, ten_are_done);
	assert_int_equal(core.processed[PORT], 0);
	assert_int_equal(stream->base, 0);
	core_close(&core);

	o.handler = "sum.main";
	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(mark.before[PORT], 0);
	assert_int_equal(core_offer(&core, PORT, 3, 1, 1), 1);
	assert_int_equal(core_offer(&core, PORT, 5, 10, 1), 10);
	core_run_to(&core, PORT, 11);
	assert_int_equal(core_stats(&core).events, 1);
	assert_string_equal(core_state(&core, "10.0.0.5", "last", text), "10");
	core_close(&core);
}

struct losses {
	char text[512];
};

static int note_loss(void *user, uint64_t row _unused_, const struct loss *loss)
{
	struct losses *losses = user;
	size_t len = strlen(losses->text);

	snprintf(losses->text + len, sizeof(losses->text) - len, "%u:%llu+%llu %s; ",
		(unsigned int)(loss->stream & 0xff), (unsigned long long)loss->sequence,
		(unsigned long long)loss->count, loss->cause);
	return 0;
}

static void assert_losses(struct core *core, const char *expected)
{
	struct losses losses = {""};

	assert_int_equal(streams_each_loss(core->reader, CORE_SWITCH, 100, note_loss, &losses), 0);
	assert_string_equal(losses.text, expected);
}

static void a_new_incarnation_waits_for_the_old_ones_events_and_declares_the_rest(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;
	char text[64];

	o.handler = "sum.slow";
	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 100, 0), 100);
	assert_int_equal(core_hello(&core, 100, 0, &mark), V2_ADMIT_NEW);
	assert_true(mark.epoch == 2 && mark.before[PORT] == 0);
	assert_string_equal(core_state(&core, "10.0.0.3", "last", text), "99");
	assert_losses(&core, "0:0+0 restart; 1:100+0 restart; 2:0+0 restart; 3:0+0 restart; ");
	assert_int_equal(core.agent->dropped, 0);
	/* The numbers begin anew, and are not taken for old ones. */
	assert_int_equal(core_offer(&core, PORT, 3, 10, 500), 10);
	core_run_to(&core, PORT, 10);
	assert_string_equal(core_state(&core, "10.0.0.3", "last", text), "509");
	assert_string_equal(core_state(&core, "10.0.0.3", "sum", text), "9995");
	core_close(&core);
}

static void nothing_of_a_closed_incarnation_is_offered(void **state)
{
	struct core_options o = options_for(state);
	const struct v2_hello again = {.boot = 99, .epoch = 1}, other = {.boot = 100};
	struct core core = {0};
	struct v2_mark mark;

	o.handler = "sum.slow";
	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 10, 0), 10);
	assert_int_equal(agent_hello(core.agent, &other, &mark), V2_ADMIT_NEW);
	assert_int_equal(core_offer(&core, PORT, 3, 10, 10), 0);
	assert_int_equal(agent_hello(core.agent, &again, &mark), V2_ADMIT_STALE);
	assert_int_equal(core_hello(&core, 100, 0, &mark), V2_ADMIT_NEW);
	assert_int_equal(core.admissions, 2);
	core_close(&core);
}

/* Its first event fails again and again, and the others wait behind it: they are dropped. */
static void a_function_that_fails_does_not_keep_an_agent_from_starting_again(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	o.handler = "sum.stuck";
	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 100, 0), 100);
	assert_int_equal(core_hello(&core, 100, 0, &mark), V2_ADMIT_NEW);
	assert_true(core.agent->dropped > 0);
	assert_losses(&core, "0:0+0 restart; 1:100+0 restart; 2:0+0 restart; 3:0+0 restart; ");
	core_close(&core);
}

static bool two_are_admitted(struct core *core)
{
	return core->admissions == 2;
}

static bool is_put_off(struct core *core)
{
	return agents_put_off(core->agents) > 0;
}

/* Of those that come too soon only the last is left when it is its turn. */
static void incarnations_that_come_too_often_wait_for_their_turn(void **state)
{
	enum { BURST = 3 };
	struct core_options o = options_for(state);
	const struct v2_hello fourth = {.boot = 104}, fifth = {.boot = 105};
	struct core core = {0};
	struct v2_mark mark;

	o.incarnations = (struct rate){3600 * NS_PER_SEC, BURST};
	core_open(&core, &o);
	for (uint64_t boot = 1; boot <= BURST; boot++)
		hello(&core, 100 + boot);
	assert_int_equal(agents_put_off(core.agents), 0);
	assert_int_equal(agent_hello(core.agent, &fourth, &mark), V2_ADMIT_NEW);
	core_run_until(&core, is_put_off);
	assert_int_equal(agent_hello(core.agent, &fifth, &mark), V2_ADMIT_NEW);
	assert_int_equal(agent_hello(core.agent, &fifth, &mark), V2_ADMIT_NEW);
	assert_int_equal(agents_put_off(core.agents), 1);
	assert_int_equal(core.admissions, BURST);
	core.agent->full_at_ns = 0; /* as hours later */
	assert_int_equal(core_hello(&core, 105, 0, &mark), V2_ADMIT_NEW);
	assert_int_equal(core.admissions, BURST + 1);
	assert_int_equal(mark.epoch, BURST + 1);
	core_close(&core);
}

static void another_limit_of_incarnations_holds_at_once(void **state)
{
	struct core_options o = options_for(state);
	const struct v2_hello second = {.boot = 102};
	struct core core = {0};
	struct v2_mark mark;

	o.incarnations = (struct rate){3600 * NS_PER_SEC, 1};
	core_open(&core, &o);
	hello(&core, 101);
	assert_int_equal(agent_hello(core.agent, &second, &mark), V2_ADMIT_NEW);
	core_run_until(&core, is_put_off);
	assert_int_equal(core.admissions, 1);
	agents_limit(core.agents, &(struct rate){3600 * NS_PER_SEC, 2});
	core_run_until(&core, two_are_admitted);
	hello(&core, 103);
	assert_int_equal(core.admissions, 3);
	assert_int_equal(agents_put_off(core.agents), 1);
	core_close(&core);
}

/* However often it is killed: it costs no commit, and nothing is declared. */
static void an_incarnation_that_goes_on_is_no_other_one(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	o.incarnations = (struct rate){3600 * NS_PER_SEC, 1};
	core_open(&core, &o);
	hello(&core, 99);
	for (uint64_t life = 1; life <= 20; life++) {
		assert_int_equal(core_hello(&core, 99, life % 2, &mark), V2_ADMIT_RESUME);
		assert_int_equal(core_offer(&core, PORT, 3, 1, life - 1), 1);
		core_run_to(&core, PORT, life);
	}
	assert_int_equal(agents_put_off(core.agents), 0);
	assert_int_equal(core.admissions, 1);
	assert_losses(&core, "");
	core_close(&core);
}

/* Another was there in between, without what the first had kept: that has its end. */
static void an_incarnation_that_goes_on_too_late_is_stale(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 10, 0), 10);
	core_run_to(&core, PORT, 10);
	hello(&core, 100);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_STALE);
	core_close(&core);
}

static void incarnation_that_was_put_off_is_admitted_unasked(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};

	o.incarnations = (struct rate){50 * NS_PER_MS, 1};
	core_open(&core, &o);
	for (uint64_t boot = 1; boot <= 5; boot++)
		hello(&core, 100 + boot);
	assert_int_equal(core.admissions, 5);
	core_close(&core);
}

/* ---- losses ---- */

static bool lose_of(struct agent *agent, uint8_t lane, uint64_t count)
{
	const struct agent_range range = {
		agent_next(agent, lane), count, v2_cause_name(V2_CAUSE_SPOOL_FULL)};

	return agent_lost(agent, lane, &range);
}

static bool lose(struct core *core, uint8_t lane, uint64_t count)
{
	return lose_of(core->agent, lane, count);
}

static void a_range_is_passed_when_its_loss_is_durable_and_declared_once(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 10, 0), 10);
	assert_true(lose(&core, PORT, 1ULL << 40));
	assert_true(lose(&core, PORT, 5));                       /* neighbours are one */
	assert_int_equal(core_offer(&core, PORT, 3, 10, 10), 0); /* beyond the window, still */
	core_run_to(&core, PORT, (1ULL << 40) + 15);
	assert_int_equal(core_offer(&core, PORT, 3, 10, 10), 10);
	core_run_to(&core, PORT, (1ULL << 40) + 25);
	assert_losses(&core, "1:10+1099511627781 spool-full; ");
	core_close(&core);

	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_true(mark.before[PORT] == (1ULL << 40) + 25);
	core_close(&core);
}

static bool seven_are_lost(struct core *core)
{
	return core->agent->lanes[PORT].lost >= 7;
}

/* It was declared before the events in front of it were processed; then the server was started again. */
static void a_range_that_comes_again_is_not_declared_again(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct v2_mark mark;

	o.handler = "sum.stuck";
	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 1, 0), 1);
	assert_true(lose(&core, PORT, 7));
	core_run_until(&core, seven_are_lost);
	assert_int_equal(core.processed[PORT], 0);
	core_close(&core);

	o.handler = "sum.main";
	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(core_offer(&core, PORT, 3, 1, 0), 1);
	assert_true(lose(&core, PORT, 9)); /* two of them are new */
	core_run_to(&core, PORT, 10);
	assert_losses(&core, "1:1+7 spool-full; 1:8+2 spool-full; ");
	core_close(&core);
}

static void updates_go_on_behind_gaps_which_are_declared(void **state)
{
	struct core_options o = options_for(state);
	struct port_event record = {.syn = 5};
	const struct agent_run late = {EVENT_PORT, 3, 1, &record, sizeof(record), 1};
	const struct agent_run ahead = {EVENT_PORT, 30, 1, &record, sizeof(record), 1};
	struct core core = {0};
	char text[64];

	core_open(&core, &o);
	hello(&core, 99);
	core_offer(&core, V2_LANE_UPDATE, 3, 10, 0);
	agent_update(core.agent, &ahead);
	agent_update(core.agent, &late); /* overtaken: its effect was had, or lost */
	core_run_to(&core, V2_LANE_UPDATE, 31);
	assert_string_equal(core_state(&core, "10.0.0.3", "sum", text), "45");
	assert_string_equal(core_state(&core, "::", "sum", text), "5");
	assert_losses(&core, "3:10+20 path; ");
	core_close(&core);
}

/* What cannot be told apart from what is not processed yet is given up, and said to be. */
static void updates_beyond_the_window_are_lost_with_a_cause(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};

	o.window = 8;
	core_open(&core, &o);
	hello(&core, 99);
	core_offer(&core, V2_LANE_UPDATE, 3, 10, 0);
	core_run_to(&core, V2_LANE_UPDATE, 10);
	assert_losses(&core, "3:8+2 no-room; ");
	assert_int_equal(core_stats(&core).events, 8);
	core_close(&core);
}

static void updates_that_a_function_has_no_room_for_are_counted(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};

	o.queue_max = 4;
	core_open(&core, &o);
	hello(&core, 99);
	core_offer(&core, V2_LANE_UPDATE, 3, 10, 0);
	assert_int_equal(core.agent->lanes[V2_LANE_UPDATE].stream.shed, 6);
	core_run_to(&core, V2_LANE_UPDATE, 10);
	assert_losses(&core, ""); /* others may have had them */
	core_close(&core);
}

static void spoil(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 20000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool a_task_is_refused(struct core *core)
{
	return core->commits.last_task_error != 0;
}

static bool no_task_is_refused(struct core *core)
{
	return core->commits.last_task_error == 0;
}

static void progress_that_the_store_refuses_is_known_until_it_takes_it(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};

	core_open(&core, &o);
	hello(&core, 99);
	spoil(o.path, "ALTER TABLE streams RENAME TO elsewhere");
	assert_true(lose(&core, PORT, 5));
	core_run_until(&core, a_task_is_refused);
	assert_int_equal(core.processed[PORT], 0);
	spoil(o.path, "ALTER TABLE elsewhere RENAME TO streams");
	core_run_until(&core, no_task_is_refused);
	core_run_to(&core, PORT, 5);
	core_close(&core);
}

static bool port_is_refused(struct core *core)
{
	return core->agent->lanes[PORT].refused;
}

static bool port_is_taken_again(struct core *core)
{
	return !core->agent->lanes[PORT].refused;
}

/* The other's lane is another one, so that who was told what can be told apart. */
static void agent_that_the_store_refuses_holds_up_nobody_else(void **state)
{
	struct core_options o = options_for(state);
	const struct v2_hello fresh = {.boot = 5};
	struct core core = {0};
	struct agent *other;
	struct v2_mark mark;

	core_open(&core, &o);
	hello(&core, 99);
	other = agents_get(core.agents, CORE_SWITCH + 1);
	assert_int_equal(agent_hello(other, &fresh, &mark), V2_ADMIT_NEW);
	core_run_until(&core, two_are_admitted);
	spoil(o.path, "UPDATE streams SET epoch = 77 WHERE stream / 256 = 7");
	assert_true(lose(&core, PORT, 5));
	core_run_until(&core, port_is_refused);
	/* What it cannot declare waits with the agent; the other goes on. */
	assert_false(lose(&core, PORT, 5));
	for (uint64_t end = 4; end <= 40; end += 4) {
		assert_true(lose_of(other, V2_LANE_LAST, 4));
		core_run_to(&core, V2_LANE_LAST, end);
	}
	assert_int_equal(core.processed[PORT], 0);
	assert_losses(&core, "");
	spoil(o.path, "UPDATE streams SET epoch = 1 WHERE stream / 256 = 7");
	core_run_until(&core, port_is_taken_again);
	assert_true(lose(&core, PORT, 5));
	core_run_to(&core, PORT, 10);
	assert_losses(&core, "1:0+5 spool-full; 1:5+5 spool-full; ");
	core_close(&core);
}

/* ---- room ---- */

static uint64_t left_to_offer;

static void offer_more(struct core *core, uint8_t lane)
{
	left_to_offer -= core_offer(core, lane, 3, left_to_offer, 1000 - (uint32_t)left_to_offer);
}

static void a_lane_that_a_full_queue_stopped_goes_on_when_there_is_room(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	char text[64];

	o.queue_max = 20;
	core_open(&core, &o);
	core.on_room = offer_more;
	hello(&core, 99);
	left_to_offer = 1000;
	offer_more(&core, PORT);
	assert_int_equal(left_to_offer, 980);
	core_run_to(&core, PORT, 1000);
	assert_string_equal(core_state(&core, "10.0.0.3", "sum", text), "499500");
	core_close(&core);
}

static void events_that_no_trigger_names_are_processed_by_a_commit_of_their_own(void **state)
{
	struct core_options o = options_for(state);
	struct flow_event record = {.count = 1};
	const struct agent_run run = {EVENT_FLOW, 0, 1, &record, sizeof(record), 1};
	struct core core = {0};
	struct v2_mark mark;

	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(agent_offer(core.agent, PORT, &run), 1);
	assert_int_equal(core.processed[PORT], 0); /* not before it is durable */
	core_run_to(&core, PORT, 1);
	assert_int_equal(core.agent->lanes[PORT].unrouted, 1);
	core_close(&core);
	core_open(&core, &o);
	assert_int_equal(core_hello(&core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(mark.before[PORT], 1);
	core_close(&core);
}

static void a_removed_function_releases_its_share(void **state)
{
	struct core_options o = options_for(state);
	struct core core = {0};
	struct unit *unit;

	o.handler = "sum.stuck";
	core_open(&core, &o);
	hello(&core, 99);
	assert_int_equal(core_offer(&core, PORT, 3, 100, 0), 100);
	unit = &core.units->units[0];
	engine_remove(unit->function);
	unit->function = NULL;
	agents_forget_unit(core.agents, 0);
	core_run_to(&core, PORT, 100);
	core_close(&core);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_new, place_free)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_incarnation_is_epoch_1_and_is_known_again),
		TEST(a_switch_that_has_proved_itself_is_not_believed_in_the_clear),
		TEST(events_are_processed_once_and_resumed_where_they_were),
		TEST(what_one_partition_has_done_is_not_done_again),
		TEST(a_new_incarnation_waits_for_the_old_ones_events_and_declares_the_rest),
		TEST(nothing_of_a_closed_incarnation_is_offered),
		TEST(a_function_that_fails_does_not_keep_an_agent_from_starting_again),
		TEST(incarnations_that_come_too_often_wait_for_their_turn),
		TEST(another_limit_of_incarnations_holds_at_once),
		TEST(an_incarnation_that_goes_on_is_no_other_one),
		TEST(an_incarnation_that_goes_on_too_late_is_stale),
		TEST(incarnation_that_was_put_off_is_admitted_unasked),
		TEST(a_range_is_passed_when_its_loss_is_durable_and_declared_once),
		TEST(a_range_that_comes_again_is_not_declared_again),
		TEST(updates_go_on_behind_gaps_which_are_declared),
		TEST(updates_beyond_the_window_are_lost_with_a_cause),
		TEST(updates_that_a_function_has_no_room_for_are_counted),
		TEST(progress_that_the_store_refuses_is_known_until_it_takes_it),
		TEST(agent_that_the_store_refuses_holds_up_nobody_else),
		TEST(a_lane_that_a_full_queue_stopped_goes_on_when_there_is_room),
		TEST(events_that_no_trigger_names_are_processed_by_a_commit_of_their_own),
		TEST(a_removed_function_releases_its_share),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
