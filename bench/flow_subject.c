// SPDX-License-Identifier: BSD-2-Clause
#include "bench/flow_subject.h"

#include "agent/flow_table.h"
#include "base/clock.h"
#include "flow_slots.h"

#include "bench/xdp_flow.skel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define RING_RECORDS  32768
#define DRAIN_US      2000 /* what the ring holds at 30 M records/s */
#define DRAINS_A_POLL 100

struct flow_subject {
	struct xdp_flow *program;
	struct flow_table *table;
	pthread_mutex_t lock; /* the reader's turns, and all below */
	pthread_t reader;
	bool reading;
	atomic_bool stop;
	struct flow_subject_totals totals;
	struct flow_table_counters before; /* at the last take */
};

static void on_flow(void *user, const struct flow_event *increment)
{
	struct flow_subject *s = user;

	s->totals.packets += increment->count;
	s->totals.increments++;
}

static void *read_on(void *user)
{
	struct flow_subject *s = user;
	const struct flow_sink sink = {.flow = on_flow, .user = s};
	const struct flow_time now = {0}; /* nobody asks when */

	for (unsigned int turn = 0; !atomic_load(&s->stop); turn++) {
		usleep(DRAIN_US);
		pthread_mutex_lock(&s->lock);
		if (turn % DRAINS_A_POLL == 0)
			flow_table_collect(s->table, &now, &sink);
		else
			flow_table_drain(s->table, &now, SIZE_MAX, &sink);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

int flow_subject_open(uint32_t slots_per_cpu, struct flow_subject **ret_subject)
{
	_cleanup_(flow_subject_closep) struct flow_subject *s = calloc(1, sizeof(*s));
	const int cpus = libbpf_num_possible_cpus();
	const struct flow_table_options options = {
		.cpu_count = (uint32_t)cpus,
		.slots4 = (uint32_t)cpus * slots_per_cpu,
		.slots6 = (uint32_t)cpus * slots_per_cpu / 4,
		.slots_shed = (uint32_t)cpus * 512,
		.ring_records = (uint32_t)cpus * RING_RECORDS,
		.stale_ns = NS_PER_SEC,
		.tick_ns = 4 * NS_PER_MS,
	};
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	if (cpus < 0)
		return cpus;
	s->program = xdp_flow__open();
	if (!s->program)
		return -errno;
	r = flow_table_prepare(&options, s->program->obj, &s->program->rodata->flow_settings);
	if (r == 0)
		r = xdp_flow__load(s->program);
	if (r == 0)
		r = flow_table_open(
			&options, &s->program->rodata->flow_settings, s->program->obj, &s->table);
	if (r == 0)
		r = -pthread_create(&s->reader, NULL, read_on, s);
	if (r < 0)
		return r;
	s->reading = true;
	*ret_subject = TAKE_PTR(s);
	return 0;
}

void flow_subject_close(struct flow_subject *s)
{
	if (!s)
		return;
	if (s->reading) {
		atomic_store(&s->stop, true);
		pthread_join(s->reader, NULL);
	}
	flow_table_close(s->table);
	xdp_flow__destroy(s->program);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int flow_subject_program_fd(const struct flow_subject *s)
{
	return bpf_program__fd(s->program->progs.flow);
}

struct flow_subject_totals flow_subject_take(struct flow_subject *s)
{
	const struct flow_sink sink = {.flow = on_flow, .user = s};
	const struct flow_time now = {0};
	struct flow_subject_totals totals;
	struct flow_table_counters counters;

	pthread_mutex_lock(&s->lock);
	flow_table_collect(s->table, &now, &sink);
	flow_table_read_counters(s->table, &counters);
	totals = s->totals;
	totals.shed = counters.shed_packets - s->before.shed_packets;
	totals.records = counters.records - s->before.records;
	s->before = counters;
	s->totals = (struct flow_subject_totals){0};
	pthread_mutex_unlock(&s->lock);
	return totals;
}
