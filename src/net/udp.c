// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes asked of the kernel: a fleet's burst while this side waits for its turn on the CPU. */
#define RECEIVE_BUFFER_BYTES (16 << 20)
#define HOST_TEXT_MAX        256 /* a DNS name's 253 characters and room */
#define PORT_TEXT_MAX        6

/* ---- endpoints ---- */

static int refuse(char **ret_error, const char *text, const char *why)
{
	/* Whatever happens to the message, the endpoint is refused. */
	if (asprintf(ret_error, "\"%s\": %s", text, why) < 0)
		*ret_error = NULL;
	return -EINVAL;
}

/* Digits only, at most 65535. */
static bool port_is_valid(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits < PORT_TEXT_MAX && text[digits] == '\0' &&
	       strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* Splits HOST:PORT, [V6]:PORT or PORT; `host` is then empty. NULL or what is wrong with it. */
static const char *split(const char *text, char host[static HOST_TEXT_MAX], const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	const char *start = text;

	if (text[0] == '[') {
		if (!colon || len < 3 || text[len - 1] != ']')
			return "expected \"]:PORT\" after the IPv6 address";
		start = text + 1;
		len -= 2;
	} else if (colon && memchr(text, ':', len)) {
		return "an IPv6 address stands in brackets: [ADDRESS]:PORT";
	} else if (colon && len == 0) {
		return "expected a host before \":PORT\" (for any address, the port alone)";
	}
	if (len >= HOST_TEXT_MAX)
		return "the host name is too long";
	memcpy(host, start, len);
	host[len] = '\0';
	*ret_port = colon ? colon + 1 : text;
	if (!port_is_valid(*ret_port))
		return "expected HOST:PORT, [IPV6]:PORT or PORT, with a port from 0 to 65535";
	return NULL;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, char **ret_error)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char host[HOST_TEXT_MAX];
	const char *port, *wrong;
	int r;

	wrong = split(text, host, &port);
	if (wrong)
		return refuse(ret_error, text, wrong);
	if (text[0] == '[')
		hints.ai_flags |= AI_NUMERICHOST;
	r = getaddrinfo(host[0] ? host : "::", port, &hints, &found);
	if (r != 0)
		return refuse(ret_error, text, gai_strerror(r));
	*ret_endpoint = (struct endpoint){.len = found->ai_addrlen};
	memcpy(&ret_endpoint->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

const char *endpoint_render(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_MAX])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->address;
	char address[INET6_ADDRSTRLEN] = "";

	if (endpoint->address.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_MAX, "%s:%u", address, ntohs(v4->sin_port));
	} else if (endpoint->address.ss_family != AF_INET6) {
		snprintf(text, ENDPOINT_TEXT_MAX, "(no address)");
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_MAX, "%s:%u", address, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
		snprintf(text, ENDPOINT_TEXT_MAX, "[%s]:%u", address, ntohs(v6->sin6_port));
	}
	return text;
}

/* ---- sockets ---- */

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

static int udp_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* As much as is allowed: beyond net.core.rmem_max with CAP_NET_ADMIN only. */
static void set_receive_buffer(int fd)
{
	int bytes = RECEIVE_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return;
	/* The kernel cuts this one down by itself; a smaller buffer is no failure. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int listen_at(const struct endpoint *local)
{
	_cleanup_fd_ int fd = udp_socket(local->address.ss_family);
	int off = 0;

	if (fd < 0)
		return fd;
	/* "Any" means IPv4 as well, whatever net.ipv6.bindv6only says. */
	if (is_any_v6(local) && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	set_receive_buffer(fd);
	if (bind(fd, (const struct sockaddr *)&local->address, local->len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int udp_listen(const struct endpoint *local)
{
	int fd = listen_at(local);

	if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && is_any_v6(local)) {
		struct endpoint v4 = any_v4(local);

		/* A host without IPv6. */
		return listen_at(&v4);
	}
	return fd;
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

/* ---- batches ---- */

struct udp_receiver {
	struct mmsghdr messages[UDP_BATCH];
	struct iovec vectors[UDP_BATCH];
	struct datagram datagrams[UDP_BATCH];
	uint8_t bytes[UDP_BATCH][UDP_DATAGRAM_MAX];
};

int udp_receiver_new(struct udp_receiver **ret_receiver)
{
	struct udp_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		return -ENOMEM;
	for (int i = 0; i < UDP_BATCH; i++) {
		receiver->vectors[i] = (struct iovec){receiver->bytes[i], UDP_DATAGRAM_MAX};
		receiver->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->datagrams[i].from.address,
			.msg_iov = &receiver->vectors[i],
			.msg_iovlen = 1,
		};
		receiver->datagrams[i].bytes = receiver->bytes[i];
	}
	*ret_receiver = receiver;
	return 0;
}

void udp_receiver_free(struct udp_receiver *receiver)
{
	free(receiver);
}

int udp_receive(struct udp_receiver *receiver, int fd, const struct datagram **ret_datagrams)
{
	int n;

	/* The kernel wrote the last senders' lengths there. */
	for (int i = 0; i < UDP_BATCH; i++)
		receiver->messages[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_storage);
	do {
		n = recvmmsg(fd, receiver->messages, UDP_BATCH, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct datagram *datagram = &receiver->datagrams[i];

		datagram->from.len = receiver->messages[i].msg_hdr.msg_namelen;
		datagram->size = receiver->messages[i].msg_len;
		datagram->truncated = receiver->messages[i].msg_hdr.msg_flags & MSG_TRUNC;
	}
	*ret_datagrams = receiver->datagrams;
	return n;
}
