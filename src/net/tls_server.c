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

struct tls_server {
	struct tls_owner owner;
	struct tls_server_options options;
	struct loop_io io;
	bool deaf; /* there was nothing to take a connection with: listens again at the next tick */
	struct loop_timer tick;
	struct connection_limit *limit;
	struct tls_server_stats stats;
};

/* ---- places for handshakes ---- */

/* Those of strangers, or of addresses with a switch. */
struct places {
	unsigned int taken;
	struct tls_channel *yields; /* that is the first to go; NULL: none has to */
};

/* Who lingers has been told all there is to tell. Among its like the oldest goes. */
static bool yields_before(const struct tls_channel *a, const struct tls_channel *b)
{
	if (!b || a->state != b->state)
		return !b || a->state == TLS_LINGERING;
	return a->since_ns <= b->since_ns;
}

static void count_place(struct places *places, struct tls_channel *channel, bool may_stay)
{
	places->taken++;
	if (!may_stay && yields_before(channel, places->yields))
		places->yields = channel;
}

/* Whose handshakes are counted together: where a switch is known, its neighbours are others. */
static struct source source_counted(const struct endpoint *address, bool known)
{
	return known ? source_address(address) : source_machine(address);
}

/* Of the machine, of the network and in all. */
static void count_places(const struct tls_server *server, const struct endpoint *address,
	bool known, struct places ret_places[static 3])
{
	const struct source machine = source_counted(address, known);
	const struct source network = source_network(address);
	uint64_t spared_since_ns =
		loop_now_ns(server->owner.loop) - server->options.handshake_spared_ns;

	memset(ret_places, 0, 3 * sizeof(ret_places[0]));
	for (struct tls_channel *c = server->owner.channels; c; c = c->next) {
		const struct source its_machine = source_counted(&c->peer.address, known);
		const struct source its_network = source_network(&c->peer.address);
		bool may_stay = c->state == TLS_SHAKING && c->since_ns > spared_since_ns;

		if ((c->state != TLS_SHAKING && c->state != TLS_LINGERING) || c->known != known)
			continue;
		if (source_equal(&machine, &its_machine))
			count_place(&ret_places[0], c, may_stay);
		if (source_equal(&network, &its_network))
			count_place(&ret_places[1], c, may_stay);
		count_place(&ret_places[2], c, may_stay);
	}
}

static bool make_way(struct tls_channel *channel)
{
	if (channel)
		tls_channel_end(channel, channel->state == TLS_LINGERING ? TLS_CLOSED : TLS_CROWDED,
			"too many handshakes at a time, and this one takes long");
	return channel != NULL;
}

static enum connection_excess find_place(
	struct tls_server *server, const struct endpoint *address, bool known)
{
	const struct tls_server_limits *at_most = &server->options.limits;
	const struct {
		unsigned int most;
		enum connection_excess excess;
	} limits[] = {
		{at_most->handshakes_machine_max, EXCESS_MACHINE_PLACES},
		{at_most->handshakes_network_max, EXCESS_NETWORK_PLACES},
		{at_most->handshakes_max, EXCESS_PLACES},
	};
	struct places places[ARRAY_SIZE(limits)];

	count_places(server, address, known, places);
	/* Whoever makes way in the machine does so in the network and in all. */
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (places[i].taken >= limits[i].most)
			return make_way(places[i].yields) ? EXCESS_NONE : limits[i].excess;
	return EXCESS_NONE;
}

/* ---- accepting ---- */

static void take(struct tls_server *server, int fd, const struct endpoint *address)
{
	struct tls_channel *channel;
	bool known;
	enum connection_excess excess = connection_limit_take(
		server->limit, address, loop_now_ns(server->owner.loop), &known);

	if (excess == EXCESS_NONE)
		excess = find_place(server, address, known);
	if (excess != EXCESS_NONE) {
		server->stats.away[excess]++;
		close(fd);
		return;
	}
	tls_socket_tune(fd, (unsigned int)(server->options.stall_ns / NS_PER_MS));
	if (tls_channel_new(&server->owner, fd, address, TLS_SHAKING, &channel) < 0) {
		server->stats.accept_failures++;
		return;
	}
	channel->known = known;
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
	if (count < CHANNELS_A_SWITCH)
		return;
	server->stats.ends[TLS_REPLACED]++;
	oldest->counted = true;
	tls_channel_replace(oldest, "the switch has newer connections");
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
	connection_limit_learn(server->limit, channel->peer.switch_id, &channel->peer.address);
	server->stats.opened++;
	return TLS_END_NONE;
}

static void count_refused(struct tls_owner *owner, enum tls_end end)
{
	container_of(owner, struct tls_server, owner)->stats.ends[end]++;
}

static void count_gone(struct tls_owner *owner, struct tls_channel *channel, enum tls_end end)
{
	if (!channel->counted)
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

static void set_default_rate(struct rate *rate, uint64_t burst, uint64_t per_second)
{
	if (rate->burst == 0)
		*rate = (struct rate){NS_PER_SEC / per_second, burst};
}

static void set_default_limits(struct tls_server_limits *limits)
{
	if (limits->handshakes_max == 0)
		limits->handshakes_max = 128;
	if (limits->handshakes_network_max == 0)
		limits->handshakes_network_max = 64;
	if (limits->handshakes_machine_max == 0)
		limits->handshakes_machine_max = 8;
	set_default_rate(&limits->rates.machine, 8, 2);
	set_default_rate(&limits->rates.network, 128, 50);
	set_default_rate(&limits->rates.all, 256, 200);
}

static void set_defaults(struct tls_server_options *options)
{
	if (options->rule_count == 0) {
		options->rules[0] = identity_rule_default;
		options->rule_count = 1;
	}
	if (options->channels_max == 0)
		options->channels_max = 4096;
	if (options->handshake_ns == 0)
		options->handshake_ns = 5000000000ULL;
	if (options->handshake_spared_ns == 0)
		options->handshake_spared_ns = NS_PER_SEC;
	if (options->stall_ns == 0)
		options->stall_ns = TLS_STALL_NS;
	set_default_limits(&options->limits);
}

/* Owns the socket from then on. */
static int start_listening(struct tls_server *server, char **ret_error)
{
	int fd = listen_at(&server->options.local, ret_error), r;

	if (fd < 0)
		return fd;
	r = loop_add_io(server->owner.loop, &server->io, fd, EPOLLIN);
	if (r < 0)
		close(fd);
	return r;
}

int tls_server_new(struct loop *loop, struct tls_context *context,
	const struct tls_server_options *options, const struct tls_callbacks *callbacks, void *user,
	struct tls_server **ret_server, char **ret_error)
{
	struct tls_server *server = calloc(1, sizeof(*server));
	int r;

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
	r = connection_limit_new(
		&server->options.limits.rates, server->options.channels_max, &server->limit);
	if (r == 0)
		r = start_listening(server, ret_error);
	if (r < 0) {
		if (server->limit)
			connection_limit_free(server->limit);
		free(server);
		return r;
	}
	loop_arm_timer(loop, &server->tick, loop_now_ns(loop) + TICK_NS);
	*ret_server = server;
	return 0;
}

void tls_server_limit(struct tls_server *server, const struct tls_server_limits *limits)
{
	server->options.limits = *limits;
	set_default_limits(&server->options.limits);
	connection_limit_set(server->limit, &server->options.limits.rates);
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
	connection_limit_free(server->limit);
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
