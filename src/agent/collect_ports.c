// SPDX-License-Identifier: BSD-2-Clause
/* Records of ports: a pair of tables, of which the quiet one is drained (agent/drain.h). */
#include "agent/collect_private.h"

#include <bpf/bpf.h>
#include <errno.h>

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.id;
}

/* Which of the two is in the place `key` of the map of maps. */
unsigned int collector_map_in_use(int outer_fd, uint32_t key, const int inner_fds[2])
{
	uint32_t id = 0;

	return bpf_map_lookup_elem(outer_fd, &key, &id) == 0 && id == map_id(inner_fds[1]);
}

void collector_open_ports(struct collector *collector)
{
	const struct account *owner = collector->programs[0];
	struct double_table *ports = &collector->ports;

	*ports = (struct double_table){
		.outer_fd = bpf_map__fd(owner->maps.ports),
		.inner_fd = {bpf_map__fd(owner->maps.ports_a), bpf_map__fd(owner->maps.ports_b)},
		.drain = collector->set ? &pin_set_state(collector->set)->ports : &ports->own,
	};
	if (collector->is_resumed)
		ports->active = collector_map_in_use(ports->outer_fd, 0, ports->inner_fd);
}

/*
 * Puts the other table, which is empty, in use. The kernel returns from updating a map of maps only
 * after an RCU grace period (maybe_wait_bpf_programs() in kernel/bpf/syscall.c), and a program runs
 * inside one read-side section, so when this returns none counts in the old table any more. Also if
 * another one had put it there, and was killed while it waited.
 */
static int table_make_quiet(struct double_table *table, unsigned int quiet)
{
	const unsigned int next = !quiet;
	const uint32_t zero = 0;

	if (bpf_map_update_elem(table->outer_fd, &zero, &table->inner_fd[next], BPF_ANY) < 0)
		return -errno;
	table->active = next;
	return 0;
}

/* Reads up to BATCH entries. 0 and *ret_count; 1 likewise, and they were the last. */
static int table_read(
	struct collector *collector, int fd, uint32_t *position, bool first, uint32_t *ret_count)
{
	uint32_t count = BATCH;
	int r;

	r = bpf_map_lookup_batch(fd, first ? NULL : position, position, collector->keys,
		collector->values, &count, NULL);
	if (r < 0 && errno != ENOENT)
		return -errno;
	*ret_count = count;
	return r < 0;
}

static int table_clear(struct collector *collector, int fd)
{
	uint32_t position = 0, count;
	bool first = true;
	int r;

	do {
		count = BATCH;
		r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
			collector->keys, collector->values, &count, NULL);
		if (r < 0 && errno != ENOENT)
			return -errno;
		first = false;
	} while (r == 0);
	return 0;
}

static void hand_on_port(const struct collector *collector, uint32_t index, uint64_t epoch,
	const struct collect_sink *sink)
{
	const struct port_key *key = &collector->keys[index];
	const struct port_counters *counters = &collector->values[index];
	const struct port_event event = {
		.srcip = key->srcip,
		.dstip = key->dstip,
		.dstport = key->dstport,
		.protocol = key->protocol,
		.first = counters->first + epoch,
		.last = counters->last + epoch,
		.udp = counters->udp,
		.syn = counters->syn,
		.rst = counters->rst,
		.completed = counters->completed,
		.refused = counters->refused,
	};

	sink->port(sink->user, &event);
}

/* ---- one drain ---- */

static uint64_t port_sequence(const struct collector *collector, const struct collect_sink *sink)
{
	return sink->port_sequence.next ? sink->port_sequence.next(sink->user)
					: collector->ports.handed_on;
}

/* All of the quiet table but what was handed on before. */
static int hand_on_ports(struct collector *collector, int fd, const struct collect_sink *sink)
{
	struct double_table *table = &collector->ports;
	const uint64_t epoch = collector_epoch_ns(collector);
	uint64_t skip = drain_taken(table->drain, port_sequence(collector, sink));
	uint32_t position = 0, count = 0;
	bool first = true;
	int r;

	do {
		r = table_read(collector, fd, &position, first, &count);
		if (r < 0)
			return r;
		for (uint32_t i = (uint32_t)MIN(skip, count); i < count; i++) {
			hand_on_port(collector, i, epoch, sink);
			table->handed_on++;
		}
		skip -= MIN(skip, count);
		first = false;
	} while (r == 0);
	return 0;
}

/* On failure nothing is lost: it is gone on with. */
static int read_ports(struct collector *collector, const struct collect_sink *sink)
{
	struct double_table *table = &collector->ports;
	int r = hand_on_ports(collector, table->inner_fd[drain_table(table->drain)], sink);

	if (r < 0)
		drain_pause(table->drain, port_sequence(collector, sink));
	else
		drain_clear(table->drain);
	return r;
}

/* Until it is idle. */
static int go_on(struct collector *collector, const struct collect_sink *sink)
{
	struct double_table *table = &collector->ports;
	struct drain_state *drain = table->drain;
	const unsigned int quiet = drain_table(drain);
	int r = 0;

	if (drain_phase(drain) == DRAIN_PAUSED) {
		/* No program runs while a driven one is collected: its table is quiet as it is. */
		r = collector->driven ? 0 : table_make_quiet(table, quiet);
		if (r == 0)
			drain_read(
				drain, sink->port_sequence.journal, port_sequence(collector, sink));
	}
	if (r == 0 && drain_phase(drain) == DRAIN_READ)
		r = read_ports(collector, sink);
	if (r == 0 && drain_phase(drain) == DRAIN_CLEAR)
		r = table_clear(collector, table->inner_fd[quiet]);
	if (r == 0)
		drain_end(drain);
	return r;
}

int collector_collect_ports(struct collector *collector, const struct collect_sink *sink)
{
	struct double_table *table = &collector->ports;
	int r = go_on(collector, sink);

	if (r < 0)
		return r;
	drain_begin(table->drain, table->active);
	return go_on(collector, sink);
}

/* ---- what one left that was killed ---- */

/* What may be in the table that one was reading whose journal is gone. */
static uint32_t count_entries(int fd)
{
	struct port_key key, next;
	uint32_t count = 0;
	int r = bpf_map_get_next_key(fd, NULL, &next);

	for (; r == 0; count++) {
		key = next;
		r = bpf_map_get_next_key(fd, &key, &next);
	}
	return count;
}

uint32_t collector_settle_ports(struct collector *collector, const struct collect_sink *sink)
{
	const struct double_table *table = &collector->ports;
	struct drain_state *drain = table->drain;

	return drain_settle(drain, sink->port_sequence.journal, port_sequence(collector, sink))
		       ? 0
		       : count_entries(table->inner_fd[drain_table(drain)]);
}
