// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/lab.h"

#include "base/attr.h"

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

#define SENDERS_MAX 16

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

	lab_wait_received();
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

/* ---- frames ---- */

/* Interfaces that this process sends on. */
static struct sender {
	unsigned int ifindex; /* 0: none */
	uint32_t sent, refused;
	uint32_t transmitted_before, dropped_before;
} senders[SENDERS_MAX];

/* False: there is no such interface. A veth's frames are counted when its peer takes them. */
static bool read_statistics(const char *interface, struct rtnl_link_stats *ret_stats)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		cannot("getifaddrs");
	for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next)
		if (strcmp(one->ifa_name, interface) == 0 && one->ifa_addr &&
			one->ifa_addr->sa_family == AF_PACKET) {
			memcpy(ret_stats, one->ifa_data, sizeof(*ret_stats));
			found = true;
		}
	freeifaddrs(all);
	return found;
}

static struct sender *find_sender(unsigned int ifindex)
{
	for (size_t i = 0; i < SENDERS_MAX; i++)
		if (senders[i].ifindex == ifindex)
			return &senders[i];
	return NULL;
}

static void note_sender(const char *interface)
{
	unsigned int ifindex = if_nametoindex(interface);
	struct rtnl_link_stats stats;
	static size_t next;

	if (!find_sender(ifindex) && read_statistics(interface, &stats))
		senders[next++ % SENDERS_MAX] =
			(struct sender){ifindex, 0, 0, stats.tx_packets, stats.tx_dropped};
}

static struct sender *sender_of(int fd)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(address);
	struct sender *sender;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		cannot("getsockname");
	sender = find_sender((unsigned int)address.sll_ifindex);
	if (!sender)
		abort();
	return sender;
}

static bool has_come_out(const struct sender *sender)
{
	struct rtnl_link_stats stats;
	char name[IF_NAMESIZE];

	return sender->ifindex == 0 || !if_indextoname(sender->ifindex, name) ||
	       !read_statistics(name, &stats) ||
	       stats.tx_packets - sender->transmitted_before >= sender->sent;
}

/* What a queue has no room for is given up, and by some kernels not even said: then it does not come. */
void lab_wait_received(void)
{
	for (size_t i = 0; i < SENDERS_MAX; i++)
		for (int tries = 0; tries < 1000 && !has_come_out(&senders[i]); tries++)
			usleep(1000);
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
	note_sender(interface);
	return fd;
}

void lab_send(int fd, const struct frame *frame, unsigned int count)
{
	struct sender *sender = sender_of(fd);

	sender->sent += count;
	while (count > 0) {
		if (send(fd, frame->bytes, frame->size, 0) == (ssize_t)frame->size) {
			count--;
			continue;
		}
		if (errno != ENOBUFS)
			cannot("send");
		sender->refused++;
		usleep(100);
	}
}

uint32_t lab_dropped(const char *interface)
{
	const struct sender *sender = find_sender(if_nametoindex(interface));
	struct rtnl_link_stats stats;
	uint32_t dropped;

	if (!sender || !read_statistics(interface, &stats))
		return 0;
	dropped = stats.tx_dropped - sender->dropped_before;
	/* Since Linux 6.6 who sends is told, and sends again. */
	return dropped - MIN(dropped, sender->refused);
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
