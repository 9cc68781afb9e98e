// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/door.h"

#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAMES_BASE 0x7f4d0001U /* 127.77.0.1: of the first name */

static bool name_is_valid(const char *name)
{
	return *name && *name != '.' && *name != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
		       strlen(name);
}

static void set_v4(struct door *door, in_addr_t address_be)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(door->port),
		.sin_addr.s_addr = address_be,
	};

	memcpy(&door->address, &address, sizeof(address));
	door->address_len = sizeof(address);
}

static void set_v6(struct door *door, const struct in6_addr *v6)
{
	const struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(door->port),
		.sin6_addr = *v6,
	};

	memcpy(&door->address, &address, sizeof(address));
	door->address_len = sizeof(address);
}

/* The host's part of "HOST:PORT" or "[V6]:PORT"; the port's is what is returned, NULL if there is none. */
static const char *take_host(const char *text, bool *ret_bracketed, char host[static DOOR_HOST_MAX])
{
	bool bracketed = *text == '[';
	const char *end = strchr(text, bracketed ? ']' : ':');
	size_t len;

	text += bracketed;
	if (!end || end[bracketed] != ':')
		return NULL;
	len = (size_t)(end - text);
	if (len == 0 || len >= DOOR_HOST_MAX)
		return NULL;
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_bracketed = bracketed;
	return end + bracketed + 1;
}

int door_parse(const char *text, struct door *ret_door)
{
	struct door door = {0};
	struct in6_addr v6;
	struct in_addr v4;
	bool bracketed;
	const char *port_text = take_host(text, &bracketed, door.host);
	uint64_t port;

	if (!port_text || number_parse(port_text, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	door.port = (uint16_t)port;
	if (bracketed) {
		if (inet_pton(AF_INET6, door.host, &v6) != 1)
			return -EINVAL;
		set_v6(&door, &v6);
	} else if (inet_pton(AF_INET, door.host, &v4) == 1) {
		set_v4(&door, v4.s_addr);
	} else if (name_is_valid(door.host)) {
		door.is_name = true;
	} else {
		return -EINVAL;
	}
	*ret_door = door;
	return 0;
}

/* One for each name, whatever the ports. */
static void give_address(struct door *doors, size_t i)
{
	size_t same = 0;

	while (strcasecmp(doors[same].host, doors[i].host) != 0)
		same++;
	set_v4(&doors[i], htonl(NAMES_BASE + (in_addr_t)same));
}

static bool is_known(const struct door *doors, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (doors[j].port == doors[i].port && strcasecmp(doors[j].host, doors[i].host) == 0)
			return true;
	return false;
}

int doors_plan(const char *const *texts, struct door doors[static DOORS_MAX])
{
	size_t count = 0;

	for (; texts && texts[count]; count++) {
		if (count == DOORS_MAX)
			return -E2BIG;
		if (door_parse(texts[count], &doors[count]) < 0)
			return -EINVAL;
		if (is_known(doors, count))
			return -EEXIST;
		if (doors[count].is_name)
			give_address(doors, count);
	}
	return (int)count;
}
