// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/doors.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LOOPBACK  "lo"
#define LOCALHOST "localhost"
#define BACKLOG   64

/* ---- addresses ---- */

static int loopback_up(int fd)
{
	struct ifreq request = {.ifr_name = LOOPBACK, .ifr_flags = IFF_UP};

	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* By the interface's name with a number behind: one address more, of this host alone. */
static int add_v4(int fd, uint8_t number, const struct sockaddr_in *address)
{
	const struct sockaddr_in mask = {
		.sin_family = AF_INET, .sin_addr.s_addr = INADDR_BROADCAST};
	const struct sockaddr_in alone = {.sin_family = AF_INET, .sin_addr = address->sin_addr};
	struct ifreq request = {0};

	/* Of the loopback's own there are plenty. */
	if (ntohl(address->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), LOOPBACK ":%u", number + 1U);
	memcpy(&request.ifr_addr, &alone, sizeof(alone));
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		return -errno;
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	return ioctl(fd, SIOCSIFNETMASK, &request) < 0 ? -errno : 0;
}

static int add_v6(const struct sockaddr_in6 *address)
{
	_cleanup_fd_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in6_ifreq request = {.ifr6_addr = address->sin6_addr, .ifr6_prefixlen = 128};
	struct ifreq loopback = {.ifr_name = LOOPBACK};

	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &loopback) < 0)
		return -errno;
	request.ifr6_ifindex = loopback.ifr_ifindex;
	return ioctl(fd, SIOCSIFADDR, &request) < 0 && errno != EEXIST ? -errno : 0;
}

static int add_address(int fd, uint8_t number, const struct door *door)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (door->address.ss_family == AF_INET6) {
		memcpy(&v6, &door->address, sizeof(v6));
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ? 0 : add_v6(&v6);
	}
	memcpy(&v4, &door->address, sizeof(v4));
	return add_v4(fd, number, &v4);
}

/* ---- listening ---- */

static int listen_at(const struct door *door, int *ret_fd)
{
	_cleanup_fd_ int fd =
		socket(door->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&door->address, door->address_len) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int doors_open(const struct door *doors, size_t count, int ret_fds[static DOORS_MAX],
	const char **ret_what)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : 0;

	*ret_what = "bringing the loopback up";
	if (r == 0)
		r = loopback_up(fd);
	for (size_t i = 0; i < count && r == 0; i++) {
		*ret_what = doors[i].host;
		r = add_address(fd, (uint8_t)i, &doors[i]);
		if (r == 0)
			r = listen_at(&doors[i], &ret_fds[i]);
	}
	return r;
}

/* ---- names ---- */

static int write_lines(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -EIO;
}

static bool is_named(const struct door *doors, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(doors[i].host, name) == 0)
			return true;
	return false;
}

int doors_write_names(const struct door *doors, size_t count)
{
	char text[DOORS_MAX * (DOOR_HOST_MAX + INET_ADDRSTRLEN + 2) + 64] = "",
								      address[INET_ADDRSTRLEN];
	size_t len = 0;
	int r;

	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in v4;

		if (!doors[i].is_name)
			continue;
		memcpy(&v4, &doors[i].address, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, address, sizeof(address));
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s %s\n", address, doors[i].host);
	}
	if (!is_named(doors, count, LOCALHOST))
		snprintf(text + len, sizeof(text) - len,
			"127.0.0.1 " LOCALHOST "\n::1 " LOCALHOST "\n");
	r = write_lines("etc/hosts", text);
	return r < 0 ? r : write_lines("etc/nsswitch.conf", "hosts: files\n");
}
