// SPDX-License-Identifier: BSD-2-Clause
#include "agent/counting.h"

#include "agent/leftovers.h"
#include "agent/pins.h"
#include "agent/preflight.h"
#include "agent/tally.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/event_clock.h"
#include "base/log.h"
#include "base/loop.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_NS       (5 * NS_PER_SEC) /* between looks at the interfaces without word of a change */
#define RELIEVE_NS      (20 * NS_PER_MS)
#define RELIEVE_BUSY_NS (5 * NS_PER_MS)
#define SETTLE_NS                                                                                  \
	(20 * NS_PER_MS) /* from the first word of a change to the look: they come in bursts */

struct counting {
	struct counting_options options;
	struct collector *collector;
	struct slots *slots;
	struct tally *tally;
	struct leftovers *left;
	struct pin_ledger *ledger; /* the pinned one, or a private one */
	struct pin_ledger private_ledger;
	/* Of `taken`, what is in the spool by now. */
	atomic_uint_fast64_t pushed_packets;
	uint64_t lost_packets, lost_ports;

	pthread_t thread;
	bool started;
	struct loop *loop;
	struct loop_timer period_timer;
	struct loop_timer follow_timer;
	struct loop_timer relieve_timer;
	struct loop_io interfaces_io;
	struct loop_io alarm_io;

	atomic_bool stopping;
	/* Set before stopping. */
	bool leave;  /* what is pinned, at the end */
	bool failed; /* the agent could not start, and ends */
	atomic_bool abandoned;
	atomic_bool finished;
	atomic_uint_fast64_t periods, late, errors, flow_count;
	atomic_uint_fast64_t shed_flows, shed_packets, shed_bytes;
};

static void set(atomic_uint_fast64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static void count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool is_set(const atomic_bool *flag)
{
	return atomic_load_explicit(flag, memory_order_acquire);
}

/* ---- into the spool ---- */

static void wait_for_room(const struct counting *counting)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};

	counting->options.notify(counting->options.user);
	nanosleep(&pause, NULL);
}

/*
 * While running, a full spool sheds. At the end there is no next period to make up for it, so wait
 * for the sending thread to make room.
 */
static void push(struct counting *counting, enum spool_class class, const void *record)
{
	while (is_set(&counting->stopping) && !is_set(&counting->abandoned) &&
		!spool_has_room(counting->options.spool, class))
		wait_for_room(counting);
	spool_push(counting->options.spool, class, record);
}

static void on_flow_update(void *user, const struct flow_event *record)
{
	push(user, SPOOL_FLOW, record);
}

static void on_flow_end(void *user, const struct flow_event *record)
{
	push(user, SPOOL_FLOW_END, record);
}

static void on_flow_increment(void *user, const struct flow_event *increment)
{
	struct counting *counting = user;

	counting->ledger->taken_packets += increment->count;
	tally_add(counting->tally, increment, loop_now_ns(counting->loop));
}

static void on_shed(void *user, const struct flow_event *increment)
{
	struct counting *counting = user;

	tally_add_shed(counting->tally, increment, event_clock_ns());
}

static void on_port(void *user, const struct port_event *event)
{
	push(user, SPOOL_PORT, event);
}

static void on_source(void *user, const struct source_event *event)
{
	push(user, SPOOL_SOURCE, event);
}

static void on_target(void *user, const struct target_event *event)
{
	push(user, SPOOL_TARGET, event);
}

static uint64_t next_port(void *user)
{
	const struct counting *counting = user;

	return spool_sequence(counting->options.spool, V2_LANE_PORT);
}

static uint64_t next_alarm(void *user)
{
	const struct counting *counting = user;

	return spool_sequence(counting->options.spool, V2_LANE_URGENT);
}

static const struct collect_sink *sink_of(struct counting *counting, struct collect_sink *ret_sink)
{
	const uint64_t journal = spool_identity(counting->options.spool);

	*ret_sink = (struct collect_sink){
		.flow = on_flow_increment,
		.shed = on_shed,
		.port = on_port,
		.port_sequence = {journal, next_port},
		.source = on_source,
		.target = on_target,
		.alarm_sequence = {journal, next_alarm},
		.user = counting,
	};
	return ret_sink;
}

static void push_interfaces(struct counting *counting)
{
	for (unsigned int slot = 0; slot < slots_count(counting->slots); slot++) {
		struct slot_info info;
		struct interface_event totals;

		/* Of one that is gone, the last were sent. */
		if (slots_get(counting->slots, slot, &info) && info.attached &&
			slots_read(counting->slots, slot, &totals) == 0)
			push(counting, SPOOL_INTERFACE, &totals);
	}
}

static void on_last_totals(void *user, const struct interface_event *totals)
{
	struct counting *counting = user;

	push(counting, SPOOL_INTERFACE, totals);
	counting->options.notify(counting->options.user);
}

/* ---- what went out of the maps, and on ---- */

static void note_tally(struct counting *counting)
{
	struct tally_stats stats;

	tally_get_stats(counting->tally, &stats);
	set(&counting->flow_count, stats.flows);
	set(&counting->shed_flows, stats.shed_flows);
	set(&counting->shed_packets, stats.shed_packets);
	set(&counting->shed_bytes, stats.shed_bytes);
	atomic_store_explicit(&counting->pushed_packets,
		counting->ledger->taken_packets - stats.untold, memory_order_release);
}

uint64_t counting_get_mark(const struct counting *counting)
{
	return atomic_load_explicit(&counting->pushed_packets, memory_order_acquire);
}

void counting_note_sent(struct counting *counting, uint64_t mark)
{
	counting->ledger->sent_packets = mark;
}

/* ---- the thread ---- */

static void collect(struct counting *counting)
{
	struct collect_sink sink;
	int r = collector_collect(counting->collector, sink_of(counting, &sink));

	count(&counting->periods);
	if (r < 0) {
		count(&counting->errors);
		log_limited(LOG_LEVEL_ERROR, "cannot collect, will try again reason=\"%s\"",
			strerror(-r));
	}
	push_interfaces(counting);
}

static void note_alarms(int r)
{
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, "cannot read sources and targets reason=\"%s\"",
			strerror(-r));
}

/* Links have their new programs: what the old ones left is collected, and their maps are removed. */
static void clear_left(struct counting *counting)
{
	struct collect_sink sink;
	int r;

	if (!counting->left)
		return;
	r = leftovers_collect(counting->left, sink_of(counting, &sink));
	if (r == 0)
		leftovers_remove(TAKE_PTR(counting->left));
	else
		log_limited(LOG_LEVEL_ERROR,
			"cannot collect what the agent before left, will try again reason=\"%s\"",
			strerror(-r));
}

/* Flows come in faster than once a period would do. */
static void on_relieve(struct loop_timer *timer, uint64_t now_ns)
{
	struct counting *counting = timer->user;
	const struct collect_sink sink = {.flow = on_flow_increment, .user = counting};
	const bool busy = collector_relieve(counting->collector, &sink);

	loop_arm_timer(counting->loop, timer, now_ns + (busy ? RELIEVE_BUSY_NS : RELIEVE_NS));
}

static void on_follow(struct loop_timer *timer, uint64_t now_ns)
{
	struct counting *counting = timer->user;

	slots_follow(counting->slots, now_ns);
	loop_arm_timer(counting->loop, timer, now_ns + FOLLOW_NS);
}

static void on_interfaces(struct loop_io *io, uint32_t events _unused_)
{
	struct counting *counting = io->user;
	struct loop_timer *timer = &counting->follow_timer;
	uint64_t due_ns = loop_now_ns(counting->loop) + SETTLE_NS;

	slots_drain(counting->slots);
	if (timer->at_ns == 0 || timer->at_ns > due_ns)
		loop_arm_timer(counting->loop, timer, due_ns);
}

/* Sources and targets that crossed a threshold do not wait for the period. */
static void on_alarm(struct loop_io *io, uint32_t events _unused_)
{
	struct counting *counting = io->user;
	struct collect_sink sink;

	note_alarms(collector_take_alarms(counting->collector, sink_of(counting, &sink)));
	counting->options.notify(counting->options.user);
}

static void on_period(struct loop_timer *timer, uint64_t now_ns)
{
	struct counting *counting = timer->user;
	uint64_t period_ns = counting->options.period_ns;
	struct collect_sink sink;
	uint64_t next_ns;

	clear_left(counting);
	collect(counting);
	note_alarms(
		tally_round(counting->tally, now_ns, event_clock_ns(), sink_of(counting, &sink)));
	note_tally(counting);
	(void)spool_settle(counting->options.spool);
	counting->options.notify(counting->options.user);

	next_ns = now_ns + period_ns;
	if (clock_monotonic_ns() >= next_ns) {
		count(&counting->late);
		next_ns = clock_monotonic_ns();
	}
	loop_arm_timer(counting->loop, timer, next_ns);
}

/* Detaching comes first: then no packet is counted that nobody will collect. */
static void collect_last(struct counting *counting)
{
	struct collect_sink sink;

	if (!counting->leave)
		slots_detach(counting->slots);
	clear_left(counting);
	collect(counting);
	tally_end_flows(counting->tally, event_clock_ns());
	if (!counting->leave)
		note_alarms(collector_end_window(counting->collector, sink_of(counting, &sink)));
	note_tally(counting);
	while (!spool_settle(counting->options.spool) && !is_set(&counting->abandoned))
		wait_for_room(counting);
}

static void on_stop(void *user)
{
	struct counting *counting = user;

	loop_disarm_timer(&counting->period_timer);
	loop_disarm_timer(&counting->follow_timer);
	loop_disarm_timer(&counting->relieve_timer);
	loop_remove_io(&counting->interfaces_io);
	if (collector_alarm_fd(counting->collector) >= 0)
		loop_remove_io(&counting->alarm_io);
	/* What nobody will send is better left to the next agent. */
	if (!counting->failed || !counting->leave)
		collect_last(counting);
	atomic_store_explicit(&counting->finished, true, memory_order_release);
	counting->options.notify(counting->options.user);
	loop_stop(counting->loop);
}

static void *counting_main(void *user)
{
	struct counting *counting = user;
	struct collect_sink sink;
	int r;

	pthread_setname_np(pthread_self(), "collect");
	note_alarms(collector_finish_window(counting->collector, sink_of(counting, &sink)));
	loop_arm_timer(counting->loop, &counting->period_timer,
		clock_monotonic_ns() + counting->options.period_ns);
	loop_arm_timer(counting->loop, &counting->follow_timer, clock_monotonic_ns() + FOLLOW_NS);
	loop_arm_timer(counting->loop, &counting->relieve_timer, clock_monotonic_ns() + RELIEVE_NS);
	r = loop_run(counting->loop);
	if (r < 0)
		log_error("collecting thread: waiting failed reason=\"%s\"", strerror(-r));
	return NULL;
}

/* ---- making it ---- */

static int explain_load(int error, const struct counting_options *options, char **ret_error)
{
	const char *advice = "the kernel's reasons are in the lines above";

	if (preflight_kernel_is_old())
		advice = "Linux 5.15 is the oldest that has all that it takes";
	else if (error == -EPERM)
		advice = "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are there, so look at lockdown, "
			 "SELinux or, before Linux 5.11, at the memlock limit (ulimit -l)";
	else if (error == -ENOMEM || error == -E2BIG)
		advice = "lower --flows or --ports, or raise the memory limit";
	return error_set(ret_error, error,
		"cannot load the XDP program and its maps (%u flows, %u ports): %s; %s",
		options->flow_max, options->port_max, strerror(-error), advice);
}

static int tally_init(struct counting *counting)
{
	const struct tally_options options = {
		.collector = counting->collector,
		.flow_max = 2 * counting->options.flow_max,
		.flow_idle_ns = counting->options.flow_idle_ns,
		.flow_events_per_s = counting->options.flow_events_per_s,
		.update = on_flow_update,
		.end = on_flow_end,
		.user = counting,
	};

	return tally_new(&options, &counting->tally);
}

/* What the agent before took from the maps and may not have sent, unless it stopped in good order. */
static void note_lost(struct counting *counting, const struct collector_unknown *unknown)
{
	uint64_t ports = spool_predecessor_lost(counting->options.spool, SPOOL_PORT);

	for (unsigned int i = 0; i < pins_set_count(counting->options.pins); i++) {
		const struct pin_state *state = pin_set_state(pins_set(counting->options.pins, i));

		if (state)
			counting->lost_packets +=
				state->ledger.taken_packets - state->ledger.sent_packets;
	}
	counting->lost_ports = unknown->ports;
	ports += unknown->ports;
	if (counting->lost_packets + ports > 0)
		log_warning("what the agent before had taken from the maps may "
			    "not all have been sent packets_at_most=%" PRIu64
			    " port_records_at_most=%" PRIu64,
			counting->lost_packets, ports);
	if (unknown->window)
		log_warning("the last records of sources and targets of a window may not all have "
			    "been sent");
}

/* When that was said: one that is killed in between has it said twice, rather than not at all. */
static void settle_ledgers(const struct counting *counting)
{
	for (unsigned int i = 0; i < pins_set_count(counting->options.pins); i++) {
		struct pin_state *state = pin_set_state(pins_set(counting->options.pins, i));

		if (!state)
			continue;
		state->ledger.sent_packets = state->ledger.taken_packets;
	}
}

/* How far the agent before had got with each set, before anything more is pushed. */
static int settle(struct counting *counting, struct pin_set *set)
{
	struct collector_unknown unknown = {0};
	struct collect_sink sink;
	int r = leftovers_open(counting->options.pins, set, &counting->left);

	if (r < 0)
		return r;
	collector_settle(counting->collector, sink_of(counting, &sink), &unknown);
	leftovers_settle(counting->left, &sink, &unknown);
	note_lost(counting, &unknown);
	return 0;
}

/* What is pinned is ours from now on. */
static int take_over(struct counting *counting)
{
	struct pin_set *set = collector_pin_set(counting->collector);
	struct pin_state *state;
	int r;

	if (!set)
		return 0;
	r = settle(counting, set);
	if (r < 0)
		return r;
	settle_ledgers(counting);
	state = pin_set_state(set);
	state->pid = (uint32_t)getpid();
	state->netns = interfaces_namespace();
	counting->ledger = &state->ledger;
	note_tally(counting);
	return 0;
}

static int collector_init(struct counting *counting, char **ret_error)
{
	const struct collector_options options = {
		.interface_count = slots_needed(&counting->options.slots),
		.flow_max = counting->options.flow_max,
		.port_max = counting->options.port_max,
		.inside = counting->options.inside,
		.fanout = counting->options.fanout,
		.may_be_preempted = preflight_kernel_is_realtime(),
		.pins = counting->options.pins,
		.pins_salt = slots_fingerprint(&counting->options.slots),
	};
	int r = collector_new(&options, &counting->collector);

	if (r < 0)
		return explain_load(r, &counting->options, ret_error);
	r = tally_init(counting);
	if (r < 0)
		return r;
	r = take_over(counting);
	if (r < 0)
		return error_set(ret_error, r, "--pin %s: cannot open what is pinned there: %s",
			pins_directory(counting->options.pins), strerror(-r));
	return 0;
}

static int alarms_init(struct counting *counting)
{
	const int fd = collector_alarm_fd(counting->collector);

	counting->alarm_io = (struct loop_io){.fn = on_alarm, .user = counting};
	return fd < 0 ? 0 : loop_add_io(counting->loop, &counting->alarm_io, fd, EPOLLIN);
}

static int slots_init(struct counting *counting, char **ret_error)
{
	struct slots_options options = counting->options.slots;
	struct slots_stats stats;
	int r;

	options.pins = counting->options.pins;
	options.left = counting->left;
	options.last_totals = on_last_totals;
	options.user = counting;
	r = slots_new(&options, counting->collector, &counting->slots, ret_error);
	if (r < 0)
		return r;
	r = slots_keep(counting->slots);
	if (r < 0)
		return error_set(ret_error, r, "--chain: cannot make a keeper: %s", strerror(-r));
	/* Should this agent fail to start, the next one may not. */
	slots_get_stats(counting->slots, &stats);
	counting->leave = stats.resumed > 0;
	return loop_add_io(
		counting->loop, &counting->interfaces_io, slots_fd(counting->slots), EPOLLIN);
}

int counting_new(
	const struct counting_options *options, struct counting **ret_counting, char **ret_error)
{
	_cleanup_(counting_freep) struct counting *counting = calloc(1, sizeof(*counting));
	int r;

	*ret_error = NULL;
	if (!counting)
		return -ENOMEM;
	counting->options = *options;
	counting->period_timer = (struct loop_timer){.fn = on_period, .user = counting};
	counting->follow_timer = (struct loop_timer){.fn = on_follow, .user = counting};
	counting->relieve_timer = (struct loop_timer){.fn = on_relieve, .user = counting};
	counting->interfaces_io = (struct loop_io){.fn = on_interfaces, .user = counting};
	r = slots_check(&options->slots, ret_error); /* a typing error should cost nothing */
	if (r < 0)
		return r;
	r = loop_new(&counting->loop);
	if (r < 0)
		return r;
	loop_on_wake(counting->loop, on_stop, counting);
	counting->ledger = &counting->private_ledger;
	r = collector_init(counting, ret_error);
	if (r < 0)
		return r;
	r = alarms_init(counting);
	if (r < 0)
		return r;
	r = slots_init(counting, ret_error);
	if (r < 0)
		return r;
	*ret_counting = TAKE_PTR(counting);
	return 0;
}

/* All was collected, or nothing was there before; and no link is left that would count there. */
static bool is_over(const struct counting *counting)
{
	return counting->collector && !counting->left &&
	       (is_set(&counting->finished) || !collector_is_resumed(counting->collector)) &&
	       pins_have_no_link(counting->options.pins);
}

static void pins_done(struct counting *counting)
{
	if (!counting->options.pins)
		return;
	while (is_over(counting) && pins_set_count(counting->options.pins) > 0)
		pins_remove_set(counting->options.pins, pins_set(counting->options.pins, 0));
	if (counting->left)
		leftovers_close(counting->left);
}

void counting_free(struct counting *counting)
{
	if (!counting)
		return;
	counting_join(counting);
	slots_free(counting->slots);
	pins_done(counting);
	tally_free(counting->tally);
	collector_free(counting->collector);
	loop_free(counting->loop);
	free(counting);
}

int counting_start(struct counting *counting)
{
	int r = pthread_create(&counting->thread, NULL, counting_main, counting);

	if (r != 0)
		return -r;
	counting->started = true;
	return 0;
}

void counting_stop(struct counting *counting, bool leave)
{
	counting->leave = leave && counting->options.pins;
	if (counting->leave)
		slots_leave(counting->slots);
	atomic_store_explicit(&counting->stopping, true, memory_order_release);
	loop_wake(counting->loop);
}

void counting_abandon(struct counting *counting)
{
	atomic_store_explicit(&counting->abandoned, true, memory_order_release);
}

void counting_join(struct counting *counting)
{
	if (!counting->started)
		return;
	counting->failed = !is_set(&counting->stopping);
	counting_abandon(counting);
	counting_stop(counting, counting->leave);
	pthread_join(counting->thread, NULL);
	counting->started = false;
}

bool counting_is_finished(const struct counting *counting)
{
	return is_set(&counting->finished);
}

void counting_get_stats(const struct counting *counting, struct counting_stats *ret_stats)
{
	*ret_stats = (struct counting_stats){
		.periods = atomic_load_explicit(&counting->periods, memory_order_relaxed),
		.late = atomic_load_explicit(&counting->late, memory_order_relaxed),
		.errors = atomic_load_explicit(&counting->errors, memory_order_relaxed),
		.flows = atomic_load_explicit(&counting->flow_count, memory_order_relaxed),
		.lost_packets = counting->lost_packets,
		.lost_ports = counting->lost_ports,
		.shed_flows = atomic_load_explicit(&counting->shed_flows, memory_order_relaxed),
		.shed_packets = atomic_load_explicit(&counting->shed_packets, memory_order_relaxed),
		.shed_bytes = atomic_load_explicit(&counting->shed_bytes, memory_order_relaxed),
	};
}

const struct pins *counting_pins(const struct counting *counting)
{
	return counting->options.pins;
}

struct slots *counting_slots(const struct counting *counting)
{
	return counting->slots;
}

int counting_try_bpf(void *user)
{
	const struct counting *counting = user;
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int fd = collector_program_fd(counting->collector, 0);

	return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? -errno : 0;
}

int counting_set_thresholds(struct counting *counting, const struct fanout_thresholds *source,
	const struct fanout_thresholds *target)
{
	struct fanout *fanout = collector_fanout(counting->collector);

	return fanout ? fanout_set_thresholds(fanout, source, target) : -ENOENT;
}

bool counting_read_fanout(const struct counting *counting, struct fanout_counters *ret_counters)
{
	const struct fanout *fanout = collector_fanout(counting->collector);

	return fanout && fanout_read_counters(fanout, ret_counters) == 0;
}
