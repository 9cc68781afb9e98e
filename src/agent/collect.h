/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_COLLECT_H
#define AGENT_COLLECT_H

/*
 * The way between the counting programs in the kernel and the agent, and the only place that knows
 * what kind of map they count in. What collector_collect() hands on is increments, each packet in
 * exactly one of them: counted = handed on + shed (struct interface_event).
 *
 * One program is loaded for each interface (a "slot", 0, 1, ...); all share the maps. Attaching
 * them is the caller's (agent/attach.h). collector_collect() belongs to one thread; reading
 * interfaces is safe from any.
 */

#include "agent/drain.h"
#include "agent/fanout.h"
#include "base/attr.h"
#include "netlambda/event.h"
#include "parse_types.bpf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;
struct collector;
struct pins;
struct pin_set;

struct collector_options {
	unsigned int interface_count; /* at least 1 */
	/*
	 * IPv4 flows kept in the kernel, and a fourth of it IPv6's; at least 512 of each and CPU. Others
	 * displace them, and are shed if that happens faster than collector_relieve() is called.
	 */
	uint32_t flow_max;
	uint32_t port_max;            /* port records, likewise */
	uint32_t inside;              /* tunnels to look into: bits of enum tunnel_kind */
	struct fanout_options fanout; /* zero: sources and targets are not counted */
	/*
	 * Nothing is attached: the caller runs the programs itself (BPF_PROG_TEST_RUN), none while
	 * it collects, and says what time it is for each packet.
	 */
	bool driven;
	/* A packet may come in on a CPU before another one was counted there: see bpf/alone.bpf.h. */
	bool may_be_preempted;
	/*
	 * The maps outlive the collector, and are those of the one before if they have the same layout
	 * and `pins_salt` is the same. NULL: they do not. Not if driven.
	 */
	struct pins *pins;
	uint64_t pins_salt;
};

/* Frames that have no key, by enum parse_verdict; [PARSE_OK] stays 0. */
struct unparsed {
	struct {
		uint64_t packets;
		uint64_t bytes;
	} causes[PARSE_VERDICTS];
};

/* Borrowed records, with UNIX times; `ended` is 0. */
struct collect_sink {
	void (*flow)(void *user, const struct flow_event *increment);
	/* Packets that are in no flow: as struct flow_sink has it. NULL: of no interest. */
	void (*shed)(void *user, const struct flow_event *increment);
	void (*port)(void *user, const struct port_event *event);
	/* Where `port` puts records, so that one that is killed is gone on with. Zero: nowhere. */
	struct drain_sequence port_sequence;
	/* As struct fanout_sink has them; only called if these are counted. */
	void (*source)(void *user, const struct source_event *event);
	void (*target)(void *user, const struct target_event *event);
	struct drain_sequence alarm_sequence; /* likewise of the two */
	void *user;
};

/*
 * Loads programs and maps. Returns 0 or a negative errno: -EPERM (capabilities, or the memlock
 * limit before Linux 5.11), -ENOMEM, -E2BIG (maps too large), otherwise the kernel refused the
 * program, and libbpf's printer was told why.
 */
int collector_new(
	const struct collector_options *options, struct collector **ret_collector) _must_check_;

/*
 * What an earlier agent left in a set of pinned maps, when no program counts there any more: it is to
 * be collected and collector_end_window()ed. Of maps that hold
 * other structs than those that are known here nothing is handed on: `ret_unread` has their groups
 * (bits by enum pin_group). There is no program. Returns 0 or a negative errno.
 */
int collector_open_left(
	struct pin_set *set, struct collector **ret_collector, uint32_t *ret_unread) _must_check_;

/* Its pinned maps; NULL: they are not pinned. */
struct pin_set *collector_pin_set(const struct collector *collector);
/* They are those of an earlier one. */
bool collector_is_resumed(const struct collector *collector);

/* Programs still attached elsewhere keep running. */
void collector_free(struct collector *collector);
DEFINE_CLEANUP(struct collector, collector_free)

/* The program that counts for `slot`, to be attached. Owned by the collector. */
int collector_program_fd(const struct collector *collector, unsigned int slot);

/*
 * The same, not loaded yet, as an object of its own that shares the collector's maps: for who loads it
 * as a part of another. Returns 0 or a negative errno.
 */
int collector_open_object(struct collector *collector, unsigned int slot,
	struct bpf_object **ret_object) _must_check_;

/* The UNIX time of the packets that come next. Only for a driven collector; costs a store. */
void collector_set_time(struct collector *collector, uint64_t now_ns);

/* What was being handed on into a journal that is gone, so it is not known how far, and is given up. */
struct collector_unknown {
	uint32_t ports; /* records, at most */
	bool window;    /* the last records of sources and targets of one */
};

/* Once, before anything is handed on: how far one had got that was killed. */
void collector_settle(struct collector *collector, const struct collect_sink *sink,
	struct collector_unknown *ret_unknown);
/* Before anything else is counted for sources and targets: ends a window that one had begun to end. */
int collector_finish_window(
	struct collector *collector, const struct collect_sink *sink) _must_check_;

/*
 * Ends the period: hands on all that was counted since the last call. Waits for an RCU grace
 * period, some milliseconds, unless it is driven. Returns 0 or a negative errno; nothing is lost
 * then, the rest comes with a later call.
 */
int collector_collect(struct collector *collector, const struct collect_sink *sink) _must_check_;

/*
 * Between collections: hands on flows that were displaced, if many are waiting for it. To be called
 * every few ms. True if there were; a flood perhaps, and soon there will be more.
 */
bool collector_relieve(struct collector *collector, const struct collect_sink *sink);

/*
 * Sources and targets that crossed a threshold: a descriptor that is readable when there are such,
 * -1 if they are not counted, and what takes them. collector_collect() takes them, too.
 */
int collector_alarm_fd(const struct collector *collector);
int collector_take_alarms(
	struct collector *collector, const struct collect_sink *sink) _must_check_;
/*
 * Whether the window of sources and targets is over; then it is to be ended, when fanout_count() has all
 * that was collected.
 */
bool collector_window_is_over(const struct collector *collector);
int collector_end_window(struct collector *collector, const struct collect_sink *sink) _must_check_;
/* NULL if they are not counted. */
struct fanout *collector_fanout(const struct collector *collector);

/* The slot's totals so far. Sets the counters; `ifindex` and `first` are the caller's. */
int collector_read_interface(const struct collector *collector, unsigned int slot,
	struct interface_event *ret_totals) _must_check_;
/* What is behind its `not_ip` and `malformed`. */
int collector_read_unparsed(const struct collector *collector, unsigned int slot,
	struct unparsed *ret_unparsed) _must_check_;

#endif
