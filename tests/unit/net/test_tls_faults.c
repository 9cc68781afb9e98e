// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control channel while each allocation and system call fails once: what cannot begin says so, and
 * what has begun gets over it, since the agent tries again.
 */
#include "tests/unit/faults.h"
#include "tests/unit/net/tls_rig.h"

#include <errno.h>

static int begin(struct rig *rig, struct peer *edge, char **ret_error)
{
	int r = rig_try_server(rig, "crl.pem", ret_error);

	return r < 0 ? r : rig_try_connect(rig, edge, "switch.pem", "localhost", ret_error);
}

static void what_cannot_begin_says_so(void **state)
{
	struct rig *rig = *state;
	unsigned int failures = 0;

	faults_begin();
	while (faults_more()) {
		_cleanup_free_ char *error = NULL;
		struct peer edge = {0};
		int r;

		faults_arm();
		r = begin(rig, &edge, &error);
		faults_disarm();
		failures += r < 0;
		rig_disconnect(&edge);
		rig_stop_server(rig);
	}
	assert_true(failures > 200);
}

/* From connecting to an answer. */
static void connection_gets_over_each_failure(void **state)
{
	struct rig *rig = *state;
	unsigned int failures = 0;

	rig_start_server(rig, "crl.pem");
	rig->at_server.echo = true;
	faults_begin();
	while (faults_more()) {
		struct peer edge = {.side = {.greet = true}};

		rig_connect(rig, &edge, "switch.pem");
		faults_arm();
		rig_wait_count(rig, &edge.side.messages, 1);
		faults_disarm();
		failures += edge.side.failed + edge.side.closed > 0;
		rig_disconnect(&edge);
	}
	assert_true(failures > 100);
}

static unsigned int grants_ended;

static void on_ended(struct tls_grant *grant _unused_, enum tls_end end _unused_)
{
	grants_ended++;
}

static void no_failure_is_taken_for_a_verdict(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};

	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	faults_begin();
	while (faults_more()) {
		struct tls_grant grant = {.ended = on_ended};
		_cleanup_free_ char *error = NULL;

		assert_int_equal(
			tls_grant_copy(&grant, tls_channel_grant(rig->at_server.channel)), 0);
		/* Another list, with the same in it: all are verified again. */
		mint_write_crl("crl.pem", &rig_ca, NULL, 3600);
		assert_int_equal(tls_context_check(rig->context, &error), 1);
		faults_arm();
		rig_run(rig, 12);
		faults_disarm();
		assert_non_null(grant.context);
		tls_grant_end(&grant);
	}
	assert_int_equal(rig->at_server.closed, 0);
	rig_disconnect(&edge);
}

static void who_is_revoked_is_out_whatever_fails(void **state)
{
	struct rig *rig = *state;

	rig_start_server(rig, "crl.pem");
	faults_begin();
	while (faults_more()) {
		struct tls_grant grant = {.ended = on_ended};
		_cleanup_free_ char *error = NULL;
		struct peer edge = {0};

		mint_write_crl("crl.pem", &rig_ca, NULL, 3600);
		rig_wait_count(rig, &rig->reloads, rig->reloads + 1);
		rig_connect(rig, &edge, "switch.pem");
		rig_wait_count(rig, &rig->at_server.opened, rig->at_server.opened + 1);
		assert_int_equal(
			tls_grant_copy(&grant, tls_channel_grant(rig->at_server.channel)), 0);
		rig_disconnect(&edge);
		grants_ended = 0;
		mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, 3600);
		assert_int_equal(tls_context_check(rig->context, &error), 1);
		faults_arm();
		rig_wait_count(rig, &grants_ended, 1);
		faults_disarm();
	}
}

static void grant_is_whole_or_none(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	unsigned int failures = 0;

	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	faults_begin();
	while (faults_more()) {
		struct tls_grant grant = {.ended = on_ended};
		int r;

		faults_arm();
		r = tls_grant_copy(&grant, tls_channel_grant(rig->at_server.channel));
		faults_disarm();
		failures += r < 0;
		assert_true((r == 0) == (grant.context != NULL));
		assert_true((r == 0) == (grant.certificate != NULL));
		tls_grant_end(&grant);
	}
	assert_true(failures > 0);
	rig_disconnect(&edge);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(what_cannot_begin_says_so),
		WITH_RIG(connection_gets_over_each_failure),
		WITH_RIG(no_failure_is_taken_for_a_verdict),
		WITH_RIG(who_is_revoked_is_out_whatever_fails),
		WITH_RIG(grant_is_whole_or_none),
	};

	faults_init();
	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
