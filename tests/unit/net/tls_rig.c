// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/net/tls_rig.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_NS (120 * NS_PER_SEC)
#define POLL_NS     NS_PER_MS

const struct connection_rates rig_rates = {{1, 1000000}, {1, 1000000}, {1, 1000000}};

struct mint rig_ca, rig_other_ca, rig_server, rig_switch;

int rig_mint(void **state _unused_)
{
	mint_ca(&rig_ca, "ca");
	mint_ca(&rig_other_ca, "other");
	mint_issue(&rig_ca,
		&(struct mint_order){.kind = CERTIFICATE_SERVER,
			.name = "localhost",
			.names = "DNS:localhost,IP:127.0.0.1"},
		&rig_server);
	mint_issue(&rig_ca, &(struct mint_order){.switch_id = 7, .name = "edge-7"}, &rig_switch);
	return 0;
}

int rig_unmint(void **state _unused_)
{
	mint_free(&rig_ca);
	mint_free(&rig_other_ca);
	mint_free(&rig_server);
	mint_free(&rig_switch);
	return 0;
}

void rig_write_files(void)
{
	mint_write("server.pem", rig_server.key, rig_server.certificate, rig_ca.certificate);
	mint_write("switch.pem", rig_switch.key, rig_switch.certificate, rig_ca.certificate);
	mint_write_crl("crl.pem", &rig_ca, NULL, 3600);
}

/* ---- what is called back ---- */

static void on_opened(void *user, struct tls_channel *channel)
{
	struct side *side = user;

	side->opened++;
	side->channel = channel;
	side->switch_id = tls_channel_peer(channel)->switch_id;
	if (side->greet) {
		uint8_t bytes[4096];
		size_t size = rig_message(1, 100, bytes);

		assert_int_equal(tls_channel_send(channel, bytes, size), 0);
	}
	if (!side->close_at_once)
		return;
	side->channel = NULL;
	tls_channel_close(channel);
}

static void on_message(void *user, struct tls_channel *channel, const uint8_t *bytes, size_t size)
{
	struct side *side = user;

	side->messages++;
	side->message_size = size;
	memcpy(side->message, bytes, size);
	if (side->echo)
		assert_int_equal(tls_channel_send(channel, bytes, size), 0);
	if (side->pause)
		tls_channel_pause(channel, true);
	if (side->close) {
		side->channel = NULL;
		tls_channel_close(channel);
	}
}

static void on_writable(void *user, struct tls_channel *channel _unused_)
{
	((struct side *)user)->writable++;
}

static void note_end(struct side *side, enum tls_end end, const char *why)
{
	side->end = end;
	snprintf(side->why, sizeof(side->why), "%s", why);
}

static void on_closed(void *user, struct tls_channel *channel, enum tls_end end, const char *why)
{
	struct side *side = user;

	side->closed++;
	note_end(side, end, why);
	if (side->channel == channel)
		side->channel = NULL;
}

static void on_failed(
	void *user, const struct endpoint *address _unused_, enum tls_end end, const char *why)
{
	struct side *side = user;

	side->failed++;
	note_end(side, end, why);
}

const struct tls_callbacks rig_callbacks = {
	.opened = on_opened,
	.message = on_message,
	.writable = on_writable,
	.closed = on_closed,
	.failed = on_failed,
};

/* ---- waiting ---- */

static void on_poll(struct loop_timer *timer, uint64_t now_ns)
{
	struct rig *rig = timer->user;

	if (rig->until && rig->until(rig->user)) {
		loop_stop(rig->loop);
		return;
	}
	if (now_ns >= rig->deadline_ns) {
		rig->failed = true;
		loop_stop(rig->loop);
		return;
	}
	loop_arm_timer(rig->loop, timer, now_ns + POLL_NS);
}

static void run(struct rig *rig, bool (*until)(void *user), void *user, uint64_t for_ns)
{
	rig->until = until;
	rig->user = user;
	rig->deadline_ns = clock_monotonic_ns() + for_ns;
	rig->failed = false;
	rig->poll = (struct loop_timer){.fn = on_poll, .user = rig};
	loop_arm_timer(rig->loop, &rig->poll, clock_monotonic_ns());
	assert_int_equal(loop_run(rig->loop), 0);
	loop_disarm_timer(&rig->poll);
}

void rig_wait(struct rig *rig, bool (*until)(void *user), void *user)
{
	run(rig, until, user, PATIENCE_NS);
	if (rig->failed)
		fail_msg("it did not come; at the server last: %s (%s)",
			tls_end_name(rig->at_server.end), rig->at_server.why);
}

void rig_run(struct rig *rig, unsigned int ms)
{
	run(rig, NULL, NULL, ms * NS_PER_MS);
}

struct count {
	const unsigned int *count;
	unsigned int at_least;
};

static bool has_count(void *user)
{
	const struct count *count = user;

	return *count->count >= count->at_least;
}

void rig_wait_count(struct rig *rig, const unsigned int *count, unsigned int at_least)
{
	rig_wait(rig, has_count, &(struct count){count, at_least});
}

/* ---- life ---- */

int rig_new(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	void *scratch;

	if (!rig || scratch_new(&scratch) < 0 || loop_new(&rig->loop) < 0)
		return -1;
	free(scratch); /* it is the working directory */
	rig_write_files();
	rig->options.limits.rates = rig_rates;
	*state = rig;
	return 0;
}

int rig_free(void **state)
{
	struct rig *rig = *state;
	char *scratch = getcwd(NULL, 0);

	rig_stop_server(rig);
	loop_free(rig->loop);
	free(rig);
	return scratch_free((void **)&scratch);
}

static void on_reloaded(void *user, const char *error)
{
	struct rig *rig = user;

	rig->reloads += error == NULL;
	rig->reload_failures += error != NULL;
	snprintf(rig->reload_error, sizeof(rig->reload_error), "%s", error ? error : "");
}

int rig_try_server(struct rig *rig, const char *crl, char **ret_error)
{
	const struct tls_context_options options = {
		.role = TLS_SERVER,
		.files = {.credentials = "server.pem", .crl = crl},
		.check_ns = 10 * NS_PER_MS,
		.reloaded = on_reloaded,
		.user = rig,
	};
	int r = tls_context_new(rig->loop, &options, &rig->context, ret_error);

	if (r == 0 && rig->options.local.len == 0)
		r = endpoint_parse("127.0.0.1:0", &rig->options.local, ret_error);
	if (r == 0)
		r = tls_server_new(rig->loop, rig->context, &rig->options, &rig_callbacks,
			&rig->at_server, &rig->server, ret_error);
	return r < 0 ? r : tls_server_address(rig->server, &rig->address);
}

void rig_start_server(struct rig *rig, const char *crl)
{
	_cleanup_free_ char *error = NULL;

	if (rig_try_server(rig, crl, &error) < 0)
		fail_msg("%s", error);
}

void rig_stop_server(struct rig *rig)
{
	if (rig->server)
		tls_server_free(rig->server);
	if (rig->context)
		tls_context_free(rig->context);
	rig->server = NULL;
	rig->context = NULL;
}

int rig_try_connect(struct rig *rig, struct peer *peer, const char *credentials, const char *name,
	char **ret_error)
{
	const struct tls_context_options options = {
		.role = TLS_CLIENT,
		.files = {.credentials = credentials},
		.check_ns = 10 * NS_PER_MS,
	};
	const struct tls_client_options client = {
		.addresses = {rig->address},
		.address_count = 1,
		.server_name = name,
		.pause_min_ns = 20 * NS_PER_MS,
		.pause_max_ns = 20 * NS_PER_MS,
	};
	int r = tls_context_new(rig->loop, &options, &peer->context, ret_error);

	return r < 0 ? r
		     : tls_client_new(rig->loop, peer->context, &client, &rig_callbacks,
			       &peer->side, &peer->client);
}

void rig_connect_to(struct rig *rig, struct peer *peer, const char *credentials, const char *name)
{
	_cleanup_free_ char *error = NULL;

	if (rig_try_connect(rig, peer, credentials, name, &error) < 0)
		fail_msg("%s", error);
}

void rig_connect(struct rig *rig, struct peer *peer, const char *credentials)
{
	rig_connect_to(rig, peer, credentials, "localhost");
}

void rig_join(struct rig *rig, struct peer *edge)
{
	unsigned int at_server = rig->at_server.opened;

	rig_connect(rig, edge, "switch.pem");
	rig_wait_count(rig, &edge->side.opened, 1);
	rig_wait_count(rig, &rig->at_server.opened, at_server + 1);
}

void rig_disconnect(struct peer *peer)
{
	if (peer->client)
		tls_client_free(peer->client);
	if (peer->context)
		tls_context_free(peer->context);
	peer->client = NULL;
	peer->context = NULL;
}

size_t rig_message(uint8_t type, size_t body, uint8_t bytes[static 4096])
{
	bytes[0] = type;
	bytes[1] = 0;
	bytes[2] = (uint8_t)(body >> 8);
	bytes[3] = (uint8_t)body;
	for (size_t i = 0; i < body; i++)
		bytes[4 + i] = (uint8_t)(i * 7);
	return 4 + body;
}

int rig_tcp_from(const struct rig *rig, uint32_t xyz)
{
	const struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(127U << 24 | xyz)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(
		connect(fd, (const struct sockaddr *)&rig->address.address, rig->address.len), 0);
	return fd;
}

int rig_tcp(const struct rig *rig)
{
	return rig_tcp_from(rig, 1);
}
