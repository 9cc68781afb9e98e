// SPDX-License-Identifier: BSD-2-Clause
#include "bench/traffic_net.h"

#include "base/fd.h"
#include "bench/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

static int _printf_(1, 2) ip(const char *fmt, ...)
{
	char command[256] = "ip ";
	const size_t length = strlen(command);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + length, sizeof(command) - length, fmt, ap);
	va_end(ap);
	return system(command) == 0 ? 0 : -EIO;
}

/* A setting of this namespace; one that the kernel does not have is none. */
static int sysctl_set(const char *path, const char *value)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int traffic_net_enter(void)
{
	int r = netns_enter_private();

	/* With IPv6 it would send neighbour and router solicitations, multicast reports. */
	return r < 0 ? r : sysctl_set("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

int traffic_net_pair(const char *a, const char *b)
{
	const int n = get_nprocs_conf();
	int r = ip("link add %s numtxqueues %d numrxqueues %d type veth "
		   "peer name %s numtxqueues %d numrxqueues %d",
		a, n, n, b, n, n);

	if (r == 0)
		r = ip("link set %s up", a);
	return r < 0 ? r : ip("link set %s up", b);
}

int traffic_net_bridge(const char *bridge, const char *a, const char *b)
{
	int r = sysctl_set("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");

	if (r == 0)
		r = ip("link add %s type bridge stp_state 0 mcast_snooping 0", bridge);
	if (r == 0)
		r = ip("link set %s master %s", a, bridge);
	if (r == 0)
		r = ip("link set %s master %s", b, bridge);
	return r < 0 ? r : ip("link set %s up", bridge);
}

int traffic_net_read(const char *interface, struct interface_counts *ret_counts)
{
	/* Not /sys, which shows the namespace that it was mounted in. */
	FILE *file = fopen("/proc/thread-self/net/dev", "re");
	struct interface_counts counts;
	char line[512], name[32];
	int r = -ENODEV;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		/* name: bytes packets errors dropped ... */
		if (sscanf(line, " %31[^:]: %" SCNu64 " %" SCNu64 " %*u %" SCNu64, name,
			    &counts.bytes, &counts.packets, &counts.dropped) != 4 ||
			strcmp(name, interface) != 0)
			continue;
		*ret_counts = counts;
		r = 0;
	}
	fclose(file);
	return r;
}
