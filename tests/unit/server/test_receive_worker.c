// SPDX-License-Identifier: BSD-2-Clause
#include "server/receive_worker.h"

#include "net/udp.h"
#include "tests/unit/test.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_has_ended_keeps_its_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
