// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void cannot(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

static void set_cpus(const cpu_set_t *cpus)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus) < 0)
		cannot("sched_setaffinity");
}

void lab_stay_here(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	set_cpus(&cpus);
}

void lab_go_anywhere(void)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	set_cpus(&cpus);
}

static void refuse(const char *what)
{
	const char *required = getenv("NETLAMBDA_REQUIRE_BPF");
	bool fail = required && strcmp(required, "1") == 0;

	fprintf(stderr, "%s: %s: %s (needs root)\n", fail ? "failed" : "skipped", what,
		strerror(errno));
	exit(fail ? EXIT_FAILURE : 77);
}

void lab_require(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "probe", 4, 4, 1, NULL);
	pid_t child;
	int status = 0;

	if (fd < 0)
		refuse("BPF cannot be used here");
	close(fd);
	child = fork();
	if (child == 0)
		_exit(unshare(CLONE_NEWNET) == 0 ? 0 : errno);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		cannot("fork");
	errno = WEXITSTATUS(status);
	if (errno != 0)
		refuse("no network namespace can be made here");
}

void lab_run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0) { /* NOLINT(cert-env33-c): the test's own words, no input */
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

/* Else each interface would send neighbour discovery. A kernel without IPv6 has no such file. */
static void disable_ipv6(const char *which)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", which);
	file = fopen(path, "we");
	if (!file && errno == ENOENT)
		return;
	if (!file || fputs("1", file) < 0 || fclose(file) != 0)
		cannot(path);
}

void lab_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		cannot("unshare");
	disable_ipv6("all");
	disable_ipv6("default");
	lab_run("ip link set lo up");
	lab_run("ip link add veth0 type veth peer name veth1");
	lab_run("ip link set veth0 up && ip link set veth1 up");
}

void lab_mount_bpf(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		cannot("a BPF file system of our own");
}

void lab_add_pair(const char *name, const char *peer)
{
	lab_run("ip link add %s type veth peer name %s && ip link set %s up && ip link set %s up",
		name, peer, name, peer);
}

int lab_open(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	/* Protocol 0: it receives nothing. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		cannot("packet socket");
	return fd;
}

void lab_send(int fd, const struct frame *frame, unsigned int count)
{
	while (count > 0) {
		if (send(fd, frame->bytes, frame->size, 0) == (ssize_t)frame->size)
			count--;
		else if (errno != ENOBUFS)
			cannot("send");
		else
			usleep(100);
	}
}

uint64_t lab_dropped(const char *interface)
{
	struct ifaddrs *all;
	uint64_t dropped = 0;

	if (getifaddrs(&all) < 0)
		cannot("getifaddrs");
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		if (strcmp(one->ifa_name, interface) == 0 && one->ifa_addr &&
			one->ifa_addr->sa_family == AF_PACKET)
			dropped = ((const struct rtnl_link_stats *)one->ifa_data)->tx_dropped;
	freeifaddrs(all);
	return dropped;
}

void lab_tcp4(struct frame *f, const char *src, const char *dst, const uint16_t ports[2],
	uint8_t flags, size_t payload)
{
	frame_init(f);
	frame_ethernet(f);
	frame_ipv4(f, src, dst);
	frame_tcp(f, ports[0], ports[1], flags);
	frame_payload(f, payload);
	frame_finish(f);
}

void lab_tcp6(struct frame *f, const char *src, const char *dst, const uint16_t ports[2],
	uint8_t flags, size_t payload)
{
	frame_init(f);
	frame_ethernet(f);
	frame_ipv6(f, src, dst);
	frame_tcp(f, ports[0], ports[1], flags);
	frame_payload(f, payload);
	frame_finish(f);
}

void lab_udp4(
	struct frame *f, const char *src, const char *dst, const uint16_t ports[2], size_t payload)
{
	frame_init(f);
	frame_ethernet(f);
	frame_ipv4(f, src, dst);
	frame_udp(f, ports[0], ports[1]);
	frame_payload(f, payload);
	frame_finish(f);
}

void lab_udp6(
	struct frame *f, const char *src, const char *dst, const uint16_t ports[2], size_t payload)
{
	frame_init(f);
	frame_ethernet(f);
	frame_ipv6(f, src, dst);
	frame_udp(f, ports[0], ports[1]);
	frame_payload(f, payload);
	frame_finish(f);
}

void lab_send_packets(const char *interface, unsigned int count)
{
	struct frame f;
	int fd = lab_open(interface);

	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1, 2}, 100);
	lab_send(fd, &f, count);
	close(fd);
}

uint32_t lab_xdp_id(const char *interface)
{
	uint32_t id = 0;

	if (bpf_xdp_query_id((int)if_nametoindex(interface), 0, &id) < 0)
		cannot("bpf_xdp_query_id");
	return id;
}
