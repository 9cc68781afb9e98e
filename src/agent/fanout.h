/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FANOUT_H
#define AGENT_FANOUT_H

/*
 * User space's side of sources and targets (bpf/fanout.bpf.h; docs/data-plane.md, "Sources and
 * targets"): takes the records of those that crossed a limit from the ring, and ends the window.
 * What it hands on is cumulative since the record's `first`. One thread, but where said. The maps, by descriptor,
 * must outlive it.
 */

#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stdint.h>

struct fanout;

/* Above so many distinct values, thresholds mean little: the sketch is nearly full. */
#define FANOUT_DISTINCT_MAX 5000

/* Numbers at which an address becomes an event; 0: never by this. */
struct fanout_thresholds {
	uint32_t hosts;     /* distinct other ends */
	uint32_t ports;     /* distinct destination ports */
	uint32_t half_open; /* SYN segments less handshakes completed */
};

struct fanout_options {
	uint64_t window_ns; /* 0: sources and targets are not counted */
	uint64_t repeat_ns; /* one address makes an event at most so often, beside its last */
	uint32_t max;       /* sources and targets, each, in a window */
	struct fanout_thresholds source, target;
};

/* Borrowed records. */
struct fanout_sink {
	void (*source)(void *user, const struct source_event *event);
	void (*target)(void *user, const struct target_event *event);
	void *user;
};

struct fanout_maps {
	int outer_fd, limits_fd, losses_fd, ring_fd;
	int table_fds[2][2];      /* by enum fanout_kind */
	unsigned int active[2];   /* which of them is in use */
	bool is_resumed;          /* they are not empty: another had them before */
	bool keep_limits;         /* those in force stay, whatever the options say */
	uint64_t *window_ends_ns; /* kept there, to outlive this; NULL: need not */
};

/* Packets without an entry (the table was full), and records put off (the ring was). */
struct fanout_counters {
	uint64_t source_shed, target_shed, put_off;
};

/* `driven`: no program runs meanwhile. Returns 0 or a negative errno. */
int fanout_new(const struct fanout_options *options, const struct fanout_maps *maps, bool driven,
	struct fanout **ret_fanout) _must_check_;
void fanout_free(struct fanout *fanout);
DEFINE_CLEANUP(struct fanout, fanout_free)

/*
 * Takes effect with the next packet. From any thread. Returns 0 or a negative errno; then both are as
 * they were.
 */
int fanout_set_thresholds(struct fanout *fanout, const struct fanout_thresholds *source,
	const struct fanout_thresholds *target) _must_check_;

/* Readable when there are records to take. */
int fanout_fd(const struct fanout *fanout);

/* Hands on what is in the ring; `epoch_ns` makes the program's times UNIX times. 0 or -errno. */
int fanout_take(
	struct fanout *fanout, uint64_t epoch_ns, const struct fanout_sink *sink) _must_check_;

/*
 * Ends the window if it is over at `now_ns` (the program's clock), or anyway: hands on the last
 * record, with `ended` set, of each address that crossed a limit, and forgets all. 0 or -errno.
 */
int fanout_turn(struct fanout *fanout, uint64_t now_ns, bool anyway, uint64_t epoch_ns,
	const struct fanout_sink *sink) _must_check_;

int fanout_read_counters(
	const struct fanout *fanout, struct fanout_counters *ret_counters) _must_check_;

/* ---- the sketch (pure) ---- */

/* How many distinct values set so many bits; the most that it can tell, if all are. */
uint32_t sketch_estimate(uint32_t ones);
/* How many bits so many values set, on average; 0 for 0. */
uint32_t sketch_ones_for(uint32_t values);

#endif
