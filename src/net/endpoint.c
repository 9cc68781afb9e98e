// SPDX-License-Identifier: BSD-2-Clause
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static const char *split(
	const char *text, char host[static ENDPOINT_HOST_MAX], const char **ret_port)
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
	if (len >= ENDPOINT_HOST_MAX)
		return "the host name is too long";
	memcpy(host, start, len);
	host[len] = '\0';
	*ret_port = colon ? colon + 1 : text;
	if (!port_is_valid(*ret_port))
		return "expected HOST:PORT, [IPV6]:PORT or PORT, with a port from 0 to 65535";
	return NULL;
}

/* HOST alone, or with a port. */
static const char *split_host(
	const char *text, char host[static ENDPOINT_HOST_MAX], const char **ret_port)
{
	size_t len = strlen(text);
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && len > 2 && text[len - 1] == ']';

	if (len == 0)
		return "expected HOST, HOST:PORT or [IPV6]:PORT";
	if (!bracketed && colon)
		return split(text, host, ret_port);
	if (bracketed)
		text++, len -= 2;
	if (len >= ENDPOINT_HOST_MAX)
		return "the host name is too long";
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_port = NULL;
	return NULL;
}

static int look_up(const char *host, const char *port, int flags, struct addrinfo **ret_found)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(host, port, &hints, ret_found);
}

static struct endpoint to_endpoint(const struct addrinfo *found)
{
	struct endpoint endpoint = {.len = found->ai_addrlen};

	memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
	return endpoint;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, char **ret_error)
{
	char host[ENDPOINT_HOST_MAX];
	struct addrinfo *found;
	const char *port, *wrong;
	int r;

	wrong = split(text, host, &port);
	if (wrong)
		return refuse(ret_error, text, wrong);
	r = look_up(host[0] ? host : "::", port, text[0] == '[' ? AI_NUMERICHOST : 0, &found);
	if (r != 0)
		return refuse(ret_error, text, gai_strerror(r));
	*ret_endpoint = to_endpoint(found);
	freeaddrinfo(found);
	return 0;
}

int endpoint_resolve(
	const char *text, uint16_t port, struct endpoint_list *ret_list, char **ret_error)
{
	struct endpoint_list list = {0};
	struct addrinfo *found = NULL;
	const char *given, *wrong;
	char usual[PORT_TEXT_MAX];
	int r;

	wrong = split_host(text, list.host, &given);
	if (!wrong && !list.host[0])
		wrong = "expected a host";
	if (!wrong && given && strtoul(given, NULL, 10) == 0)
		wrong = "port 0 cannot be sent to";
	if (wrong)
		return refuse(ret_error, text, wrong);
	snprintf(usual, sizeof(usual), "%u", port);
	r = look_up(list.host, given ? given : usual, text[0] == '[' ? AI_NUMERICHOST : 0, &found);
	if (r != 0) {
		refuse(ret_error, text, gai_strerror(r));
		return -EAGAIN;
	}
	for (const struct addrinfo *at = found; at && list.count < ARRAY_SIZE(list.endpoints);
		at = at->ai_next)
		list.endpoints[list.count++] = to_endpoint(at);
	freeaddrinfo(found);
	*ret_list = list;
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
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
}

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
