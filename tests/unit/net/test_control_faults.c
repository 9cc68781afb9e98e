// SPDX-License-Identifier: BSD-2-Clause
/*
 * Agent and server while each allocation and system call fails once: what cannot begin says so, and
 * what has begun ends up with every event processed once and in order.
 */
#include "tests/unit/faults.h"
#include "tests/unit/net/control_rig.h"

static void each_failure_costs_time_and_no_event(void **state)
{
	struct control_rig *c = *state;
	unsigned int not_begun = 0;

	c->direct = true;
	faults_begin();
	while (faults_more()) {
		int r;

		faults_arm();
		r = control_try_server(c);
		if (r == 0)
			r = control_try_agent(c);
		if (r == 0)
			control_wait_events(c, 5);
		faults_disarm();
		not_begun += r < 0;
		control_stop_agent(c);
		control_stop_server(c);
	}
	assert_true(not_begun > 50);
	control_start(c);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, control_rig_new, control_rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(each_failure_costs_time_and_no_event),
	};

	faults_init();
	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
