// SPDX-License-Identifier: BSD-2-Clause
/*
 * send-packets: puts packets of one kind on an interface and says exactly how many it sent, as a
 * JSON object on standard output. Destination and source ports walk through their ranges, so the
 * number of flows is known too. Frames go to the broadcast address: every switch takes them, and no
 * host answers (RFC 1122 3.3.6), which would add packets that nobody counted.
 */
#include "base/attr.h"
#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH     32 /* frames a system call; a veth queue holds 256 */
#define FRAME_MAX 1514

enum kind {
	KIND_SYN,
	KIND_RST,
	KIND_ACK,
	KIND_UDP,
};

struct range {
	unsigned int first, count;
};

struct plan {
	const char *interface;
	int family;
	uint8_t source[16], destination[16]; /* in network order, 4 or 16 bytes */
	enum kind kind;
	struct range ports, source_ports;
	unsigned int payload; /* bytes */
	unsigned int rate;    /* packets a second; 0 = as fast as it goes */
	uint64_t count;
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t size;
};

/* RFC 1071, over two pieces of even length or a last one of any length. */
static uint32_t checksum_add(uint32_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	if (size % 2)
		sum += (uint32_t)at[size - 1] << 8;
	return sum;
}

static uint16_t checksum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t address_bytes(const struct plan *plan)
{
	return plan->family == AF_INET ? 4 : 16;
}

static uint8_t protocol_of(const struct plan *plan)
{
	return plan->kind == KIND_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

/* Where the transport's checksum is (RFC 768, RFC 9293 3.1). */
static size_t checksum_offset(const struct plan *plan)
{
	return plan->kind == KIND_UDP ? offsetof(struct udphdr, check)
				      : offsetof(struct tcphdr, check);
}

/* The transport header without its checksum; returns its length. Headers stand at odd places in a
 * frame, so they are made beside it and copied. */
static size_t put_header(const struct plan *plan, uint64_t number, uint8_t *at)
{
	uint16_t to = (uint16_t)(plan->ports.first + number % plan->ports.count);
	uint16_t from = (uint16_t)(plan->source_ports.first +
				   number / plan->ports.count % plan->source_ports.count);
	struct udphdr udp = {.source = htons(from),
		.dest = htons(to),
		.len = htons((uint16_t)(sizeof(udp) + plan->payload))};
	struct tcphdr tcp = {.source = htons(from),
		.dest = htons(to),
		.seq = htonl((uint32_t)number),
		.doff = sizeof(tcp) / 4,
		.window = htons(1024),
		.syn = plan->kind == KIND_SYN,
		.rst = plan->kind == KIND_RST,
		.ack = plan->kind == KIND_ACK};

	if (plan->kind == KIND_UDP) {
		memcpy(at, &udp, sizeof(udp));
		return sizeof(udp);
	}
	memcpy(at, &tcp, sizeof(tcp));
	return sizeof(tcp);
}

/* The transport header and payload at `at`; returns their length. */
static size_t put_segment(const struct plan *plan, uint64_t number, uint8_t *at)
{
	size_t size = put_header(plan, number, at);
	uint16_t checksum;
	uint32_t sum;

	memset(at + size, 0, plan->payload);
	size += plan->payload;
	sum = (uint32_t)size +
	      protocol_of(plan); /* of the pseudo header, RFC 9293 3.1, RFC 8200 8.1 */
	sum = checksum_add(sum, plan->source, address_bytes(plan));
	sum = checksum_add(sum, plan->destination, address_bytes(plan));
	checksum = checksum_end(checksum_add(sum, at, size));
	memcpy(at + checksum_offset(plan), &checksum, sizeof(checksum));
	return size;
}

static size_t put_ip4(const struct plan *plan, size_t segment, uint8_t *at)
{
	struct iphdr ip = {.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = protocol_of(plan),
		.tot_len = htons((uint16_t)(sizeof(ip) + segment))};

	memcpy(&ip.saddr, plan->source, 4);
	memcpy(&ip.daddr, plan->destination, 4);
	ip.check = checksum_end(checksum_add(0, &ip, sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ip6(const struct plan *plan, size_t segment, uint8_t *at)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28),
		.ip6_hlim = 64,
		.ip6_nxt = protocol_of(plan),
		.ip6_plen = htons((uint16_t)segment)};

	memcpy(&ip.ip6_src, plan->source, 16);
	memcpy(&ip.ip6_dst, plan->destination, 16);
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static void frame_build(const struct plan *plan, uint64_t number, struct frame *frame)
{
	size_t ip_bytes = plan->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	struct ethhdr eth = {.h_proto = htons(plan->family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
		.h_source = {2, 0, 0, 0, 0, 1}}; /* locally administered */
	uint8_t *ip = frame->bytes + sizeof(eth);
	size_t segment = put_segment(plan, number, ip + ip_bytes);

	memset(eth.h_dest, 0xff, sizeof(eth.h_dest));
	memcpy(frame->bytes, &eth, sizeof(eth));
	if (plan->family == AF_INET)
		put_ip4(plan, segment, ip);
	else
		put_ip6(plan, segment, ip);
	frame->size = sizeof(eth) + ip_bytes + segment;
}

static int interface_open(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	_cleanup_fd_ int fd = -1;

	if (address.sll_ifindex == 0)
		return -errno;
	/* Protocol 0: this socket only sends. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Sends frames `number` to `number + count`; returns how many went out, at least 1, or an errno. */
static int batch_send(const struct plan *plan, int fd, uint64_t number, unsigned int count)
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	int sent;

	for (unsigned int i = 0; i < count; i++) {
		frame_build(plan, number + i, &frames[i]);
		parts[i] = (struct iovec){frames[i].bytes, frames[i].size};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	sent = sendmmsg(fd, messages, count, 0);
	return sent < 0 ? -errno : sent;
}

/* Waits until packet `number` is due. */
static void pace(const struct plan *plan, uint64_t start_ns, uint64_t number)
{
	uint64_t due_ns;
	struct timespec due;

	if (plan->rate == 0)
		return;
	due_ns = start_ns + number * NS_PER_SEC / plan->rate;
	due = (struct timespec){
		.tv_sec = (time_t)(due_ns / NS_PER_SEC), .tv_nsec = (long)(due_ns % NS_PER_SEC)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

static int plan_carry_out(const struct plan *plan, int fd, uint64_t *ret_bytes)
{
	uint64_t start_ns = clock_monotonic_ns(), done = 0;
	struct frame frame;

	frame_build(plan, 0, &frame);
	while (done < plan->count) {
		int sent;

		pace(plan, start_ns, done);
		sent = batch_send(plan, fd, done, (unsigned int)MIN(plan->count - done, BATCH));
		if (sent == -ENOBUFS || sent == -EINTR)
			continue;
		if (sent < 0)
			return sent;
		done += (uint64_t)sent;
	}
	*ret_bytes = done * frame.size;
	return 0;
}

static bool range_parse(const char *text, struct range *ret_range)
{
	unsigned int first, last;
	int fields = sscanf(text, "%u-%u", &first, &last);

	if (fields == 1)
		last = first;
	if (fields < 1 || first > last || last > 65535)
		return false;
	*ret_range = (struct range){first, last - first + 1};
	return true;
}

static bool kind_parse(const char *text, enum kind *ret_kind)
{
	static const char *const names[] = {"syn", "rst", "ack", "udp"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret_kind = (enum kind)i;
			return true;
		}
	return false;
}

static bool address_parse(const char *text, uint8_t bytes[static 16], int *ret_family)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	if (inet_pton(family, text, bytes) != 1)
		return false;
	*ret_family = family;
	return true;
}

static bool number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (end == text || *end || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* One option; false if its value is not right. */
static bool option_take(struct plan *plan, int option, const char *value, int *source_family)
{
	uint64_t number = 0;
	bool ok = true;

	switch (option) {
	case 'i':
		plan->interface = value;
		break;
	case 's':
		return address_parse(value, plan->source, source_family);
	case 'd':
		return address_parse(value, plan->destination, &plan->family);
	case 'k':
		return kind_parse(value, &plan->kind);
	case 'p':
		return range_parse(value, &plan->ports);
	case 'f':
		return range_parse(value, &plan->source_ports);
	case 'n':
		return number_parse(value, 100000000, &plan->count);
	case 'y':
		ok = number_parse(value, 1400, &number);
		plan->payload = (unsigned int)number;
		break;
	case 'r':
		ok = number_parse(value, 10000000, &number);
		plan->rate = (unsigned int)number;
		break;
	default:
		return false;
	}
	return ok;
}

static bool plan_parse(struct plan *plan, int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", required_argument, NULL, 'i'},
		{"source", required_argument, NULL, 's'},
		{"destination", required_argument, NULL, 'd'},
		{"kind", required_argument, NULL, 'k'},
		{"ports", required_argument, NULL, 'p'},
		{"source-ports", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},
		{"payload", required_argument, NULL, 'y'},
		{"rate", required_argument, NULL, 'r'},
		{0},
	};
	int option, source_family = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if (!option_take(plan, option, optarg, &source_family))
			return false;
	return plan->interface && plan->family != 0 && plan->family == source_family &&
	       plan->count > 0;
}

int main(int argc, char **argv)
{
	struct plan plan = {.ports = {80, 1}, .source_ports = {40000, 1}, .rate = 20000};
	_cleanup_fd_ int fd = -1;
	uint64_t bytes = 0;
	int error;

	if (!plan_parse(&plan, argc, argv)) {
		fprintf(stderr, "usage: send-packets --interface IF --source IP --destination IP "
				"--kind syn|rst|ack|udp\n    [--ports A-B] [--source-ports A-B] "
				"[--payload BYTES] [--rate PPS] --count N\n");
		return 2;
	}
	fd = interface_open(plan.interface);
	error = fd < 0 ? fd : plan_carry_out(&plan, fd, &bytes);
	if (error < 0) {
		fprintf(stderr, "send-packets: %s: %s\n", plan.interface, strerror(-error));
		return 1;
	}
	printf("{\"packets\": %llu, \"bytes\": %llu}\n", (unsigned long long)plan.count,
		(unsigned long long)bytes);
	return 0;
}
