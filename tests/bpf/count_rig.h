/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_COUNT_RIG_H
#define TESTS_BPF_COUNT_RIG_H

/*
 * The counting program, run on built packets by BPF_PROG_TEST_RUN, and read through the collector. What
 * fails, fails the test.
 */

#include "agent/collect.h"
#include "tests/bpf/packet.h"

#define RECORDS_MAX 128

/* Everything that was collected. */
struct taken {
	struct flow_event flows[RECORDS_MAX];
	size_t flow_count; /* of all; the first RECORDS_MAX are kept */
	struct port_event ports[RECORDS_MAX];
	size_t port_count;
	uint64_t packets, bytes;
	uint64_t syn, rst, udp, completed, refused;
};

/* The thread stays on its CPU from then on. */
struct collector *count_new(unsigned int interfaces, uint32_t flows, uint32_t ports);
/* Adds what is collected to `taken`. */
void count_collect(struct collector *collector, struct taken *taken);

/* What the program decided, or a negative errno. */
int count_run_program(int fd, const struct frame *frame, unsigned int repeat);
/* On the first interface. Packets are never changed or dropped, whatever they are. */
void count_run(struct collector *collector, const struct frame *frame, unsigned int repeat);

struct interface_event count_totals(const struct collector *collector, unsigned int slot);
void assert_ip(const ip_addr *ip, const char *expected);

#endif
