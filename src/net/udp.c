// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <sys/socket.h>

/* Bytes asked of the kernel: a fleet's burst while this side waits for its turn on the CPU. */
#define RECEIVE_BUFFER_BYTES (16 << 20)
#define SEND_BUFFER_BYTES    (4 << 20)

static bool is_any_v6(const struct endpoint *endpoint)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->address;

	return v6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static struct endpoint any_v4(const struct endpoint *any)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&any->address;
	struct endpoint endpoint = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint.address;

	v4->sin_family = AF_INET;
	v4->sin_port = v6->sin6_port;
	return endpoint;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* As much as is allowed: beyond net.core.{r,w}mem_max with CAP_NET_ADMIN only. */
static void set_buffer(int fd, int forced, int option, int bytes)
{
	/* The kernel cuts the second one down by itself; a smaller buffer is no failure. */
	if (set(fd, SOL_SOCKET, forced, bytes) < 0)
		(void)set(fd, SOL_SOCKET, option, bytes);
}

/* What every socket gets. Before Linux 5.0 there is no GRO, and each datagram comes by itself. */
static int udp_socket(sa_family_t family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER_BYTES);
	(void)!udp_set_gro(fd, true);
	return fd;
}

static int set_listening(int fd, const struct endpoint *local, bool shared)
{
	int r = 0;

	/* "Any" means IPv4 as well, whatever net.ipv6.bindv6only says. */
	if (is_any_v6(local))
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (r == 0 && local->address.ss_family == AF_INET6)
		r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	else if (r == 0)
		r = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (r == 0)
		r = udp_forbid_fragments(fd);
	if (r == 0 && shared)
		r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return r;
}

static int listen_at(const struct endpoint *local, bool shared)
{
	_cleanup_fd_ int fd = udp_socket(local->address.ss_family);
	int r;

	if (fd < 0)
		return fd;
	r = set_listening(fd, local, shared);
	if (r < 0)
		return r;
	if (bind(fd, (const struct sockaddr *)&local->address, local->len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int listen_at_any(const struct endpoint *local, bool shared)
{
	int fd = listen_at(local, shared);

	if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && is_any_v6(local)) {
		struct endpoint v4 = any_v4(local);

		/* A host without IPv6. */
		return listen_at(&v4, shared);
	}
	return fd;
}

int udp_listen(const struct endpoint *local)
{
	return listen_at_any(local, false);
}

int udp_listen_shared(const struct endpoint *local)
{
	return listen_at_any(local, true);
}

int udp_connect(const struct endpoint *remote)
{
	_cleanup_fd_ int fd = udp_socket(remote->address.ss_family);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&remote->address, remote->len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int udp_open(sa_family_t family)
{
	_cleanup_fd_ int fd = udp_socket(family);
	int r;

	if (fd < 0)
		return fd;
	r = udp_forbid_fragments(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

int udp_set_peer(int fd, const struct endpoint *remote)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	/* An address that is ours no more would be kept. */
	if (connect(fd, &none, sizeof(none)) < 0 && errno != EAFNOSUPPORT)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&remote->address, remote->len) < 0)
		return -errno;
	return 0;
}

int udp_forbid_fragments(int fd)
{
	int family, r;
	socklen_t len = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return -errno;
	/* A socket of IPv6 obeys the other option for IPv4 peers. */
	r = set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	if (r == 0 && family == AF_INET6)
		r = set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	return r;
}

int udp_set_gro(int fd, bool on)
{
	return set(fd, SOL_UDP, UDP_GRO, on);
}

int udp_get_memory(int fd, struct udp_memory *ret_memory)
{
	uint32_t values[SK_MEMINFO_VARS];
	socklen_t len = sizeof(values);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &len) < 0)
		return -errno;
	if (len < (SK_MEMINFO_DROPS + 1) * sizeof(values[0]))
		return -EOPNOTSUPP;
	*ret_memory = (struct udp_memory){
		.buffer_bytes = values[SK_MEMINFO_RCVBUF],
		.queued_bytes = values[SK_MEMINFO_RMEM_ALLOC],
		.drops = values[SK_MEMINFO_DROPS],
	};
	return 0;
}
