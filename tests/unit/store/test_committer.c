// SPDX-License-Identifier: BSD-2-Clause
#include "store/committer.h"

#include "store/streams.h"

#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <semaphore.h>

/* Holds the committing thread in on_done while the test queues what shall go together. */
struct gate {
	sem_t done; /* posted each time on_done is called */
	sem_t go;   /* taken by it */
};

static void on_done(void *user)
{
	struct gate *gate = user;

	sem_post(&gate->done);
	sem_wait(&gate->go);
}

static void gate_init(struct gate *gate)
{
	sem_init(&gate->done, 0, 0);
	sem_init(&gate->go, 0, 0);
}

#define REQUESTS 8

/* Request i of `function` writes i under name "last" and alerts as function-i. */
struct work {
	struct commit_request request;
	struct state_row write;
	struct alert alert;
	char value[8];
};

static struct commit_request *make_work(struct work *work, const char *function, unsigned int i)
{
	char id[32];

	snprintf(work->value, sizeof(work->value), "%u", i);
	snprintf(id, sizeof(id), "%s-%u", function, i);
	work->write = (struct state_row){0, "key", "last", work->value, strlen(work->value)};
	work->alert = make_alert(id);
	work->request = (struct commit_request){
		.outcome = {.function = function,
			.writes = &work->write,
			.write_count = 1,
			.alerts = &work->alert,
			.alert_count = 1},
		.user = work,
		.error = 99,
	};
	return &work->request;
}

static void queued_requests_share_one_commit_in_order(void **state)
{
	const struct place *place = *state;
	_cleanup_(committer_freep) struct committer *committer = NULL;
	struct work work[REQUESTS];
	struct gate gate;
	struct commit_request *done;
	struct committer_stats stats;
	_cleanup_(store_closep) struct store *reader = NULL;
	char text[64];

	gate_init(&gate);
	assert_int_equal(committer_new(open_store(place->path, 0), on_done, &gate, &committer), 0);
	committer_submit(committer, make_work(&work[0], "f", 0));
	sem_wait(&gate.done);
	for (unsigned int i = 1; i < REQUESTS; i++)
		committer_submit(committer, make_work(&work[i], "f", i));
	done = committer_collect(committer);
	assert_ptr_equal(done, &work[0].request);
	assert_null(done->next);

	sem_post(&gate.go);
	sem_wait(&gate.done);
	done = committer_collect(committer);
	for (unsigned int i = 1; i < REQUESTS; i++, done = done->next) {
		assert_ptr_equal(done, &work[i].request);
		assert_int_equal(done->error, 0);
	}
	assert_null(done);
	assert_null(committer_collect(committer));
	committer_get_stats(committer, &stats);
	assert_int_equal(stats.commits, 2);
	assert_int_equal(stats.requests, REQUESTS);
	assert_int_equal(stats.failures, 0);
	reader = open_store(place->path, STORE_READ_ONLY);
	assert_string_equal(get_state(reader, "f", "key", "last", text), "7");
	sem_post(&gate.go);
}

static void stop_commits_what_is_queued(void **state)
{
	const struct place *place = *state;
	_cleanup_(committer_freep) struct committer *committer = NULL;
	struct work work[REQUESTS];
	struct gate gate;
	unsigned int collected = 0;

	gate_init(&gate);
	for (unsigned int i = 0; i < REQUESTS; i++)
		sem_post(&gate.go);
	assert_int_equal(committer_new(open_store(place->path, 0), on_done, &gate, &committer), 0);
	for (unsigned int i = 0; i < REQUESTS; i++)
		committer_submit(committer, make_work(&work[i], "f", i));
	committer_stop(committer);
	for (struct commit_request *r = committer_collect(committer); r; r = r->next, collected++)
		assert_int_equal(r->error, 0);
	assert_int_equal(collected, REQUESTS);
}

static void refused_request_takes_along_only_its_function(void **state)
{
	const struct place *place = *state;
	_cleanup_(committer_freep) struct committer *committer = NULL;
	_cleanup_(store_closep) struct store *reader = NULL;
	struct work first, bad, after, other, late, retry;
	struct gate gate;
	struct commit_request *done;
	struct committer_stats stats;
	char text[64];

	gate_init(&gate);
	assert_int_equal(committer_new(open_store(place->path, 0), on_done, &gate, &committer), 0);
	committer_submit(committer, make_work(&first, "f", 0));
	sem_wait(&gate.done);
	committer_submit(committer, make_work(&bad, "f", 1));
	committer_submit(committer, make_work(&other, "g", 1));
	committer_submit(committer, make_work(&after, "f", 2));
	bad.alert.title = NULL; /* which the store refuses */
	sem_post(&gate.go);
	sem_wait(&gate.done);
	/* Submitted before its caller could know that `bad` was refused. */
	committer_submit(committer, make_work(&late, "f", 3));

	done = committer_collect(committer);
	assert_ptr_equal(done, &first.request);
	assert_int_equal(done->error, 0);
	done = done->next;
	assert_ptr_equal(done, &bad.request);
	assert_int_equal(done->error, -EIO);
	done = done->next;
	assert_ptr_equal(done, &other.request);
	assert_int_equal(done->error, 0);
	done = done->next;
	assert_ptr_equal(done, &after.request);
	assert_int_equal(done->error, -EIO);
	done = done->next;
	assert_ptr_equal(done, &late.request);
	assert_int_equal(done->error, -EIO);
	assert_null(done->next);
	committer_get_stats(committer, &stats);
	assert_int_equal(stats.failures, 3);
	assert_non_null(strstr(stats.error, "title"));
	reader = open_store(place->path, STORE_READ_ONLY);
	assert_string_equal(get_state(reader, "f", "key", "last", text), "0");
	assert_string_equal(get_state(reader, "g", "key", "last", text), "1");

	/* Now it knows, and may go on. */
	committer_submit(committer, make_work(&retry, "f", 4));
	sem_post(&gate.go);
	sem_wait(&gate.done);
	assert_int_equal(committer_collect(committer)->error, 0);
	assert_string_equal(get_state(reader, "f", "key", "last", text), "4");
	committer_get_stats(committer, &stats);
	assert_string_equal(stats.error, "");
	sem_post(&gate.go);
}

static int copy_agent(void *user, const struct agent_row *agent)
{
	*(struct agent_row *)user = *agent;
	return 0;
}

static uint64_t before_of_lane_1(const struct place *place)
{
	_cleanup_(store_closep) struct store *reader = open_store(place->path, STORE_READ_ONLY);
	struct agent_row agent = {0};

	assert_int_equal(streams_each_agent(reader, copy_agent, &agent), 0);
	return agent.before[1];
}

/* How far all are counts on what went before, of any function. */
static void marks_of_streams_do_not_hold_behind_a_refusal_that_is_not_known(void **state)
{
	const struct place *place = *state;
	_cleanup_(committer_freep) struct committer *committer = NULL;
	const struct agent_row agent = {.switch_id = 7, .boot = 99, .epoch = 1};
	const struct stream_mark mark = {stream_id(7, 1), 1, 50};
	struct work first, bad, other, late, knowing;
	struct store *store = open_store(place->path, 0);
	struct commit_request *done;
	struct gate gate;

	assert_int_equal(streams_admit(store, &agent, NULL, 0), 0);
	gate_init(&gate);
	assert_int_equal(committer_new(store, on_done, &gate, &committer), 0);
	committer_submit(committer, make_work(&first, "f", 0));
	sem_wait(&gate.done);
	committer_submit(committer, make_work(&bad, "f", 1));
	bad.alert.title = NULL; /* which the store refuses */
	make_work(&other, "g", 1)->outcome.stream_marks = &mark;
	other.request.outcome.stream_mark_count = 1;
	committer_submit(committer, &other.request); /* in one group with it */
	sem_post(&gate.go);
	sem_wait(&gate.done);
	make_work(&late, "g", 2)->outcome.stream_marks = &mark;
	late.request.outcome.stream_mark_count = 1;
	committer_submit(committer, &late.request); /* in the next one */
	sem_post(&gate.go);
	sem_wait(&gate.done);
	assert_int_equal(before_of_lane_1(place), 0);

	done = committer_collect(committer);
	assert_ptr_equal(done, &first.request);
	assert_false(done->stale);
	assert_int_equal(bad.request.error, -EIO);
	assert_true(other.request.error == 0 && other.request.stale);
	assert_true(late.request.error == 0 && late.request.stale);

	make_work(&knowing, "g", 3)->outcome.stream_marks = &mark;
	knowing.request.outcome.stream_mark_count = 1;
	knowing.request.known = 1;
	committer_submit(committer, &knowing.request);
	sem_post(&gate.go);
	sem_wait(&gate.done);
	assert_ptr_equal(committer_collect(committer), &knowing.request);
	assert_true(knowing.request.error == 0 && !knowing.request.stale);
	assert_int_equal(before_of_lane_1(place), 50);
	sem_post(&gate.go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			queued_requests_share_one_commit_in_order, place_new, place_free),
		cmocka_unit_test_setup_teardown(stop_commits_what_is_queued, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			refused_request_takes_along_only_its_function, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			marks_of_streams_do_not_hold_behind_a_refusal_that_is_not_known, place_new,
			place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
