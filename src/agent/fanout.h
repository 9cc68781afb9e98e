/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FANOUT_H
#define AGENT_FANOUT_H

/*
 * User space's side of sources and targets (bpf/fanout.bpf.h; docs/data-plane.md, "Sources and
 * targets"). Of what begins something the kernel keeps account, by address; of all packets and bytes
 * this does, from what flows grew by (agent/volumes.h). It hands on those that crossed a limit, and
 * ends the window: what it hands on is cumulative since the record's `first`. One thread, but where
 * said. The maps, by descriptor, must outlive it.
 */

#include "agent/drain.h"
#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stdint.h>

struct fanout;

/* Above so many distinct values, thresholds mean little: the sketch is nearly full. */
#define FANOUT_DISTINCT_MAX 5000

/* At the window's end, this share of all packets or bytes makes an address an event. */
#define FANOUT_SHARE 1000

/* Numbers at which an address becomes an event; 0: never by this. */
struct fanout_thresholds {
	uint64_t hosts;     /* distinct other ends, at most FANOUT_DISTINCT_MAX */
	uint64_t ports;     /* distinct destination ports, likewise */
	uint64_t half_open; /* SYN segments less handshakes completed, at most UINT32_MAX */
	uint64_t packets;   /* within a second, all */
	uint64_t bytes;     /* likewise */
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
	struct drain_sequence sequence; /* where the two put records; zero: nowhere */
	void *user;
};

/* Which record of the ring is being handed on, kept where it outlives the process. Zero: none. */
struct fanout_taking {
	uint64_t journal;
	uint64_t base;     /* the journal's sequence before */
	uint64_t position; /* in the ring; written last */
};

/* The present. */
struct fanout_clock {
	uint64_t now_ns;   /* the program's time */
	uint64_t epoch_ns; /* with this added it is UNIX time */
};

struct fanout_maps {
	int outer_fd, limits_fd, losses_fd, ring_fd, volumes_fd;
	uint32_t
		volumes_max; /* of a kind: FANOUT_KINDS times as many and one more are in the map */
	int table_fds[2][2]; /* by enum fanout_kind */
	unsigned int active[2]; /* which of them is in use */
	bool keep_limits;       /* those in force stay, whatever the options say */
	/* Kept there, to outlive this; NULL, all: need not. */
	uint64_t *window_ends_ns;
	struct drain_state *end;
	struct fanout_taking *taking;
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

/*
 * Counts what a flow grew by, which is to be done before the window's end is; and packets that are in no
 * flow, by their target. `now_ns` is UNIX time.
 */
void fanout_count(struct fanout *fanout, const struct flow_event *growth, uint64_t now_ns);
void fanout_count_shed(struct fanout *fanout, const struct flow_event *growth, uint64_t now_ns);
/* A flow has no last record. */
void fanout_note_shed(struct fanout *fanout, const struct flow_event *record);

/* Readable when there are records to take. */
int fanout_fd(const struct fanout *fanout);

/* Hands on those that crossed a limit. 0 or -errno. */
int fanout_take(struct fanout *fanout, const struct fanout_clock *clock,
	const struct fanout_sink *sink) _must_check_;

/* Nothing was counted in the window. */
bool fanout_is_empty(const struct fanout *fanout);
/* The first window begins with the first call. */
bool fanout_is_over(struct fanout *fanout, uint64_t now_ns);

/*
 * Once, before anything is handed on: how far one had got that was killed. False: that is not known of a
 * window's end, and its last records are given up.
 */
bool fanout_settle(struct fanout *fanout, const struct drain_sequence *sequence, void *user);
/* Goes on with the end of a window, if one had begun it. Before anything is counted. 0 or -errno. */
int fanout_finish_window(struct fanout *fanout, const struct fanout_clock *clock,
	const struct fanout_sink *sink) _must_check_;

/*
 * Ends the window: hands on the last record, with `ended` set, of each address that crossed a limit or
 * has a share of what there was, and of the sum of all others; then forgets all. 0 or -errno.
 */
int fanout_end_window(struct fanout *fanout, const struct fanout_clock *clock,
	const struct fanout_sink *sink) _must_check_;

int fanout_read_counters(
	const struct fanout *fanout, struct fanout_counters *ret_counters) _must_check_;

#endif
