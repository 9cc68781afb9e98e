/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_AGENT_RIG_H
#define TESTS_BPF_AGENT_RIG_H

/*
 * The real agent, started as an operator would, and a receiver in the place of the server: a strict
 * version 1 receiver that loses what it is told to lose and adds up what it is sent.
 */

#include "netlambda/event.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RIG_OUTPUT_MAX 65536

struct agent_process {
	pid_t pid;
	int output_fd;
	char output[RIG_OUTPUT_MAX]; /* what it wrote so far, ends with a NUL */
	size_t output_len;
};

/* Starts $NETLAMBDA_AGENT with the given command line, split at spaces; with time to flush, unless that says how much. */
void agent_start(struct agent_process *agent, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Waits until its output contains the text; fails the test after two minutes, or $NETLAMBDA_PATIENCE. */
void agent_wait_output(struct agent_process *agent, const char *text);
/* Waits until it ends; fails the test likewise. Returns its exit code, or -signal. */
int agent_wait_exit(struct agent_process *agent);

/* Sends a signal, when it has received what was sent, and waits for the end: agent_wait_exit()'s result. */
int agent_end(struct agent_process *agent, int signo);
/* Ends one that a failed test left behind. */
void agent_clean_up(struct agent_process *agent);
/* A number of the agent's last line, "stopped packets=... shed=...". */
uint64_t agent_summary(const struct agent_process *agent, const char *field);
/* Forgets what it wrote so far. */
void agent_forget_output(struct agent_process *agent);

/* Waits until its statistics, asked for by SIGUSR1, contain the text; forgets its output before. */
void agent_wait_statistic(struct agent_process *agent, const char *line);
/* Waits likewise until the statistic of that name is above a value. */
void agent_wait_statistic_above(struct agent_process *agent, const char *name, uint64_t value);
/* Waits until it collected so often, from begin to end, since the call. Forgets its output before. */
void agent_wait_collections(struct agent_process *agent, unsigned int count);

#define RIG_INTERFACES_MAX 64
#define RIG_FLOWS_MAX      4096

/* What the server's side was told. */
struct told {
	/* Sums over port events. */
	uint64_t syn, rst, udp, completed;
	uint64_t packets, bytes; /* sums over flows' last records */
	/* Of sources and targets: events before the window's end, and what last records add up to. */
	struct told_totals {
		uint64_t at_once, last, packets, size, shed, syn;
	} sources, targets;
	uint64_t port_events, flow_ends, flow_updates;
	uint64_t duplicates;               /* transactions that came again */
	uint64_t bad;                      /* datagrams that are against the protocol */
	struct interface_event interfaces; /* the last */
	/* The last of each incarnation (ifindex and first). */
	struct interface_event incarnations[RIG_INTERFACES_MAX];
	unsigned int incarnation_count;
	/* The last records of flows that go on, and all packets of those that do not. */
	struct flow_event flows[RIG_FLOWS_MAX];
	unsigned int flow_count;
	uint64_t closed_packets;
};

/* Of all flows, those that were not ended included. */
uint64_t told_flow_packets(const struct told *told);

/* Over all incarnations. */
uint64_t told_interface_packets(const struct told *told);

/* Receives in a thread from the call on. Returns the port on 127.0.0.1. */
uint16_t receiver_start(unsigned int loss_percent);
/* No datagram is taken or answered while it is deaf. */
void receiver_set_deaf(bool deaf);
/* What comes from now on is another agent's: its flows begin at zero, and so do its transactions. */
void receiver_expect_another(void);
void receiver_stop(struct told *ret_told);

#endif
