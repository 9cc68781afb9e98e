// SPDX-License-Identifier: BSD-2-Clause
#include "server/receive_worker.h"

#include "net/udp.h"
#include "tests/unit/test.h"

#include <errno.h>

static int loop_error; /* that threads end with at once; 0: none */

int __real_loop_run(struct loop *loop);
int __wrap_loop_run(struct loop *loop);

int __wrap_loop_run(struct loop *loop)
{
	return loop_error != 0 ? loop_error : __real_loop_run(loop);
}

static void wake(void *user _unused_)
{
}

static struct receive_worker *new_worker(void)
{
	struct receive_worker_options options = {
		.sessions_max = 4, .update_bytes = 1 << 16, .wake = wake};
	struct receive_worker *worker = NULL;
	struct endpoint local;
	char *error = NULL;

	assert_int_equal(endpoint_parse("127.0.0.1:0", &local, &error), 0);
	options.fd = udp_listen(&local);
	assert_true(options.fd >= 0);
	assert_int_equal(receive_worker_new(&options, &worker), 0);
	return worker;
}

/* Whoever looks while the server ends sees counters that do not go back. */
static void a_worker_that_has_ended_keeps_its_counters(void **state _unused_)
{
	struct receive_worker *worker = new_worker();
	struct receive_worker_stats before, after;

	do
		receive_worker_get_stats(worker, &before);
	while (before.busy_ns == 0);
	receive_worker_stop(worker);
	receive_worker_get_stats(worker, &after);
	assert_true(after.busy_ns >= before.busy_ns);
	receive_worker_free(worker);
}

static void a_worker_that_ends_by_itself_says_why(void **state _unused_)
{
	struct receive_worker *worker;

	worker = new_worker();
	assert_int_equal(receive_worker_error(worker), 0);
	receive_worker_free(worker);
	loop_error = -EBADF;
	worker = new_worker();
	receive_worker_stop(worker);
	assert_int_equal(receive_worker_error(worker), -EBADF);
	receive_worker_free(worker);
	loop_error = 0;
}

/* The one before may be closed when its successor is open already: by its number. */
static void a_session_never_has_the_number_of_the_one_before(void **state _unused_)
{
	struct receive_worker *worker = new_worker();
	static const uint64_t draws[] = {0, 1, 0, 1, 1, 7, 7, UINT64_MAX, UINT64_MAX, 0, 0};
	struct session session = {.slot = 0};
	uint64_t before = 0;

	for (size_t i = 0; i < ARRAY_SIZE(draws); i++) {
		uint64_t number = receive_worker_number(worker, &session, draws[i]);

		assert_true(number != before && number <= V2_SESSION_MAX && number >> 8 != 0);
		before = number;
	}
	receive_worker_free(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_has_ended_keeps_its_counters),
		cmocka_unit_test(a_worker_that_ends_by_itself_says_why),
		cmocka_unit_test(a_session_never_has_the_number_of_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
