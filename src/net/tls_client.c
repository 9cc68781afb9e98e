// SPDX-License-Identifier: BSD-2-Clause
#include "net/tls_client.h"

#include "base/clock.h"
#include "net/random.h"
#include "net/tls_channel_private.h"
#include "net/tls_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS 250000000ULL

struct tls_client {
	struct tls_owner owner;
	struct tls_client_options options;
	char *server_name;
	struct loop_timer tick, retry;
	size_t next_address;
	uint64_t pause_ns; /* the longest that the next may be */
	bool stopped;      /* makes no attempts any more */
	bool renewing;     /* wants a connection beside the one that is up */
	struct tls_client_stats stats;
};

/* ---- connecting ---- */

static bool is_address(const char *text)
{
	uint8_t address[16];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* What the server's certificate must be of. */
static bool expect_server(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool ok;

	SSL_set_hostflags(
		ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (is_address(name))
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	else
		ok = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
	ERR_clear_error();
	return ok;
}

static int open_socket(const struct endpoint *address, unsigned int stall_ms)
{
	int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	tls_socket_tune(fd, stall_ms);
	if (connect(fd, (const struct sockaddr *)&address->address, address->len) < 0 &&
		errno != EINPROGRESS) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void retry_later(struct tls_client *client);

static void fail(
	struct tls_client *client, const struct endpoint *address, enum tls_end end, int error)
{
	const struct tls_callbacks *callbacks = client->owner.callbacks;

	client->stats.ends[end]++;
	retry_later(client);
	if (callbacks->failed)
		callbacks->failed(client->owner.user, address, end, strerror(-error));
}

static void attempt(struct tls_client *client)
{
	const struct endpoint *address = &client->options.addresses[client->next_address];
	struct tls_channel *channel;
	int fd, r;

	client->next_address = (client->next_address + 1) % client->options.address_count;
	client->stats.attempts++;
	fd = open_socket(address, (unsigned int)(client->options.stall_ns / NS_PER_MS));
	if (fd < 0) {
		fail(client, address, TLS_BROKEN, fd);
		return;
	}
	r = tls_channel_new(&client->owner, fd, address, TLS_CONNECTING, &channel);
	if (r < 0) {
		fail(client, address, TLS_NO_MEMORY, r);
		return;
	}
	SSL_set_connect_state(channel->ssl);
	if (!expect_server(channel->ssl, client->server_name))
		tls_channel_end(channel, TLS_NO_MEMORY, "out of memory");
}

/* ---- trying again ---- */

static bool is_trying(const struct tls_client *client)
{
	return client->owner.count[TLS_CONNECTING] + client->owner.count[TLS_SHAKING] > 0;
}

static void retry_later(struct tls_client *client)
{
	uint64_t now = loop_now_ns(client->owner.loop), half = client->pause_ns / 2;

	if (client->retry.at_ns != 0 || client->stopped)
		return;
	loop_arm_timer(
		client->owner.loop, &client->retry, now + half + random_bits(NULL) % (half + 1));
	client->pause_ns = MIN(client->pause_ns * 2, client->options.pause_max_ns);
}

static void on_retry(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct tls_client *client = timer->user;

	if (!is_trying(client))
		attempt(client);
}

/* None is up, or another is wanted, and none is on its way. */
static void keep_up(struct tls_client *client)
{
	if ((client->owner.count[TLS_OPEN] == 0 || client->renewing) && !is_trying(client))
		retry_later(client);
}

static void count_refused(struct tls_owner *owner, enum tls_end end)
{
	struct tls_client *client = container_of(owner, struct tls_client, owner);

	client->stats.ends[end]++;
	keep_up(client);
}

static void count_gone(struct tls_owner *owner, struct tls_channel *channel, enum tls_end end)
{
	struct tls_client *client = container_of(owner, struct tls_client, owner);

	if (!channel->counted)
		client->stats.ends[end]++;
	keep_up(client);
}

/* OpenSSL has looked at the name. */
static enum tls_end admit(struct tls_channel *channel, char **ret_why _unused_)
{
	struct tls_client *client = container_of(channel->owner, struct tls_client, owner);

	client->stats.opened++;
	client->renewing = false;
	return TLS_END_NONE;
}

static void on_tick(struct loop_timer *timer, uint64_t now_ns)
{
	struct tls_client *client = timer->user;

	tls_owner_tick(&client->owner, now_ns);
	keep_up(client);
	loop_arm_timer(client->owner.loop, timer, now_ns + TICK_NS);
}

/* ---- for the caller ---- */

static void set_defaults(struct tls_client_options *options)
{
	if (options->pause_min_ns == 0)
		options->pause_min_ns = 500000000ULL;
	if (options->pause_max_ns == 0)
		options->pause_max_ns = 60000000000ULL;
	if (options->handshake_ns == 0)
		options->handshake_ns = 10000000000ULL;
	if (options->stall_ns == 0)
		options->stall_ns = TLS_STALL_NS;
}

int tls_client_new(struct loop *loop, struct tls_context *context,
	const struct tls_client_options *options, const struct tls_callbacks *callbacks, void *user,
	struct tls_client **ret_client)
{
	struct tls_client *client;

	if (options->address_count == 0 || options->address_count > TLS_ADDRESSES_MAX ||
		!options->server_name || !*options->server_name)
		return -EINVAL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->options = *options;
	set_defaults(&client->options);
	client->server_name = strdup(options->server_name);
	if (!client->server_name) {
		free(client);
		return -ENOMEM;
	}
	client->owner = (struct tls_owner){
		.loop = loop,
		.context = context,
		.callbacks = callbacks,
		.user = user,
		.handshake_ns = client->options.handshake_ns,
		.stall_ns = client->options.stall_ns,
		.admit = admit,
		.refused = count_refused,
		.gone = count_gone,
	};
	client->tick = (struct loop_timer){.fn = on_tick, .user = client};
	client->retry = (struct loop_timer){.fn = on_retry, .user = client};
	client->pause_ns = client->options.pause_min_ns;
	loop_arm_timer(loop, &client->tick, loop_now_ns(loop) + TICK_NS);
	loop_arm_timer(loop, &client->retry, loop_now_ns(loop));
	*ret_client = client;
	return 0;
}

void tls_client_free(struct tls_client *client)
{
	tls_owner_done(&client->owner);
	loop_disarm_timer(&client->tick);
	loop_disarm_timer(&client->retry);
	free(client->server_name);
	free(client);
}

void tls_client_settled(struct tls_client *client)
{
	client->pause_ns = client->options.pause_min_ns;
}

void tls_client_renew(struct tls_client *client)
{
	client->renewing = true;
	if (!client->stopped && !is_trying(client) && client->retry.at_ns == 0)
		loop_arm_timer(client->owner.loop, &client->retry, loop_now_ns(client->owner.loop));
}

void tls_client_stop(struct tls_client *client)
{
	client->stopped = true;
	loop_disarm_timer(&client->retry);
}

void tls_client_stats(const struct tls_client *client, struct tls_client_stats *ret_stats)
{
	*ret_stats = client->stats;
	ret_stats->pause_ns = client->pause_ns;
}
