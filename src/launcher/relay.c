// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/relay.h"

#include "base/capabilities.h"
#include "base/fd.h"
#include "launcher/confine.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CONNECT_MS   10000 /* to each of a host's addresses */
#define BUFFER_BYTES 65536

/* ---- one connection, in a process of its own ---- */

/* What was read from one side and not yet written to the other. */
struct flow {
	int from, to;
	size_t begin, end; /* in `bytes` */
	bool ended;        /* the one side has said its last */
	bool closed;       /* and the other was told */
	uint8_t bytes[BUFFER_BYTES];
};

static bool flow_read(struct flow *flow)
{
	ssize_t n = read(flow->from, flow->bytes, sizeof(flow->bytes));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	flow->begin = 0;
	flow->end = (size_t)n;
	flow->ended = n == 0;
	return true;
}

static bool flow_write(struct flow *flow)
{
	ssize_t n =
		send(flow->to, flow->bytes + flow->begin, flow->end - flow->begin, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	flow->begin += (size_t)n;
	return true;
}

static bool flow_is_empty(const struct flow *flow)
{
	return flow->begin == flow->end;
}

/* False: the connection is broken. */
static bool flow_advance(struct flow *flow)
{
	if (flow_is_empty(flow) && !flow->ended && !flow_read(flow))
		return false;
	if (!flow_is_empty(flow) && !flow_write(flow))
		return false;
	if (flow_is_empty(flow) && flow->ended && !flow->closed) {
		flow->closed = true;
		(void)shutdown(flow->to, SHUT_WR);
	}
	return true;
}

static short interest(const struct flow *from_it, const struct flow *to_it)
{
	short events = 0;

	if (flow_is_empty(from_it) && !from_it->ended)
		events |= POLLIN;
	if (!flow_is_empty(to_it))
		events |= POLLOUT;
	return events;
}

/*
 * What one side is waited for. Of a side that is to do nothing now its end would still be heard of, which is
 * wanted unless it was told the end of the other's: then it has hung up when it says its own, and what it
 * said before that may still be under way.
 */
static struct pollfd wanted_of(int fd, const struct flow *from_it, const struct flow *to_it)
{
	short events = interest(from_it, to_it);

	return (struct pollfd){.fd = events == 0 && to_it->closed ? -1 : fd, .events = events};
}

/* False: one side is gone altogether. */
static bool wait_for(const struct flow *out, const struct flow *in)
{
	struct pollfd fds[] = {wanted_of(out->from, out, in), wanted_of(in->from, in, out)};

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return errno == EINTR;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i].events == 0 && fds[i].revents != 0)
			return false;
	return true;
}

/* True: both said all that they had to say. */
static bool carry(int client_fd, int host_fd)
{
	static struct flow out, in;

	out = (struct flow){.from = client_fd, .to = host_fd};
	in = (struct flow){.from = host_fd, .to = client_fd};
	while (flow_advance(&out) && flow_advance(&in)) {
		if (out.closed && in.closed)
			return true;
		if (!wait_for(&out, &in))
			return false;
	}
	return false;
}

/* Who is gone without a word is found out, and does not hold one of the few places for ever. */
static void keep_alive(int fd)
{
	const int on = 1, idle_s = 60, interval_s = 15, count = 4;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* 0 or a negative errno. */
static int connect_to(const struct addrinfo *address, int *ret_fd)
{
	_cleanup_fd_ int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		address->ai_protocol);
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		if (poll(&poll_fd, 1, CONNECT_MS) == 0)
			return -ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
			return error != 0 ? -error : -errno;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* To the first of its addresses that answers; in `ret_reason` why there is none. */
static int connect_host(const struct door *door, int *ret_fd, const char **ret_reason)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", door->port);
	r = getaddrinfo(door->host, port, &hints, &found);
	if (r != 0) {
		*ret_reason = gai_strerror(r);
		return -EHOSTUNREACH;
	}
	r = -EHOSTUNREACH;
	for (const struct addrinfo *address = found; address && r < 0; address = address->ai_next)
		r = connect_to(address, ret_fd);
	freeaddrinfo(found);
	*ret_reason = strerror(-r);
	return r;
}

/* So that nobody takes for an end what was cut off, or never begun. */
static void reset(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* What it uses the worker has used. */
static int join_groups(const struct groups *groups)
{
	int r = 0;

	for (int i = 0; i < CGROUP_CONTROLLERS && r == 0; i++)
		if (groups->groups[i].dir[0])
			r = cgroup_add(&groups->groups[i], getpid());
	return r;
}

/* All descriptors but the client's and the output are closed: what is carried meets nothing else. */
static int shut_in(const struct relay_owner *owner, int *client_fd)
{
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(*client_fd, 0) < 0 ||
		close_range(1, 1, 0) < 0 || close_range(3, ~0U, 0) < 0)
		return -errno;
	*client_fd = 0;
	capabilities_bound(0);
	if (owner->becomes)
		r = become(owner->uid, owner->gid);
	if (r == 0)
		r = capabilities_keep(0);
	/* It went with the change of user. */
	if (r == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			      prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
		r = -errno;
	return r;
}

static _Noreturn void relay_run(
	const struct door *door, const struct relay_owner *owner, int client_fd, pid_t launcher)
{
	const char *reason;
	int host_fd = -1;

	if (join_groups(owner->groups) < 0 || shut_in(owner, &client_fd) < 0 ||
		getppid() != launcher)
		_exit(EXIT_FAILURE);
	if (connect_host(door, &host_fd, &reason) < 0) {
		fprintf(stderr, "network: %s:%u: %s\n", door->host, door->port, reason);
		reset(client_fd);
		_exit(EXIT_FAILURE);
	}
	keep_alive(client_fd);
	keep_alive(host_fd);
	if ((!owner->filtered || confine_to_carrying() == 0) && carry(client_fd, host_fd))
		_exit(EXIT_SUCCESS);
	reset(client_fd);
	reset(host_fd);
	_exit(EXIT_FAILURE);
}

/* ---- the launcher's side ---- */

size_t relays_poll(const struct relays *relays, struct pollfd *fds)
{
	size_t count = 0;

	for (size_t i = 0; i < relays->door_count && relays->count < RELAYS_MAX; i++)
		fds[count++] = (struct pollfd){.fd = relays->door_fds[i], .events = POLLIN};
	for (size_t i = 0; i < relays->count; i++)
		fds[count++] = (struct pollfd){.fd = relays->relays[i].pidfd, .events = POLLIN};
	return count;
}

static void let_go(struct relays *relays)
{
	for (size_t i = relays->count; i > 0; i--) {
		if (waitpid(relays->relays[i - 1].pid, NULL, WNOHANG) == 0)
			continue;
		close(relays->relays[i - 1].pidfd);
		relays->relays[i - 1] = relays->relays[--relays->count];
	}
}

static void take_in(struct relays *relays, size_t door, const struct relay_owner *owner)
{
	_cleanup_fd_ int client_fd =
		accept4(relays->door_fds[door], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	pid_t launcher = getpid(), pid;

	if (client_fd < 0)
		return;
	pid = fork();
	if (pid == 0)
		relay_run(&relays->doors[door], owner, client_fd, launcher);
	if (pid < 0) {
		reset(TAKE_FD(client_fd));
		return;
	}
	relays->relays[relays->count].pid = pid;
	relays->relays[relays->count++].pidfd = pidfd_open(pid, 0);
}

void relays_tend(struct relays *relays, const struct relay_owner *owner)
{
	let_go(relays);
	for (size_t i = 0; i < relays->door_count && relays->count < RELAYS_MAX; i++)
		take_in(relays, i, owner);
}

void relays_end(struct relays *relays)
{
	for (size_t i = 0; i < relays->count; i++)
		kill(relays->relays[i].pid, SIGKILL);
	for (size_t i = 0; i < relays->count; i++)
		(void)waitpid(relays->relays[i].pid, NULL, 0);
	relays->count = 0;
}
