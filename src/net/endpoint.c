// SPDX-License-Identifier: BSD-2-Clause
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_TEXT_MAX 256 /* a DNS name's 253 characters and room */
#define PORT_TEXT_MAX 6

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

/* What makes a peer's address: family, address and port, but no scope, flow label or padding. */
uint64_t endpoint_digest(const struct endpoint *endpoint, const struct siphash_key *key)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->address;
	uint8_t bytes[18] = {0};

	if (endpoint->address.ss_family == AF_INET6) {
		memcpy(bytes, &v6->sin6_port, 2);
		memcpy(bytes + 2, &v6->sin6_addr, 16);
		return siphash(key, bytes, sizeof(bytes));
	}
	memcpy(bytes, &v4->sin_port, 2);
	memcpy(bytes + 2, &v4->sin_addr, 4);
	return siphash(key, bytes, 6);
}
