// SPDX-License-Identifier: BSD-2-Clause
#include "bench/traffic_counted.h"

#include "agent/attach.h"
#include "agent/options.h"
#include "agent/tally.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The agent's pace while records wait in the rings. */
#define COUNTED_RELIEVE_NS (5 * NS_PER_MS)

struct counted {
	struct agent_options options;
	struct collect_sink sink; /* the caller's, */
	struct collect_sink ours; /* ... and what is before it */
	struct collector *collector;
	struct tally *tally;
	bool is_stopped;
	struct attachment attachment;
	bool attached, collecting;
	pthread_t thread;
	pthread_mutex_t mutex; /* over `stop` */
	pthread_cond_t stopped;
	bool stop;
	int error;
};

static int agent_defaults(struct agent_options *ret_options)
{
	static char program[] = "netlambda-agent", interface[] = "--interface=veth";
	char *argv[] = {program, interface, NULL};
	_cleanup_free_ char *error = NULL;
	enum options_outcome outcome;

	return agent_options_parse(ARRAY_SIZE(argv) - 1, argv, ret_options, &outcome, &error);
}

static void on_flow(void *user, const struct flow_event *increment)
{
	struct counted *counted = user;

	counted->sink.flow(counted->sink.user, increment);
	tally_add(counted->tally, increment, clock_monotonic_ns());
}

static void on_shed(void *user, const struct flow_event *increment)
{
	struct counted *counted = user;

	tally_add_shed(counted->tally, increment, clock_realtime_ns());
}

static void on_port(void *user, const struct port_event *event)
{
	const struct counted *counted = user;

	counted->sink.port(counted->sink.user, event);
}

static void on_source(void *user, const struct source_event *event)
{
	const struct counted *counted = user;

	counted->sink.source(counted->sink.user, event);
}

static void on_target(void *user, const struct target_event *event)
{
	const struct counted *counted = user;

	counted->sink.target(counted->sink.user, event);
}

static void on_record(void *user _unused_, const struct flow_event *record _unused_)
{
}

static int tally_init(struct counted *counted)
{
	const struct tally_options options = {
		.collector = counted->collector,
		.flow_max = 2 * counted->options.flow_max,
		.flow_idle_ns = counted->options.flow_idle_ns,
		.flow_events_per_s = counted->options.flow_events_per_s,
		.update = on_record,
		.end = on_record,
	};

	return tally_new(&options, &counted->tally);
}

int counted_new(const struct collect_sink *sink, struct counted **ret_counted)
{
	_cleanup_(counted_freep) struct counted *counted = calloc(1, sizeof(*counted));
	struct collector_options options = {.interface_count = 1};
	pthread_condattr_t clock;
	int r;

	if (!counted)
		return -ENOMEM;
	pthread_mutex_init(&counted->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&counted->stopped, &clock);
	pthread_condattr_destroy(&clock);
	counted->sink = *sink;
	r = agent_defaults(&counted->options);
	if (r < 0)
		return r;
	options.flow_max = counted->options.flow_max;
	options.port_max = counted->options.port_max;
	if (sink->source)
		options.fanout = counted->options.fanout;
	counted->ours = (struct collect_sink){
		.flow = on_flow,
		.shed = on_shed,
		.port = on_port,
		.source = on_source,
		.target = on_target,
		.user = counted,
	};
	r = collector_new(&options, &counted->collector);
	if (r == 0)
		r = tally_init(counted);
	if (r < 0)
		return r;
	*ret_counted = TAKE_PTR(counted);
	return 0;
}

static void collect(struct counted *counted)
{
	int r = collector_collect(counted->collector, &counted->ours);

	if (r == 0)
		r = tally_round(
			counted->tally, clock_monotonic_ns(), clock_realtime_ns(), &counted->ours);
	if (r < 0 && counted->error == 0)
		counted->error = r;
}

/* False when it was told to stop. */
static bool wait_until(struct counted *counted, uint64_t ns)
{
	const struct timespec at = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};
	bool stop;
	int r = 0;

	pthread_mutex_lock(&counted->mutex);
	while (!counted->stop && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&counted->stopped, &counted->mutex, &at);
	stop = counted->stop;
	pthread_mutex_unlock(&counted->mutex);
	return !stop;
}

/* As the agent does (agent/counting.c): each period, and in between what floods the rings. */
static void *collect_periodically(void *arg)
{
	struct counted *counted = arg;
	uint64_t collect_ns = clock_monotonic_ns() + counted->options.period_ns;
	uint64_t relieve_ns = clock_monotonic_ns() + COUNTED_RELIEVE_NS;

	if (counted->is_stopped)
		collect_ns = relieve_ns = UINT64_MAX;
	while (wait_until(counted, MIN(collect_ns, relieve_ns))) {
		if (clock_monotonic_ns() >= collect_ns) {
			collect(counted);
			collect_ns =
				MAX(collect_ns + counted->options.period_ns, clock_monotonic_ns());
		} else {
			(void)collector_relieve(counted->collector, &counted->ours);
		}
		relieve_ns = clock_monotonic_ns() + COUNTED_RELIEVE_NS;
	}
	return NULL;
}

void counted_set_stopped(struct counted *counted, bool stopped)
{
	counted->is_stopped = stopped;
}

int counted_program_fd(const struct counted *counted)
{
	return collector_program_fd(counted->collector, 0);
}

static int attach(struct counted *counted, const char *interface)
{
	const struct attach_options options = {.mode = ATTACH_NATIVE};
	_cleanup_free_ char *error = NULL;
	int r;

	log_set_level(LOG_LEVEL_WARNING);
	r = attachment_open(
		interface, counted_program_fd(counted), &options, &counted->attachment, &error);
	if (r < 0)
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
	counted->attached = r == 0;
	return r;
}

static void detach(struct counted *counted)
{
	if (counted->attached)
		attachment_close(&counted->attachment);
	counted->attached = false;
}

int counted_attach(struct counted *counted, const char *interface)
{
	int r = interface ? attach(counted, interface) : 0;

	if (r < 0)
		return r;
	counted->error = 0;
	counted->stop = false;
	r = -pthread_create(&counted->thread, NULL, collect_periodically, counted);
	if (r < 0)
		detach(counted);
	counted->collecting = r == 0;
	return r;
}

/* Afterwards no packet is counted any more, and nobody collects. */
static void stop(struct counted *counted)
{
	pthread_mutex_lock(&counted->mutex);
	counted->stop = true;
	pthread_cond_signal(&counted->stopped);
	pthread_mutex_unlock(&counted->mutex);
	pthread_join(counted->thread, NULL);
	counted->collecting = false;
	detach(counted);
}

int counted_detach(struct counted *counted)
{
	int r;

	stop(counted);
	collect(counted);
	tally_end_flows(counted->tally, clock_realtime_ns());
	r = collector_end_window(counted->collector, &counted->ours);
	return counted->error < 0 ? counted->error : r;
}

void counted_free(struct counted *counted)
{
	if (!counted)
		return;
	if (counted->collecting)
		stop(counted);
	tally_free(counted->tally);
	collector_free(counted->collector);
	pthread_cond_destroy(&counted->stopped);
	pthread_mutex_destroy(&counted->mutex);
	free(counted);
}

int counted_read(const struct counted *counted, struct interface_event *ret_totals)
{
	memset(ret_totals, 0, sizeof(*ret_totals));
	return collector_read_interface(counted->collector, 0, ret_totals);
}
