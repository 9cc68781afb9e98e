// SPDX-License-Identifier: BSD-2-Clause
#include "agent/counting.h"

#include "agent/flows.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CHECK_NS NS_PER_SEC /* between looks whether the interfaces still exist */

struct counting {
	struct counting_options options;
	struct collector *collector;
	struct attachment *attachments; /* one a slot */
	unsigned int attached;          /* slots in use */
	uint64_t attached_ns;           /* UNIX epoch */
	struct flows *flows;

	pthread_t thread;
	bool started;
	struct loop *loop;
	struct loop_timer period_timer;
	uint64_t next_check_ns;

	atomic_bool stopping;
	atomic_bool abandoned;
	atomic_bool finished;
	atomic_uint_fast64_t periods, late, errors, flow_count;
};

static void count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool is_set(const atomic_bool *flag)
{
	return atomic_load_explicit(flag, memory_order_acquire);
}

/* ---- into the spool ---- */

/*
 * While running, a full spool sheds. At the end there is no next period to make up for it, so wait
 * for the sending thread to make room.
 */
static void push(struct counting *counting, enum spool_class class, const void *record)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};

	while (is_set(&counting->stopping) && !is_set(&counting->abandoned) &&
		!spool_has_room(counting->options.spool, class)) {
		counting->options.notify(counting->options.user);
		nanosleep(&pause, NULL);
	}
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

	flows_fold(counting->flows, increment, loop_now_ns(counting->loop));
}

static void on_port(void *user, const struct port_event *event)
{
	push(user, SPOOL_PORT, event);
}

static void push_interfaces(struct counting *counting)
{
	for (unsigned int slot = 0; slot < counting->options.interface_count; slot++) {
		struct interface_event totals;

		if (counting_read_interface(counting, slot, &totals) == 0)
			push(counting, SPOOL_INTERFACE, &totals);
	}
}

/* ---- the thread ---- */

static void collect(struct counting *counting)
{
	const struct collect_sink sink = {
		.flow = on_flow_increment,
		.port = on_port,
		.user = counting,
	};
	int r = collector_collect(counting->collector, &sink);

	count(&counting->periods);
	if (r < 0) {
		count(&counting->errors);
		log_limited(LOG_LEVEL_ERROR, "cannot collect, will try again reason=\"%s\"",
			strerror(-r));
	}
	push_interfaces(counting);
}

static void check_interfaces(struct counting *counting, uint64_t now_ns)
{
	if (now_ns < counting->next_check_ns)
		return;
	counting->next_check_ns = now_ns + CHECK_NS;
	for (unsigned int slot = 0; slot < counting->attached; slot++)
		(void)attachment_check(&counting->attachments[slot]);
}

static void on_period(struct loop_timer *timer, uint64_t now_ns)
{
	struct counting *counting = timer->user;
	uint64_t period_ns = counting->options.period_ns;
	uint64_t next_ns;

	collect(counting);
	flows_update(counting->flows);
	flows_expire(counting->flows, now_ns);
	atomic_store_explicit(
		&counting->flow_count, flows_count(counting->flows), memory_order_relaxed);
	check_interfaces(counting, now_ns);
	counting->options.notify(counting->options.user);

	next_ns = now_ns + period_ns;
	if (clock_monotonic_ns() >= next_ns) {
		count(&counting->late);
		next_ns = clock_monotonic_ns();
	}
	loop_arm_timer(counting->loop, timer, next_ns);
}

static void detach(struct counting *counting)
{
	for (unsigned int slot = 0; slot < counting->attached; slot++)
		attachment_close(&counting->attachments[slot]);
}

/* Detaching comes first: then no packet is counted that nobody will collect. */
static void on_stop(void *user)
{
	struct counting *counting = user;

	loop_disarm_timer(&counting->period_timer);
	detach(counting);
	collect(counting);
	flows_end(counting->flows);
	atomic_store_explicit(&counting->flow_count, 0, memory_order_relaxed);
	atomic_store_explicit(&counting->finished, true, memory_order_release);
	counting->options.notify(counting->options.user);
	loop_stop(counting->loop);
}

static void *counting_main(void *user)
{
	struct counting *counting = user;
	int r;

	pthread_setname_np(pthread_self(), "collect");
	loop_arm_timer(counting->loop, &counting->period_timer,
		clock_monotonic_ns() + counting->options.period_ns);
	r = loop_run(counting->loop);
	if (r < 0)
		log_error("collecting thread: waiting failed reason=\"%s\"", strerror(-r));
	return NULL;
}

/* ---- making it ---- */

static int explain_load(int error, const struct counting_options *options, char **ret_error)
{
	const char *advice = "the kernel's reasons are in the lines above";

	if (error == -EPERM)
		advice = "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are there, so look at lockdown, "
			 "SELinux or, before Linux 5.11, at the memlock limit (ulimit -l)";
	else if (error == -ENOMEM || error == -E2BIG)
		advice = "lower --flows or --ports, or raise the memory limit";
	if (asprintf(ret_error,
		    "cannot load the XDP program and its maps (%u flows, %u ports): %s; %s",
		    options->flow_max, options->port_max, strerror(-error), advice) < 0)
		*ret_error = NULL;
	return error;
}

/* Before anything is loaded: a typing error should cost nothing. */
static int check_names(const struct counting_options *options, char **ret_error)
{
	for (unsigned int i = 0; i < options->interface_count; i++) {
		int ifindex = interface_find(options->interfaces[i], ret_error);

		if (ifindex < 0)
			return ifindex;
		for (unsigned int j = 0; j < i; j++) {
			if (if_nametoindex(options->interfaces[j]) != (unsigned int)ifindex)
				continue;
			if (asprintf(ret_error, "%s: given twice", options->interfaces[i]) < 0)
				*ret_error = NULL;
			return -EEXIST;
		}
	}
	return 0;
}

static int attach_all(struct counting *counting, char **ret_error)
{
	const struct counting_options *options = &counting->options;

	counting->attachments = calloc(options->interface_count, sizeof(*counting->attachments));
	if (!counting->attachments)
		return -ENOMEM;
	counting->attached_ns = clock_realtime_ns();
	for (unsigned int slot = 0; slot < options->interface_count; slot++) {
		int r = attachment_open(options->interfaces[slot],
			collector_program_fd(counting->collector, slot), &options->attach,
			&counting->attachments[slot], ret_error);

		if (r < 0)
			return r;
		counting->attached++;
	}
	return 0;
}

static int flows_init(struct counting *counting)
{
	struct flows_options options = {
		.max = 2 * (size_t)counting->options.flow_max,
		.idle_ns = counting->options.flow_idle_ns,
		.update = on_flow_update,
		.end = on_flow_end,
		.user = counting,
	};

	if (getrandom(&options.secret, sizeof(options.secret), 0) != sizeof(options.secret))
		return -EIO;
	return flows_new(&options, &counting->flows);
}

static int collector_init(struct counting *counting, char **ret_error)
{
	const struct collector_options options = {
		.interface_count = counting->options.interface_count,
		.flow_max = counting->options.flow_max,
		.port_max = counting->options.port_max,
	};
	int r = collector_new(&options, &counting->collector);

	return r < 0 ? explain_load(r, &counting->options, ret_error) : 0;
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
	r = check_names(options, ret_error);
	if (r < 0)
		return r;
	r = loop_new(&counting->loop);
	if (r < 0)
		return r;
	loop_on_wake(counting->loop, on_stop, counting);
	r = flows_init(counting);
	if (r < 0)
		return r;
	r = collector_init(counting, ret_error);
	if (r < 0)
		return r;
	r = attach_all(counting, ret_error);
	if (r < 0)
		return r;
	*ret_counting = TAKE_PTR(counting);
	return 0;
}

void counting_free(struct counting *counting)
{
	if (!counting)
		return;
	counting_join(counting);
	detach(counting);
	free(counting->attachments);
	collector_free(counting->collector);
	flows_free(counting->flows);
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

void counting_stop(struct counting *counting)
{
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
	counting_abandon(counting);
	counting_stop(counting);
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
	};
}

const struct attachment *counting_attachment(const struct counting *counting, unsigned int slot)
{
	return &counting->attachments[slot];
}

int counting_read_interface(
	const struct counting *counting, unsigned int slot, struct interface_event *ret_totals)
{
	struct interface_event totals = {
		.ifindex = (uint32_t)counting->attachments[slot].ifindex,
		.first = counting->attached_ns,
	};
	int r = collector_read_interface(counting->collector, slot, &totals);

	if (r == 0)
		*ret_totals = totals;
	return r;
}
