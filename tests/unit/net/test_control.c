// SPDX-License-Identifier: BSD-2-Clause
/* Agent and server with each other: control channel, keys and data, when things go wrong. */
#include "tests/unit/net/control_rig.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOUR 3600

static void data_flows_once_the_schema_is_known(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;

	control_start(c);
	assert_int_equal(c->described, 1);
	assert_int_equal(c->opened, 1);
	assert_int_equal(c->welcomed, 1);
	assert_string_equal(c->agent_note.what, "session opened");
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.sessions, 1);
	assert_int_equal(stats.sessions_alone, 0);
	assert_int_equal(c->dropped, 0);
}

static void cipher_is_what_the_server_allows(void **state)
{
	static const uint8_t chacha[] = {V2_CIPHER_CHACHA20_POLY1305};
	struct control_rig *c = *state;

	c->ciphers = chacha;
	control_start(c);
	assert_int_equal(c->cipher, V2_CIPHER_CHACHA20_POLY1305);
	assert_string_equal(c->agent_note.why, "ChaCha20-Poly1305");
}

static void data_goes_on_while_the_connection_is_broken(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;

	control_start(c);
	proxy_refuse(c->proxy, true);
	proxy_cut(c->proxy);
	control_wait_events(c, 300);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.sessions_alone, 1);
	assert_int_equal(c->opened, 1);
	assert_int_equal(c->dropped, 0);
	/* When it can be made again, there is another session; nothing is lost or doubled. */
	proxy_refuse(c->proxy, false);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 100);
	assert_int_equal(c->over, 0);
	assert_int_equal(c->mark.epoch, 1);
	assert_int_equal(c->described, 1);
}

static void dead_connection_is_found_by_both_ends(void **state)
{
	struct control_rig *c = *state;
	unsigned int before;

	c->server_options.alive.dead_ns = c->client_options.alive.dead_ns = 2 * NS_PER_SEC;
	control_start(c);
	before = c->processed;
	proxy_refuse(c->proxy, true);
	proxy_hold(c->proxy, true);
	rig_wait_count(c->rig, &c->server_note.count, c->server_note.count + 1);
	assert_string_equal(c->server_note.what, "connection closed");
	assert_string_equal(c->server_note.why, "the agent does not answer");
	assert_true(c->processed > before);
	proxy_cut(c->proxy);
	proxy_hold(c->proxy, false);
	proxy_refuse(c->proxy, false);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 50);
}

static void session_without_connection_is_over_after_the_time_of_grace(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;
	unsigned int processed;

	c->server_options.lease.grace_ns = c->client_options.lease.grace_ns = 300 * NS_PER_MS;
	control_start(c);
	proxy_refuse(c->proxy, true);
	proxy_cut(c->proxy);
	rig_wait_count(c->rig, &c->over, 1);
	rig_wait_count(c->rig, &c->closed, 1);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.sessions, 0);
	processed = c->processed;
	rig_run(c->rig, 50);
	assert_int_equal(c->processed, processed);
	/* What waited is there when there is a session again. */
	proxy_refuse(c->proxy, false);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 100);
}

static void killed_agent_goes_on_with_its_incarnation(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	for (unsigned int lives = 2; lives <= 4; lives++) {
		control_kill_agent(c);
		control_start_agent(c);
		rig_wait_count(c->rig, &c->opened, lives);
		control_wait_events(c, 50);
	}
	assert_int_equal(c->restarts, 0);
	assert_int_equal(c->mark.epoch, 1);
	assert_int_equal(c->over, 0);
	assert_int_equal(c->described, 1);
}

static bool server_lost_a_connection(void *user)
{
	return strcmp(((struct control_rig *)user)->server_note.what, "connection lost") == 0;
}

/* The server hears of the end when the next is there already: it is not that one's. */
static void connection_of_a_killed_agent_that_ends_late_ends_no_session(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;

	control_start(c);
	proxy_hold(c->proxy, true);
	control_kill_agent(c);
	c->direct = true;
	control_start_agent(c);
	rig_wait_count(c->rig, &c->opened, 2);
	assert_int_equal(proxy_count(c->proxy), 1);
	proxy_cut(c->proxy);
	rig_wait(c->rig, server_lost_a_connection, c);
	control_wait_events(c, 50);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.sessions, 1);
	assert_int_equal(stats.sessions_alone, 0);
	assert_int_equal(c->over, 0);
	assert_int_equal(c->opened, 2);
}

/* Keys are fresh again and again, each time of another connection, and no event notices. */
static void sessions_are_renewed_without_a_gap(void **state)
{
	struct control_rig *c = *state;

	c->client_options.lease.renew_ns = 100 * NS_PER_MS;
	control_start(c);
	rig_wait_count(c->rig, &c->opened, 6);
	control_wait_events(c, 50);
	assert_int_equal(c->over, 0);
	assert_int_equal(c->closed, 0);
	assert_in_range(proxy_count(c->proxy), 1, 3);
	assert_int_equal(c->described, 1);
	assert_int_equal(c->receiver.stats.path_changes, 0);
}

static void new_certificate_comes_with_a_new_session(void **state)
{
	struct control_rig *c = *state;
	struct mint renewed;

	control_start(c);
	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 7, .name = "renewed"}, &renewed);
	mint_write("switch.pem", renewed.key, renewed.certificate, rig_ca.certificate);
	rig_run(c->rig, 50);
	control_client_renew(c->client);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 50);
	mint_free(&renewed);
}

static void revoked_switch_is_out_at_once_and_told_so(void **state)
{
	struct control_rig *c = *state;
	unsigned int processed;

	control_start(c);
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_wait_count(c->rig, &c->over, 1);
	processed = c->processed;
	rig_wait_count(c->rig, &c->closed, 1);
	rig_run(c->rig, 100);
	assert_int_equal(c->processed, processed);
	assert_int_equal(c->opened, 1);
	assert_string_equal(c->server_note.what, "refused a peer");
	assert_int_equal(c->server_note.end, TLS_REVOKED);
}

/* Nor does it help to have no connection any more. */
static void revoked_switch_is_out_in_the_time_of_grace_as_well(void **state)
{
	struct control_rig *c = *state;
	unsigned int processed;

	control_start(c);
	proxy_refuse(c->proxy, true);
	proxy_cut(c->proxy);
	control_wait_events(c, 50);
	mint_write_crl("crl.pem", &rig_ca, rig_switch.certificate, HOUR);
	rig_wait_count(c->rig, &c->over, 1);
	processed = c->processed;
	rig_run(c->rig, 100);
	assert_int_equal(c->processed, processed);
	assert_true(c->dropped > 0);
}

static void session_ends_with_the_servers_certificate(void **state)
{
	struct control_rig *c = *state;
	struct mint brief;

	mint_issue(&rig_ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER,
			.host = "localhost",
			.from_s = -HOUR,
			.until_s = 6},
		&brief);
	mint_write("server.pem", brief.key, brief.certificate, rig_ca.certificate);
	control_start(c);
	rig_wait_count(c->rig, &c->closed, 1);
	assert_int_equal(c->agent_note.end, TLS_EXPIRED);
	mint_free(&brief);
}

static void settings_converge_whatever_the_connection_does(void **state)
{
	struct control_rig *c = *state;

	c->settings = (struct v2_settings){
		.generation = 1, .count = 1, .list = {{V2_SETTING_PERIOD, 1000000}}};
	control_start(c);
	rig_wait_count(c->rig, &c->results, 1);
	assert_int_equal(c->applied.generation, 1);
	assert_int_equal(c->applied.list[0].value, 1000000);
	/* They change while nobody is there. */
	proxy_cut(c->proxy);
	c->settings.generation = 2;
	c->settings.list[0].value = 2000000;
	control_server_settings_changed(c->server);
	rig_wait_count(c->rig, &c->results, 2);
	assert_int_equal(c->applied.list[0].value, 2000000);
	/* And while it is. */
	c->settings.generation = 3;
	c->settings.list[0].key = 77;
	control_server_settings_changed(c->server);
	rig_wait_count(c->rig, &c->results, 3);
	assert_int_equal(c->result.status, V2_SETTINGS_UNKNOWN_KEY);
	assert_int_equal(c->result.key, 77);
	assert_int_equal(c->applied.generation, 2);
}

static void closed_incarnation_begins_another(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	c->idle = true;
	rig_run(c->rig, 20);
	/* As if another incarnation had been admitted meanwhile. */
	c->mark = (struct v2_mark){.boot = 99, .epoch = 2};
	proxy_cut(c->proxy);
	rig_wait_count(c->rig, &c->restarts, 1);
	c->idle = false;
	rig_wait_count(c->rig, &c->opened, 2);
	assert_int_equal(c->mark.epoch, 3);
	control_wait_events(c, 50);
}

/* Two agents with one certificate do not take turns in haste. */
static void one_whose_place_is_taken_again_waits_longer_each_time(void **state)
{
	struct control_rig *c = *state;

	c->client_options.stale_ns = 30 * NS_PER_MS;
	control_start(c);
	for (unsigned int i = 0; i < 3; i++) {
		const uint64_t before = loop_now_ns(c->rig->loop);

		c->idle = true;
		rig_run(c->rig, 20);
		c->mark = (struct v2_mark){.boot = 99 + i, .epoch = c->mark.epoch + 1};
		proxy_cut(c->proxy);
		rig_wait_count(c->rig, &c->restarts, i + 1);
		c->idle = false;
		assert_int_equal(c->restart_error, V2_STALE_EPOCH);
		assert_int_equal(c->pause_ns, (30 * NS_PER_MS) << i);
		rig_wait_count(c->rig, &c->opened, i + 2);
		assert_true(loop_now_ns(c->rig->loop) >= before + c->pause_ns);
		control_wait_events(c, 10);
	}
}

static void server_that_sent_what_none_may_is_told(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	control_client_break(c->client, V2_ACK_UNSENT);
	assert_int_equal(c->closed, 1);
	rig_wait_count(c->rig, &c->over, 1);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 50);
}

static void agent_that_is_dismissed_comes_back(void **state)
{
	struct control_rig *c = *state;

	c->ask_later = true;
	control_start_server(c);
	control_start_agent(c);
	rig_wait_count(c->rig, &c->asked, 1);
	assert_false(control_server_connected(c->server, 7));
	c->ask_later = false;
	control_server_dismiss(c->server, c->ticket, V2_BYE_BUSY);
	rig_wait_count(c->rig, &c->opened, 1);
	assert_true(control_server_connected(c->server, 7));
	assert_false(control_server_connected(c->server, 8));
	control_wait_events(c, 10);
}

static bool pause_is_longest(void *user)
{
	struct control_rig *c = user;
	struct tls_client_stats stats;

	tls_client_stats(control_client_tls(c->client), &stats);
	return stats.pause_ns == c->client_options.tls.pause_max_ns;
}

/* Refused again and again, it comes back at longer and longer pauses. */
static void refused_agent_does_not_hammer(void **state)
{
	struct control_rig *c = *state;

	c->refuse = true;
	c->client_options.tls.pause_min_ns = 5 * NS_PER_MS;
	c->client_options.tls.pause_max_ns = 80 * NS_PER_MS;
	control_start_server(c);
	control_start_agent(c);
	rig_wait(c->rig, pause_is_longest, c);
	assert_true(c->asked >= 4);
	assert_int_equal(c->opened, 0);
	c->refuse = false;
	control_wait_events(c, 10);
	assert_false(pause_is_longest(c));
}

static bool has_refused(void *user)
{
	struct control_server_stats stats;

	control_server_stats(((const struct control_rig *)user)->server, &stats);
	return stats.refused > 0;
}

static void agent_of_another_version_is_refused_and_counted(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;

	c->version = V2_VERSION + 1;
	control_start_server(c);
	control_start_agent(c);
	rig_wait(c->rig, has_refused, c);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.bad_messages, 0);
	assert_int_equal(c->asked, 0);
}

/* It speaks as it should, and is counted once. */
static void agent_of_another_layout_is_refused_and_counted(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;

	c->schema_unwanted = true;
	control_start_server(c);
	control_start_agent(c);
	rig_wait(c->rig, has_refused, c);
	control_stop_agent(c);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.bad_messages, 0);
	assert_int_equal(stats.refused, stats.tls.opened);
	assert_int_equal(c->asked, 0);
}

/* The third of a switch: the first is told why it has to go. */
static void connection_that_newer_ones_replace_is_told_so(void **state)
{
	struct control_rig *c = *state;
	struct control_server_stats stats;
	struct peer edges[3] = {0};

	control_start_server(c);
	c->rig->address = proxy_address(c->proxy);
	for (int i = 0; i < 3; i++) {
		rig_connect(c->rig, &edges[i], "switch.pem");
		rig_wait_count(c->rig, &edges[i].side.opened, 1);
		tls_client_stop(edges[i].client);
	}
	rig_wait_count(c->rig, &edges[0].side.closed, 1);
	assert_int_equal(edges[0].side.message[0], V2_CONTROL_BYE);
	assert_int_equal(edges[0].side.message[V2_CONTROL_HEADER_BYTES], V2_BYE_REPLACED);
	assert_int_equal(edges[1].side.closed + edges[2].side.closed, 0);
	control_server_stats(c->server, &stats);
	assert_int_equal(stats.tls.ends[TLS_REPLACED], 1);
	assert_int_equal(stats.tls.ends[TLS_CLOSED], 0);
	for (int i = 0; i < 3; i++)
		rig_disconnect(&edges[i]);
}

static void answer_may_come_later(void **state)
{
	struct control_rig *c = *state;

	c->ask_later = true;
	control_start_server(c);
	control_start_agent(c);
	rig_wait_count(c->rig, &c->asked, 1);
	rig_run(c->rig, 100);
	assert_int_equal(c->opened, 0);
	assert_int_equal(c->asked, 1);
	assert_int_equal(control_answer(c, c->ticket, &c->hello), 0);
	control_wait_events(c, 10);
	/* The ticket is spent. */
	assert_int_equal(control_answer(c, c->ticket, &c->hello), -ENOENT);
}

/* It had asked on two connections: the answer to the second made it begin anew. */
static void answer_to_an_earlier_incarnation_is_overlooked(void **state)
{
	struct control_rig *c = *state;
	uint64_t first;

	c->ask_later = true;
	control_start_server(c);
	control_start_agent(c);
	rig_wait_count(c->rig, &c->asked, 1);
	first = c->ticket;
	control_client_renew(c->client);
	rig_wait_count(c->rig, &c->asked, 2);

	c->mark = (struct v2_mark){.boot = c->boot, .epoch = 1, .before = {5}};
	assert_int_equal(control_answer(c, c->ticket, &c->hello), 0);
	rig_wait_count(c->rig, &c->restarts, 1);
	assert_int_equal(c->restart_error, V2_ROLLED_BACK);
	rig_wait_count(c->rig, &c->asked, 3);
	c->mark.before[0] = 0;
	c->hello.boot = c->mark.boot;
	assert_int_equal(control_answer(c, first, &c->hello), 0);
	c->ask_later = false;
	rig_wait_count(c->rig, &c->opened, 1);
	assert_int_equal(c->restarts, 1);
	assert_int_equal(c->mark.boot, c->boot);
	control_wait_events(c, 10);
}

static void answer_to_a_connection_that_is_gone_is_told(void **state)
{
	struct control_rig *c = *state;

	c->ask_later = true;
	control_start_server(c);
	control_start_agent(c);
	rig_wait_count(c->rig, &c->asked, 1);
	proxy_cut(c->proxy);
	rig_run(c->rig, 10);
	assert_int_equal(control_answer(c, c->ticket, &c->hello), -ENOENT);
	c->ask_later = false;
	control_wait_events(c, 10);
}

static void more_sessions_than_allowed_are_not_welcomed(void **state)
{
	struct control_rig *c = *state;
	struct peer other = {0};
	struct mint minted;

	c->server_options.sessions_max = 1;
	control_start(c);
	/* Another switch's connection takes no session, and so no place. */
	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 8}, &minted);
	mint_write("other.pem", minted.key, minted.certificate, rig_ca.certificate);
	c->rig->address = proxy_address(c->proxy);
	rig_connect(c->rig, &other, "other.pem");
	rig_wait_count(c->rig, &other.side.opened, 1);
	proxy_cut(c->proxy);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 10);
	rig_disconnect(&other);
	mint_free(&minted);
}

static bool nobody_is_connected(void *user)
{
	return proxy_count(((struct control_rig *)user)->proxy) == 0;
}

static void agent_that_leaves_says_so(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	control_client_leave(c->client);
	rig_wait_count(c->rig, &c->server_note.count, c->server_note.count + 1);
	assert_string_equal(c->server_note.what, "connection closed by the agent");
	assert_int_equal(c->server_note.bye, V2_BYE_DONE);
	rig_wait(c->rig, nobody_is_connected, c);
	rig_run(c->rig, 100);
	assert_true(nobody_is_connected(c)); /* it does not come back */
	assert_int_equal(c->over, 0);        /* in the time of grace it may */
}

static void server_that_leaves_says_so(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	proxy_refuse(c->proxy, true);
	control_server_leave(c->server);
	rig_wait_count(c->rig, &c->agent_note.count, c->agent_note.count + 1);
	assert_string_equal(c->agent_note.what, "connection closed by the server");
	assert_int_equal(c->agent_note.bye, V2_BYE_DONE);
	control_wait_events(c, 20); /* as long as it is there */
}

static bool is_refused(void *user)
{
	const struct control_rig *c = user;
	int fd = socket(c->address.address.ss_family, SOCK_STREAM, 0);
	int r = connect(fd, (const struct sockaddr *)&c->address.address, c->address.len);
	bool refused = r < 0 && errno == ECONNREFUSED;

	close(fd);
	return refused;
}

static void server_that_leaves_takes_no_more_connections(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	assert_false(is_refused(c));
	control_server_leave(c->server);
	assert_true(is_refused(c));
	control_wait_events(c, 20);
}

static void expelled_switch_begins_anew(void **state)
{
	struct control_rig *c = *state;

	control_start(c);
	control_server_expel(c->server, 7, V2_BYE_ERROR, V2_OVER_CREDIT);
	assert_int_equal(c->over, 1);
	rig_wait_count(c->rig, &c->closed, 1);
	rig_wait_count(c->rig, &c->opened, 2);
	control_wait_events(c, 50);
}

/* An agent that speaks another language than it should is sent away with a word. */
static void agent_that_is_not_understood_is_sent_away(void **state)
{
	struct control_rig *c = *state;
	struct peer other = {0};
	struct control_server_stats stats;

	control_start_server(c);
	c->rig->address = proxy_address(c->proxy);
	other.side.greet = true; /* with 100 bytes that are no HELLO */
	rig_connect(c->rig, &other, "switch.pem");
	rig_wait_count(c->rig, &other.side.closed, 1);
	assert_int_equal(other.side.message[0], V2_CONTROL_BYE);
	assert_int_equal(other.side.message[V2_CONTROL_HEADER_BYTES], V2_BYE_ERROR);
	control_server_stats(c->server, &stats);
	assert_true(stats.bad_messages > 0);
	rig_disconnect(&other);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, control_rig_new, control_rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(data_flows_once_the_schema_is_known),
		WITH_RIG(cipher_is_what_the_server_allows),
		WITH_RIG(data_goes_on_while_the_connection_is_broken),
		WITH_RIG(killed_agent_goes_on_with_its_incarnation),
		WITH_RIG(connection_of_a_killed_agent_that_ends_late_ends_no_session),
		WITH_RIG(dead_connection_is_found_by_both_ends),
		WITH_RIG(session_without_connection_is_over_after_the_time_of_grace),
		WITH_RIG(sessions_are_renewed_without_a_gap),
		WITH_RIG(new_certificate_comes_with_a_new_session),
		WITH_RIG(revoked_switch_is_out_at_once_and_told_so),
		WITH_RIG(revoked_switch_is_out_in_the_time_of_grace_as_well),
		WITH_RIG(session_ends_with_the_servers_certificate),
		WITH_RIG(settings_converge_whatever_the_connection_does),
		WITH_RIG(closed_incarnation_begins_another),
		WITH_RIG(one_whose_place_is_taken_again_waits_longer_each_time),
		WITH_RIG(server_that_sent_what_none_may_is_told),
		WITH_RIG(agent_that_is_dismissed_comes_back),
		WITH_RIG(refused_agent_does_not_hammer),
		WITH_RIG(agent_of_another_version_is_refused_and_counted),
		WITH_RIG(agent_of_another_layout_is_refused_and_counted),
		WITH_RIG(connection_that_newer_ones_replace_is_told_so),
		WITH_RIG(answer_may_come_later),
		WITH_RIG(answer_to_an_earlier_incarnation_is_overlooked),
		WITH_RIG(answer_to_a_connection_that_is_gone_is_told),
		WITH_RIG(more_sessions_than_allowed_are_not_welcomed),
		WITH_RIG(agent_that_leaves_says_so),
		WITH_RIG(server_that_leaves_says_so),
		WITH_RIG(server_that_leaves_takes_no_more_connections),
		WITH_RIG(expelled_switch_begins_anew),
		WITH_RIG(agent_that_is_not_understood_is_sent_away),
	};

	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
