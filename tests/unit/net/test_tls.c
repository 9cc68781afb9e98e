// SPDX-License-Identifier: BSD-2-Clause
/* The control channel between a server and switches that mean well. */
#include "tests/unit/net/tls_rig.h"

#include "base/clock.h"

#include <errno.h>

static void switch_is_known_by_its_certificate(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	const struct tls_peer *peer;

	rig_start_server(rig, "crl.pem");
	rig_join(rig, &edge);
	peer = tls_channel_peer(rig->at_server.channel);
	assert_int_equal(peer->switch_id, 7);
	assert_string_equal(peer->name, "edge-7");
	assert_in_range(peer->until_s, time(NULL) + 3000, time(NULL) + 3600);
	peer = tls_channel_peer(edge.side.channel);
	assert_int_equal(peer->switch_id, 0);
	assert_string_equal(peer->name, "localhost");
	rig_disconnect(&edge);
	rig_wait_count(rig, &rig->at_server.closed, 1);
}

static void server_is_also_known_by_its_address(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig_connect_to(rig, &edge, "switch.pem", "127.0.0.1");
	rig_wait_count(rig, &edge.side.opened, 1);
	rig_disconnect(&edge);
}

static void send_all_sizes(struct rig *rig, struct tls_channel *channel, const struct side *echoed)
{
	static const size_t bodies[] = {0, 1, 100, 1024, 4091, 4092};
	uint8_t bytes[4096];

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		size_t size = rig_message((uint8_t)i, bodies[i], bytes);

		assert_int_equal(tls_channel_send(channel, bytes, size), 0);
		rig_wait_count(rig, &echoed->messages, (unsigned int)i + 1);
		assert_int_equal(echoed->message_size, size);
		assert_memory_equal(echoed->message, bytes, size);
	}
}

static void messages_of_all_sizes_go_both_ways(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig->at_server.echo = true;
	rig_join(rig, &edge);
	send_all_sizes(rig, edge.side.channel, &edge.side);
	rig_disconnect(&edge);
}

/* Sends until there is no room, and goes on when there is. */
static unsigned int send_many(struct rig *rig, struct peer *edge, unsigned int count)
{
	uint8_t bytes[4096];
	unsigned int refused = 0;

	for (unsigned int i = 0; i < count; i++) {
		size_t size = rig_message(9, 4092, bytes);

		bytes[4] = (uint8_t)i;
		while (tls_channel_send(edge->side.channel, bytes, size) == -ENOBUFS) {
			refused++;
			rig_wait_count(rig, &edge->side.writable, edge->side.writable + 1);
		}
	}
	return refused;
}

static void slow_reader_stops_the_sender_and_loses_nothing(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	unsigned int sent = 0;
	size_t size = rig_message(9, 4092, bytes);

	rig_start_server(rig, NULL);
	rig->at_server.pause = true;
	rig_join(rig, &edge);
	/* Until socket buffers, the window and our own buffer are full. */
	for (unsigned int quiet = 0; quiet < 50;) {
		bytes[4] = (uint8_t)sent;
		if (tls_channel_send(edge.side.channel, bytes, size) == 0) {
			sent++;
			quiet = 0;
		} else if (++quiet < 50) {
			/* It may make room, so it is not the last that is done. */
			rig_run(rig, 2);
		}
	}
	assert_int_equal(rig->at_server.messages, 1);
	assert_true(sent > 10);
	assert_false(tls_channel_has_room(edge.side.channel, size));
	rig->at_server.pause = false;
	tls_channel_pause(rig->at_server.channel, false);
	rig_wait_count(rig, &rig->at_server.messages, sent);
	assert_int_equal(rig->at_server.message[4], (uint8_t)(sent - 1));
	rig_wait_count(rig, &edge.side.writable, 1);
	assert_int_equal(send_many(rig, &edge, 100) > 0, 1);
	rig_wait_count(rig, &rig->at_server.messages, sent + 100);
	rig_disconnect(&edge);
}

static void what_is_sent_before_closing_arrives(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(5, 4092, bytes);

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tls_channel_send(rig->at_server.channel, bytes, size), 0);
	/* The agent has just said something that the server will not read. */
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	tls_channel_close(TAKE_PTR(rig->at_server.channel));
	rig_wait_count(rig, &edge.side.closed, 1);
	assert_int_equal(edge.side.messages, 3);
	assert_int_equal(edge.side.end, TLS_BY_PEER);
	assert_int_equal(rig->at_server.closed, 0); /* it closed itself */
	rig_disconnect(&edge);
}

static void callbacks_may_close_their_own_channel(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	uint8_t bytes[4096];
	size_t size = rig_message(5, 10, bytes);

	rig_start_server(rig, NULL);
	rig->at_server.close = true;
	rig->at_server.echo = true;
	rig_join(rig, &edge);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	rig_wait_count(rig, &edge.side.closed, 1);
	assert_int_equal(rig->at_server.messages, 1);
	assert_int_equal(edge.side.messages, 1);
	rig->at_server.close_at_once = true;
	rig_wait_count(rig, &edge.side.closed, 2);
	rig_disconnect(&edge);
}

static void client_comes_back_when_the_server_does(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct tls_client_stats stats;

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	rig_stop_server(rig);
	rig_wait_count(rig, &edge.side.closed, 1);
	rig_wait_count(rig, &edge.side.failed, 2); /* nobody listens */
	assert_int_equal(edge.side.end, TLS_BROKEN);
	rig->options.local = rig->address;
	rig_start_server(rig, NULL);
	rig_wait_count(rig, &edge.side.opened, 2);
	tls_client_stats(edge.client, &stats);
	assert_int_equal(stats.opened, 2);
	assert_true(stats.attempts >= 4);
	rig_disconnect(&edge);
}

static bool pause_is_longest(void *user)
{
	struct tls_client_stats stats;

	tls_client_stats(user, &stats);
	return stats.pause_ns == 32 * NS_PER_MS;
}

static void pauses_grow_until_the_caller_is_content(void **state)
{
	struct rig *rig = *state;
	struct tls_client_options options = {
		.address_count = 1,
		.server_name = "localhost",
		.pause_min_ns = 2 * NS_PER_MS,
		.pause_max_ns = 32 * NS_PER_MS,
	};
	struct tls_client_stats stats;
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig->at_server.close_at_once = true;
	rig_connect(rig, &edge, "switch.pem");
	tls_client_free(edge.client);
	options.addresses[0] = rig->address;
	assert_int_equal(tls_client_new(rig->loop, edge.context, &options, &rig_callbacks,
				 &edge.side, &edge.client),
		0);
	/* Connections that come up and go down again do not shorten the pauses. */
	rig_wait(rig, pause_is_longest, edge.client);
	assert_true(edge.side.opened >= 4);
	tls_client_settled(edge.client);
	tls_client_stats(edge.client, &stats);
	assert_int_equal(stats.pause_ns, 2 * NS_PER_MS);
	rig_disconnect(&edge);
}

static void second_connection_comes_before_the_first_goes(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct tls_channel *first;
	uint8_t bytes[4096];
	size_t size = rig_message(5, 10, bytes);

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	first = edge.side.channel;
	tls_client_renew(edge.client);
	rig_wait_count(rig, &rig->at_server.opened, 2);
	rig_wait_count(rig, &edge.side.opened, 2);
	assert_ptr_not_equal(first, edge.side.channel);
	assert_int_equal(tls_channel_send(first, bytes, size), 0);
	rig_wait_count(rig, &rig->at_server.messages, 1);
	tls_channel_close(first);
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(tls_channel_send(edge.side.channel, bytes, size), 0);
	rig_wait_count(rig, &rig->at_server.messages, 2);
	rig_disconnect(&edge);
}

static void third_connection_of_a_switch_replaces_the_first(void **state)
{
	struct rig *rig = *state;
	struct peer edges[3] = {0};

	rig_start_server(rig, NULL);
	for (int i = 0; i < 3; i++) {
		rig_connect(rig, &edges[i], "switch.pem");
		rig_wait_count(rig, &rig->at_server.opened, (unsigned int)i + 1);
		tls_client_stop(edges[i].client); /* it does not come back */
	}
	rig_wait_count(rig, &rig->at_server.closed, 1);
	assert_int_equal(rig->at_server.end, TLS_REPLACED);
	rig_wait_count(rig, &edges[0].side.closed, 1);
	assert_int_equal(edges[1].side.closed, 0);
	for (int i = 0; i < 3; i++)
		rig_disconnect(&edges[i]);
}

/* RFC 8446, 7.5: equal at both ends, another for each label and context, and nothing of the keys. */
static void exported_secrets_agree_and_differ_by_context(void **state)
{
	struct rig *rig = *state;
	uint8_t server[32], client[32], other[32];
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	assert_int_equal(tls_channel_export(rig->at_server.channel, "EXPORTER-x",
				 (const uint8_t *)"a", 1, server, sizeof(server)),
		0);
	assert_int_equal(tls_channel_export(edge.side.channel, "EXPORTER-x", (const uint8_t *)"a",
				 1, client, sizeof(client)),
		0);
	assert_memory_equal(server, client, sizeof(server));
	assert_int_equal(tls_channel_export(edge.side.channel, "EXPORTER-x", (const uint8_t *)"b",
				 1, other, sizeof(other)),
		0);
	assert_memory_not_equal(other, client, sizeof(other));
	assert_int_equal(tls_channel_export(edge.side.channel, "EXPORTER-y", (const uint8_t *)"a",
				 1, other, sizeof(other)),
		0);
	assert_memory_not_equal(other, client, sizeof(other));
	rig_disconnect(&edge);
}

static void address_in_use_is_said(void **state)
{
	struct rig *rig = *state;
	struct tls_server_options options = {0};
	struct tls_server *server = NULL;
	_cleanup_free_ char *error = NULL;

	rig_start_server(rig, NULL);
	options.local = rig->address;
	assert_int_equal(tls_server_new(rig->loop, rig->context, &options, &rig_callbacks, NULL,
				 &server, &error),
		-EADDRINUSE);
	assert_non_null(strstr(error, "cannot listen at 127.0.0.1:"));
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		WITH_RIG(switch_is_known_by_its_certificate),
		WITH_RIG(server_is_also_known_by_its_address),
		WITH_RIG(messages_of_all_sizes_go_both_ways),
		WITH_RIG(slow_reader_stops_the_sender_and_loses_nothing),
		WITH_RIG(what_is_sent_before_closing_arrives),
		WITH_RIG(callbacks_may_close_their_own_channel),
		WITH_RIG(client_comes_back_when_the_server_does),
		WITH_RIG(pauses_grow_until_the_caller_is_content),
		WITH_RIG(second_connection_comes_before_the_first_goes),
		WITH_RIG(third_connection_of_a_switch_replaces_the_first),
		WITH_RIG(exported_secrets_agree_and_differ_by_context),
		WITH_RIG(address_in_use_is_said),
	};

	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
