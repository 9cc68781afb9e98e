// SPDX-License-Identifier: BSD-2-Clause
#include "net/tls_server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "net/tls_channel_private.h"
#include "net/tls_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG           256
#define ACCEPTS_A_ROUND   16 /* so that those who are there get their turn */
#define TICK_NS           250000000ULL
#define CHANNELS_A_SWITCH 2
#define V6_PREFIX_BYTES   8 /* what one customer has, and many addresses in it */

struct tls_server {
	struct tls_owner owner;
	struct tls_server_options options;
	struct loop_io io;
	bool deaf; /* there was nothing to take a connection with: listens again at the next tick */
	struct loop_timer tick;
	struct tls_server_stats stats;
};

/* ---- counting strangers ---- */

static bool is_stranger(const struct tls_channel *channel)
{
	return channel->state == TLS_SHAKING || channel->state == TLS_LINGERING;
}

static unsigned int strangers(const struct tls_server *server)
{
	return server->owner.count[TLS_SHAKING] + server->owner.count[TLS_LINGERING];
}

/* Whether two addresses are likely one machine's. IPv4 comes mapped where the socket is IPv6's. */
static bool same_machine(const struct endpoint *a, const struct endpoint *b)
{
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->address;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->address;
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->address;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->address;
	size_t bytes = sizeof(a6->sin6_addr);

	if (a->address.ss_family != b->address.ss_family)
		return false;
	if (a->address.ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&a6->sin6_addr))
		bytes = V6_PREFIX_BYTES;
	return memcmp(&a6->sin6_addr, &b6->sin6_addr, bytes) == 0;
}

static bool is_crowded(const struct tls_server *server, const struct endpoint *address)
{
	unsigned int count = 0;

	for (const struct tls_channel *c = server->owner.channels; c; c = c->next)
		count += is_stranger(c) && same_machine(&c->peer.address, address);
	return count >= server->options.handshakes_address_max;
}

static void drop_oldest_stranger(struct tls_server *server)
{
	struct tls_channel *oldest = NULL;

	for (struct tls_channel *c = server->owner.channels; c; c = c->next)
		if (is_stranger(c) && (!oldest || c->since_ns <= oldest->since_ns))
			oldest = c;
	if (oldest)
		tls_channel_end(oldest, TLS_CROWDED, "too many handshakes at a time");
}

/* ---- accepting ---- */

static void take(struct tls_server *server, int fd, const struct endpoint *address)
{
	struct tls_channel *channel;

	if (is_crowded(server, address)) {
		server->stats.crowded_address++;
		close(fd);
		return;
	}
	if (strangers(server) >= server->options.handshakes_max)
		drop_oldest_stranger(server);
	tls_socket_tune(fd, (unsigned int)(server->options.stall_ns / NS_PER_MS));
	if (tls_channel_new(&server->owner, fd, address, TLS_SHAKING, &channel) < 0) {
		server->stats.accept_failures++;
		return;
	}
	SSL_set_accept_state(channel->ssl);
	server->stats.accepted++;
}

static void set_deaf(struct tls_server *server, bool deaf)
{
	/* Should it fail, the next tick tries again. */
	if (server->io.loop && server->deaf != deaf &&
		loop_set_io(&server->io, deaf ? 0 : EPOLLIN) == 0)
		server->deaf = deaf;
}

static void on_connection(struct loop_io *io, uint32_t events _unused_)
{
	struct tls_server *server = io->user;

	for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
		struct endpoint address = {.len = sizeof(address.address)};
		int fd = accept4(io->fd, (struct sockaddr *)&address.address, &address.len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(server, fd, &address);
			continue;
		}
		if (errno == EAGAIN)
			return;
		/* Also of a connection that was gone before it was taken; those are no failures. */
		if (errno != ECONNABORTED && errno != EINTR)
			server->stats.accept_failures++;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			set_deaf(server, true);
			return;
		}
	}
}

/* ---- who is believed ---- */

/* Its oldest, if it has as many as it may have. */
static void make_room_for(struct tls_server *server, const struct tls_channel *newest)
{
	struct tls_channel *oldest = NULL;
	unsigned int count = 0;

	for (struct tls_channel *c = server->owner.channels; c; c = c->next) {
		if (c == newest || c->state != TLS_OPEN ||
			c->peer.switch_id != newest->peer.switch_id)
			continue;
		count++;
		if (!oldest || c->since_ns <= oldest->since_ns)
			oldest = c;
	}
	if (count >= CHANNELS_A_SWITCH)
		tls_channel_end(oldest, TLS_REPLACED, "the switch has newer connections");
}

static enum tls_end admit(struct tls_channel *channel, char **ret_why)
{
	struct tls_server *server = container_of(channel->owner, struct tls_server, owner);
	int r = identity_find(channel->grant.certificate, server->options.rules,
		server->options.rule_count, &channel->peer.switch_id, ret_why);

	if (r < 0)
		return TLS_UNKNOWN_SWITCH;
	make_room_for(server, channel);
	if (server->owner.count[TLS_OPEN] >= server->options.channels_max) {
		error_set(ret_why, 0, "there are %u switches connected, and no more may be",
			server->owner.count[TLS_OPEN]);
		return TLS_CROWDED;
	}
	server->stats.opened++;
	return TLS_END_NONE;
}

static void count_refused(struct tls_owner *owner, enum tls_end end)
{
	container_of(owner, struct tls_server, owner)->stats.ends[end]++;
}

static void count_gone(struct tls_owner *owner, struct tls_channel *channel, enum tls_end end)
{
	/* What was refused was counted then. */
	if (!channel->refused)
		count_refused(owner, end);
}

/* ---- life ---- */

static void on_tick(struct loop_timer *timer, uint64_t now_ns)
{
	struct tls_server *server = timer->user;

	tls_owner_tick(&server->owner, now_ns);
	set_deaf(server, false);
	loop_arm_timer(server->owner.loop, timer, now_ns + TICK_NS);
}

static int listen_at(const struct endpoint *local, char **ret_error)
{
	_cleanup_fd_ int fd =
		socket(local->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ENDPOINT_TEXT_MAX];
	const int on = 1;

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&local->address, local->len) < 0 ||
		listen(fd, BACKLOG) < 0)
		return error_set(ret_error, -errno, "cannot listen at %s (TCP): %s",
			endpoint_render(local, text), strerror(errno));
	return TAKE_FD(fd);
}

static void set_defaults(struct tls_server_options *options)
{
	if (options->rule_count == 0) {
		options->rules[0] = identity_rule_default;
		options->rule_count = 1;
	}
	if (options->channels_max == 0)
		options->channels_max = 4096;
	if (options->handshakes_max == 0)
		options->handshakes_max = 64;
	if (options->handshakes_address_max == 0)
		options->handshakes_address_max = 8;
	if (options->handshake_ns == 0)
		options->handshake_ns = 5000000000ULL;
	if (options->stall_ns == 0)
		options->stall_ns = TLS_STALL_NS;
}

int tls_server_new(struct loop *loop, struct tls_context *context,
	const struct tls_server_options *options, const struct tls_callbacks *callbacks, void *user,
	struct tls_server **ret_server, char **ret_error)
{
	struct tls_server *server = calloc(1, sizeof(*server));
	int fd, r;

	if (!server)
		return -ENOMEM;
	server->options = *options;
	set_defaults(&server->options);
	server->owner = (struct tls_owner){
		.loop = loop,
		.context = context,
		.callbacks = callbacks,
		.user = user,
		.handshake_ns = server->options.handshake_ns,
		.stall_ns = server->options.stall_ns,
		.admit = admit,
		.refused = count_refused,
		.gone = count_gone,
	};
	server->io = (struct loop_io){.fn = on_connection, .user = server};
	server->tick = (struct loop_timer){.fn = on_tick, .user = server};
	fd = listen_at(&options->local, ret_error);
	r = fd < 0 ? fd : loop_add_io(loop, &server->io, fd, EPOLLIN);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		free(server);
		return r;
	}
	loop_arm_timer(loop, &server->tick, loop_now_ns(loop) + TICK_NS);
	*ret_server = server;
	return 0;
}

void tls_server_stop(struct tls_server *server)
{
	if (!server->io.loop)
		return;
	loop_remove_io(&server->io);
	close(server->io.fd);
	server->io.fd = -1;
}

void tls_server_free(struct tls_server *server)
{
	loop_disarm_timer(&server->tick);
	tls_server_stop(server);
	tls_owner_done(&server->owner);
	free(server);
}

void tls_server_stats(const struct tls_server *server, struct tls_server_stats *ret_stats)
{
	*ret_stats = server->stats;
	ret_stats->channels = server->owner.count[TLS_OPEN];
	ret_stats->handshakes = server->owner.count[TLS_SHAKING];
}

int tls_server_address(const struct tls_server *server, struct endpoint *ret_local)
{
	struct endpoint local = {.len = sizeof(local.address)};

	if (getsockname(server->io.fd, (struct sockaddr *)&local.address, &local.len) < 0)
		return -errno;
	*ret_local = local;
	return 0;
}
