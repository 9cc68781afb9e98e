// SPDX-License-Identifier: BSD-2-Clause
/* Certificates and lists that change, or end, while connections are up. */
#include "tests/unit/net/tls_rig.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>

#define HOUR 3600

static void new_certificate_is_used_for_new_connections(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct mint renewed;

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	mint_issue(&rig_ca,
		&(struct mint_order){
			.kind = CERTIFICATE_SERVER, .name = "renewed", .host = "localhost"},
		&renewed);
	mint_write("server.pem", renewed.key, renewed.certificate, rig_ca.certificate);
	rig_wait_count(rig, &rig->reloads, 1);
	assert_int_equal(edge.side.closed, 0);
	tls_client_renew(edge.client);
	rig_wait_count(rig, &edge.side.opened, 2);
	assert_string_equal(tls_channel_peer(edge.side.channel)->name, "renewed");
	rig_disconnect(&edge);
	mint_free(&renewed);
}

/* Two files are replaced one after the other; between the two they do not fit. */
static void half_replaced_files_leave_the_old_in_force(void **state)
{
	struct rig *rig = *state;
	struct mint renewed;
	const struct tls_context_options options = {
		.role = TLS_CLIENT,
		.files = {.credentials = "edge.crt", .key = "edge.key", .anchors = "ca.pem"},
	};
	_cleanup_free_ char *error = NULL, *why = NULL;
	struct tls_context *context;

	mint_write("edge.crt", NULL, rig_switch.certificate, NULL);
	mint_write("edge.key", rig_switch.key, NULL, NULL);
	mint_write("ca.pem", NULL, rig_ca.certificate, NULL);
	assert_int_equal(tls_context_new(rig->loop, &options, &context, &error), 0);
	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 7, .name = "renewed"}, &renewed);
	mint_write("edge.crt", NULL, renewed.certificate, NULL);
	assert_int_equal(tls_context_check(context, &why), -EBADMSG);
	assert_non_null(strstr(why, "no certificate that fits the private key in edge.key"));
	assert_int_equal(
		X509_cmp(tls_context_credentials(context)->certificate, rig_switch.certificate), 0);
	mint_write("edge.key", renewed.key, NULL, NULL);
	assert_int_equal(tls_context_check(context, &error), 1);
	assert_int_equal(
		X509_cmp(tls_context_credentials(context)->certificate, renewed.certificate), 0);
	assert_int_equal(tls_context_check(context, &error), 0);
	tls_context_free(context);
	mint_free(&renewed);
}

static void damage(const char *path, unsigned int how)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t size;

	assert_int_equal(file_read(path, 100000, &bytes, &size), 0);
	if (how == 0)
		assert_int_equal(file_write(path, bytes, size / 2, 0600, true), 0);
	else if (how == 1)
		assert_int_equal(file_write(path, "", 0, 0600, true), 0);
	else if (how == 2)
		assert_int_equal(unlink(path), 0);
	else
		assert_int_equal(file_write(path, bytes, size, 0604, true), 0);
}

static void damaged_files_change_nothing_and_are_told_once(void **state)
{
	static const char *const messages[] = {"damaged", "holds no private key",
		"cannot read server.pem", "everybody may read it"};
	struct rig *rig = *state;
	struct peer edge = {0};

	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	for (unsigned int how = 0; how < ARRAY_SIZE(messages); how++) {
		damage("server.pem", how);
		rig_wait_count(rig, &rig->reload_failures, how + 1);
		if (!strstr(rig->reload_error, messages[how]))
			fail_msg("expected \"%s\", found \"%s\"", messages[how], rig->reload_error);
		rig_run(rig, 50);
		assert_int_equal(rig->reload_failures, how + 1); /* though it was tried again */
		tls_client_renew(edge.client);
		rig_wait_count(rig, &edge.side.opened, how + 2);
		rig_write_files();
		rig_wait_count(rig, &rig->reloads, how + 1);
	}
	/* The list is damaged: what it said before is still in force. */
	damage("crl.pem", 0);
	rig_wait_count(rig, &rig->reload_failures, ARRAY_SIZE(messages) + 1);
	tls_client_renew(edge.client);
	rig_wait_count(rig, &edge.side.opened, ARRAY_SIZE(messages) + 2);
	rig_disconnect(&edge);
}

static void revoked_switch_loses_its_connection_and_no_other_does(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0}, good = {0};
	struct mint minted;

	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 8}, &minted);
	mint_write("good.pem", minted.key, minted.certificate, rig_ca.certificate);
	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	rig_connect(rig, &good, "good.pem");
	rig_wait_count(rig, &good.side.opened, 1);
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_REVOKED);
	rig_wait_count(rig, &edge.side.closed, 1);
	/* It does not come back. */
	rig_wait_count(rig, &rig->at_server.failed, 2);
	assert_int_equal(rig->at_server.end, TLS_REVOKED);
	assert_int_equal(good.side.closed, 0);
	rig_disconnect(&edge);
	rig_disconnect(&good);
	mint_free(&minted);
}

static void ca_that_is_not_believed_any_more_ends_its_connections(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct mint other;

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	mint_issue(&rig_other_ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER, .host = "localhost"}, &other);
	mint_write("server.pem", other.key, other.certificate, rig_other_ca.certificate);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_UNTRUSTED);
	rig_disconnect(&edge);
	mint_free(&other);
}

static void connection_ends_with_the_certificate(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct mint brief;

	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 7, .from_s = -HOUR, .until_s = 6},
		&brief);
	mint_write("switch.pem", brief.key, brief.certificate, rig_ca.certificate);
	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_EXPIRED);
	rig_wait_count(rig, &rig->at_server.failed, 1);
	assert_int_equal(rig->at_server.end, TLS_EXPIRED);
	rig_disconnect(&edge);
	mint_free(&brief);
}

/* The agent looks at its server's certificate likewise. */
static void agent_ends_with_the_servers_certificate(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct mint brief;

	mint_issue(&rig_ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER,
			.host = "localhost",
			.from_s = -HOUR,
			.until_s = 6},
		&brief);
	mint_write("server.pem", brief.key, brief.certificate, rig_ca.certificate);
	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	rig_wait_count(rig, &edge.side.closed, 1);
	assert_int_equal(edge.side.end, TLS_EXPIRED);
	rig_disconnect(&edge);
	mint_free(&brief);
}

/* ---- grants ---- */

static unsigned int grants_ended;
static enum tls_end grant_end;

static void on_ended(struct tls_grant *grant, enum tls_end end)
{
	assert_null(grant->context);
	grants_ended++;
	grant_end = end;
}

/* Whoever hears of one end may end another. */
static void on_ended_end_other(struct tls_grant *grant, enum tls_end end)
{
	on_ended(grant, end);
	tls_grant_end(grant->user);
}

static void session_outlives_its_connection_but_not_its_certificate(void **state)
{
	struct rig *rig = *state;
	struct tls_grant grant = {.ended = on_ended};
	struct peer edge = {0};

	grants_ended = 0;
	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	assert_int_equal(tls_grant_copy(&grant, tls_channel_grant(rig->at_server.channel)), 0);
	rig_disconnect(&edge);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	rig_run(rig, 50);
	assert_int_equal(grants_ended, 0);
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_wait_count(rig, &grants_ended, 1);
	assert_int_equal(grant_end, TLS_REVOKED);
	tls_grant_end(&grant); /* again, to no effect */
}

static void grants_may_end_each_other(void **state)
{
	struct rig *rig = *state;
	struct tls_grant grants[4] = {0};
	struct peer edge = {0};

	grants_ended = 0;
	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	for (size_t i = 0; i < 4; i++) {
		grants[i].ended = on_ended_end_other;
		grants[i].user = &grants[i ^ 1];
		assert_int_equal(
			tls_grant_copy(&grants[i], tls_channel_grant(rig->at_server.channel)), 0);
	}
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_wait_count(rig, &grants_ended, 2);
	rig_run(rig, 50);
	assert_int_equal(grants_ended, 2);
	for (size_t i = 0; i < 4; i++)
		assert_null(grants[i].context);
	rig_disconnect(&edge);
}

static void who_is_revoked_gets_no_grant(void **state)
{
	struct rig *rig = *state;
	struct tls_grant grant = {.ended = on_ended}, copy = {.ended = on_ended};
	_cleanup_free_ char *error = NULL;
	struct peer edge = {0};

	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	assert_int_equal(tls_grant_copy(&grant, tls_channel_grant(rig->at_server.channel)), 0);
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	assert_int_equal(tls_context_check(rig->context, &error), 1);
	assert_int_equal(tls_grant_copy(&copy, &grant), -EKEYREJECTED);
	assert_null(copy.context);
	tls_grant_end(&grant);
	rig_disconnect(&edge);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(new_certificate_is_used_for_new_connections),
		WITH_RIG(half_replaced_files_leave_the_old_in_force),
		WITH_RIG(damaged_files_change_nothing_and_are_told_once),
		WITH_RIG(revoked_switch_loses_its_connection_and_no_other_does),
		WITH_RIG(ca_that_is_not_believed_any_more_ends_its_connections),
		WITH_RIG(connection_ends_with_the_certificate),
		WITH_RIG(agent_ends_with_the_servers_certificate),
		WITH_RIG(session_outlives_its_connection_but_not_its_certificate),
		WITH_RIG(grants_may_end_each_other),
		WITH_RIG(who_is_revoked_gets_no_grant),
	};

	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
