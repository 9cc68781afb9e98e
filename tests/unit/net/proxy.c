// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/net/proxy.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 32

struct side {
	struct loop_io io;
	struct pair *pair;
	struct side *other;
};

struct pair {
	struct proxy *proxy;
	bool open;
	struct side sides[2];
};

struct proxy {
	struct loop *loop;
	struct loop_io io;
	struct endpoint to;
	bool hold, refuse;
	struct pair pairs[PAIRS_MAX];
};

static void close_pair(struct pair *pair)
{
	if (!pair->open)
		return;
	pair->open = false;
	for (int i = 0; i < 2; i++) {
		loop_remove_io(&pair->sides[i].io);
		close(pair->sides[i].io.fd);
	}
}

/* Tests send little: what the socket does not take at once is an end like another. */
static void on_bytes(struct loop_io *io, uint32_t events _unused_)
{
	struct side *side = io->user;
	char bytes[65536];
	ssize_t n;

	if (side->pair->proxy->hold)
		return;
	n = recv(io->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(side->other->io.fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
		close_pair(side->pair);
}

static struct pair *free_pair(struct proxy *proxy)
{
	for (int i = 0; i < PAIRS_MAX; i++)
		if (!proxy->pairs[i].open)
			return &proxy->pairs[i];
	fail_msg("too many connections through the proxy");
	return NULL;
}

static void on_connection(struct loop_io *io, uint32_t events _unused_)
{
	struct proxy *proxy = io->user;
	int fds[2] = {accept(io->fd, NULL, NULL), -1};
	struct pair *pair = free_pair(proxy);

	assert_true(fds[0] >= 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fds[1] >= 0);
	if (proxy->refuse ||
		connect(fds[1], (const struct sockaddr *)&proxy->to.address, proxy->to.len) < 0) {
		close(fds[0]);
		close(fds[1]);
		return;
	}
	*pair = (struct pair){.proxy = proxy, .open = true};
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->sides[i];

		side->pair = pair;
		side->other = &pair->sides[1 - i];
		side->io = (struct loop_io){.fn = on_bytes, .user = side};
		assert_int_equal(
			loop_add_io(proxy->loop, &side->io, fds[i], proxy->hold ? 0 : EPOLLIN), 0);
	}
}

struct proxy *proxy_new(struct loop *loop, const struct endpoint *to)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_non_null(proxy);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 16), 0);
	proxy->loop = loop;
	proxy->to = *to;
	proxy->io = (struct loop_io){.fn = on_connection, .user = proxy};
	assert_int_equal(loop_add_io(loop, &proxy->io, fd, EPOLLIN), 0);
	return proxy;
}

void proxy_free(struct proxy *proxy)
{
	proxy_cut(proxy);
	loop_remove_io(&proxy->io);
	close(proxy->io.fd);
	free(proxy);
}

struct endpoint proxy_address(const struct proxy *proxy)
{
	struct endpoint local = {.len = sizeof(local.address)};

	assert_int_equal(
		getsockname(proxy->io.fd, (struct sockaddr *)&local.address, &local.len), 0);
	return local;
}

void proxy_cut(struct proxy *proxy)
{
	for (int i = 0; i < PAIRS_MAX; i++)
		close_pair(&proxy->pairs[i]);
}

void proxy_hold(struct proxy *proxy, bool hold)
{
	proxy->hold = hold;
	for (int i = 0; i < PAIRS_MAX; i++)
		for (int j = 0; j < 2 && proxy->pairs[i].open; j++)
			assert_int_equal(
				loop_set_io(&proxy->pairs[i].sides[j].io, hold ? 0 : EPOLLIN), 0);
}

void proxy_refuse(struct proxy *proxy, bool refuse)
{
	proxy->refuse = refuse;
}

unsigned int proxy_count(const struct proxy *proxy)
{
	unsigned int count = 0;

	for (int i = 0; i < PAIRS_MAX; i++)
		count += proxy->pairs[i].open;
	return count;
}
