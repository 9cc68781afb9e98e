// SPDX-License-Identifier: BSD-2-Clause
#include "agent/collect_private.h"

#include "base/clock.h"
#include "base/event_clock.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FLOW_SLOTS_MIN   512  /* of a CPU */
#define FLOW_RECORDS_MIN 8192 /* of a CPU */
#define TARGETS_SHED     1024 /* of a CPU */
#define HANDSHAKE_BITS   18   /* 2 MiB: see docs/data-plane.md, "Port counters" */

DEFINE_CLEANUP(struct account, account__destroy)

/* Programs of later slots use the first one's maps. */
static int share_maps(struct account *program, const struct account *owner)
{
	const struct {
		struct bpf_map *map, *owners;
	} shared[] = {
		{program->maps.ports, owner->maps.ports},
		{program->maps.ports_a, owner->maps.ports_a},
		{program->maps.ports_b, owner->maps.ports_b},
		{program->maps.interfaces, owner->maps.interfaces},
		{program->maps.handshakes, owner->maps.handshakes},
		{program->maps.handshakes_seen, owner->maps.handshakes_seen},
		{program->maps.fanouts, owner->maps.fanouts},
		{program->maps.sources_a, owner->maps.sources_a},
		{program->maps.sources_b, owner->maps.sources_b},
		{program->maps.targets_a, owner->maps.targets_a},
		{program->maps.targets_b, owner->maps.targets_b},
		{program->maps.fanout_limits, owner->maps.fanout_limits},
		{program->maps.fanout_losses, owner->maps.fanout_losses},
		{program->maps.fanout_ring, owner->maps.fanout_ring},
		{program->maps.fanout_blank, owner->maps.fanout_blank},
		{program->maps.volumes, owner->maps.volumes},
		{program->maps.full_notes, owner->maps.full_notes},
	};

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		int r = bpf_map__reuse_fd(shared[i].map, bpf_map__fd(shared[i].owners));

		if (r < 0)
			return r;
	}
	return 0;
}

static int size_maps(struct account *program, const struct collector_options *options)
{
	const uint32_t fanout_max = options->fanout.window_ns ? options->fanout.max : 1;
	const struct {
		struct bpf_map *map;
		uint32_t entries;
	} sizes[] = {
		{program->maps.ports_a, options->port_max},
		{program->maps.ports_b, options->port_max},
		{program->maps.interfaces, options->interface_count},
		{program->maps.handshakes, 1U << HANDSHAKE_BITS},
		{program->maps.handshakes_seen, (1U << HANDSHAKE_BITS) / 8},
		{program->maps.sources_a, fanout_max},
		{program->maps.sources_b, fanout_max},
		{program->maps.targets_a, fanout_max},
		{program->maps.targets_b, fanout_max},
		{program->maps.volumes, FANOUT_KINDS * (fanout_max + 1)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Random, or who sends could choose collisions. In a replay always the same: so are its results. */
static int draw_seeds(const struct collector_options *options, __u64 *seeds, size_t count)
{
	const size_t bytes = count * sizeof(*seeds);

	for (size_t i = 0; i < count; i++)
		seeds[i] = (i + 1) * 0xd1342543de82ef95ULL;
	return options->driven || getrandom(seeds, bytes, 0) == (ssize_t)bytes ? 0 : -EIO;
}

/* The programs share the slots, so they must hash alike. */
static int set_handshakes(struct account *program, const struct account *owner,
	const struct collector_options *options)
{
	struct handshake_settings *settings = &program->rodata->handshake_settings;

	if (owner) {
		*settings = owner->rodata->handshake_settings;
		return 0;
	}
	settings->slot_bits = HANDSHAKE_BITS;
	return draw_seeds(options, settings->seeds, ARRAY_SIZE(settings->seeds));
}

/* A CPU has at least as many slots as the table allows, and a ring that lasts for some drains. */
static void flow_options(const struct collector *collector, const struct collector_options *options,
	struct flow_table_options *ret_options)
{
	const uint32_t cpus = options->driven ? 1 : (uint32_t)collector->cpu_count;
	const uint32_t slots4 = MAX(options->flow_max, cpus * FLOW_SLOTS_MIN);

	*ret_options = (struct flow_table_options){
		.cpu_count = cpus,
		.slots4 = slots4,
		.slots6 = MAX(slots4 / 4, cpus * FLOW_SLOTS_MIN),
		.slots_shed = cpus * TARGETS_SHED,
		.ring_records = MAX(slots4, cpus * FLOW_RECORDS_MIN),
		.stale_ns = NS_PER_SEC,
		.tick_ns = options->driven ? 1ULL << CLOCK_TICK_SHIFT : collector->clock.tick_ns,
		.repeatable = options->driven,
	};
}

/* The first program's flow table is that of all. */
static int set_flows(struct collector *collector, const struct collector_options *options,
	struct account *program, const struct account *owner)
{
	struct flow_settings *settings = &program->rodata->flow_settings;
	struct flow_table_options flows;

	if (owner) {
		*settings = owner->rodata->flow_settings;
		return flow_table_share(program->obj, owner->obj);
	}
	flow_options(collector, options, &flows);
	return flow_table_prepare(&flows, program->obj, settings);
}

static int set_fanout(struct account *program, const struct account *owner,
	const struct collector_options *options)
{
	struct fanout_settings *settings = &program->rodata->fanout_settings;

	if (owner) {
		*settings = owner->rodata->fanout_settings;
		return 0;
	}
	settings->on = options->fanout.window_ns > 0;
	return draw_seeds(options, settings->seeds, ARRAY_SIZE(settings->seeds));
}

/* Jumbo frames in several fragments: Linux 5.18 and later. */
static bool kernel_has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) == 1;
}

/* Of the two forms the one that is loaded. */
static struct bpf_program *program_of(const struct account *program)
{
	return bpf_program__autoload(program->progs.netlambda_alone)
		       ? program->progs.netlambda_alone
		       : program->progs.netlambda_count;
}

static int choose_program(struct account *program, bool may_be_preempted)
{
	return bpf_program__set_autoload(
		may_be_preempted ? program->progs.netlambda_count : program->progs.netlambda_alone,
		false);
}

static int load_program(struct collector *collector, const struct collector_options *options,
	unsigned int slot, bool has_frags)
{
	_cleanup_(account__destroyp) struct account *program = account__open();
	const struct account *owner = collector->programs[0];
	int r;

	if (!program)
		return -ENOMEM; /* libbpf has said what it was */
	program->rodata->interface_slot = slot;
	program->rodata->has_frags = has_frags;
	program->rodata->look_inside = options->inside;
	program->rodata->clock_is_given = options->driven;
	r = choose_program(program, options->may_be_preempted);
	if (r == 0 && !has_frags)
		r = bpf_program__set_flags(program_of(program), 0);
	if (r < 0)
		return r;
	r = owner ? share_maps(program, owner) : size_maps(program, options);
	if (r == 0)
		r = set_handshakes(program, owner, options);
	if (r == 0)
		r = set_flows(collector, options, program, owner);
	if (r == 0)
		r = set_fanout(program, owner, options);
	if (r == 0 && !owner && options->pins)
		r = collector_choose_maps(collector, options, program);
	if (r < 0)
		return r;
	r = account__load(program);
	if (r < 0)
		return r;
	collector->programs[slot] = TAKE_PTR(program);
	return owner ? 0 : collector_pin_maps(collector);
}

static int open_flows(struct collector *collector, const struct collector_options *options)
{
	const struct account *owner = collector->programs[0];
	struct flow_table_options flows;
	int r;

	flow_options(collector, options, &flows);
	r = flow_table_open(&flows, &owner->rodata->flow_settings, owner->obj, &collector->flows);
	if (r == 0 && collector->is_resumed)
		flow_table_resume(collector->flows, pin_set_state(collector->set)->collected_tick);
	return r;
}

int collector_open_fanout(struct collector *collector, const struct fanout_options *options)
{
	const struct account *owner = collector->programs[0];
	struct fanout_maps maps = {
		.outer_fd = bpf_map__fd(owner->maps.fanouts),
		.limits_fd = bpf_map__fd(owner->maps.fanout_limits),
		.losses_fd = bpf_map__fd(owner->maps.fanout_losses),
		.ring_fd = bpf_map__fd(owner->maps.fanout_ring),
		.volumes_fd = bpf_map__fd(owner->maps.volumes),
		.volumes_max = bpf_map__max_entries(owner->maps.volumes) / FANOUT_KINDS - 1,
		.table_fds = {{bpf_map__fd(owner->maps.sources_a),
				      bpf_map__fd(owner->maps.sources_b)},
			{bpf_map__fd(owner->maps.targets_a), bpf_map__fd(owner->maps.targets_b)}},
	};

	if (options->window_ns == 0)
		return 0;
	if (collector->set) {
		struct pin_state *state = pin_set_state(collector->set);

		maps.window_ends_ns = &state->window_ends_ns;
		maps.end = &state->window_end;
		maps.taking = &state->fanout_taking;
	}
	for (uint32_t kind = 0; kind < 2 && collector->is_resumed; kind++)
		maps.active[kind] = collector_map_in_use(maps.outer_fd, kind, maps.table_fds[kind]);
	maps.keep_limits = collector->is_left;
	return fanout_new(options, &maps, collector->driven, &collector->fanout);
}

int collector_new(const struct collector_options *options, struct collector **ret_collector)
{
	_cleanup_(collector_freep) struct collector *collector = calloc(1, sizeof(*collector));
	bool has_frags;
	int r;

	if (!collector)
		return -ENOMEM;
	if (options->interface_count == 0)
		return -EINVAL;
	collector->programs = calloc(options->interface_count, sizeof(struct account *));
	if (!collector->programs)
		return -ENOMEM;
	collector->interface_count = options->interface_count;
	collector->driven = options->driven;
	collector->cpu_count = libbpf_num_possible_cpus();
	if (collector->cpu_count < 0)
		return collector->cpu_count;
	if (!options->driven) {
		r = flow_clock_open(&collector->clock);
		if (r < 0)
			return r;
	}
	has_frags = kernel_has_frags();
	for (unsigned int slot = 0; slot < options->interface_count; slot++) {
		r = load_program(collector, options, slot, has_frags);
		if (r < 0)
			return r;
	}
	collector_open_ports(collector);
	r = open_flows(collector, options);
	if (r == 0)
		r = collector_open_fanout(collector, &options->fanout);
	if (r < 0)
		return r;
	*ret_collector = TAKE_PTR(collector);
	return 0;
}

void collector_free(struct collector *collector)
{
	if (!collector)
		return;
	flow_table_close(collector->flows);
	fanout_free(collector->fanout);
	for (unsigned int slot = 0; collector->unloaded && slot < collector->interface_count;
		slot++)
		account__destroy(collector->unloaded[slot]);
	free(collector->unloaded);
	/* The owner of the maps last. */
	for (unsigned int slot = collector->interface_count; collector->programs && slot > 0;
		slot--)
		account__destroy(collector->programs[slot - 1]);
	free(collector->programs);
	free(collector);
}

/* All settings are the loaded one's, but that the maps are given. */
int collector_open_object(
	struct collector *collector, unsigned int slot, struct bpf_object **ret_object)
{
	const struct account *owner = collector->programs[0];
	_cleanup_(account__destroyp) struct account *program = account__open();
	int r;

	if (!program)
		return errno > 0 ? -errno : -ENOMEM;
	if (!collector->unloaded)
		collector->unloaded = calloc(collector->interface_count, sizeof(struct account *));
	if (!collector->unloaded)
		return -ENOMEM;
	*program->rodata = *collector->programs[slot]->rodata;
	r = choose_program(program, bpf_program__autoload(owner->progs.netlambda_alone));
	if (r == 0)
		r = share_maps(program, owner);
	if (r == 0)
		r = flow_table_share(program->obj, owner->obj);
	if (r < 0)
		return r;
	*ret_object = program->obj;
	collector->unloaded[slot] = TAKE_PTR(program);
	return 0;
}

int collector_program_fd(const struct collector *collector, unsigned int slot)
{
	return bpf_program__fd(program_of(collector->programs[slot]));
}

void collector_set_time(struct collector *collector, uint64_t now_ns)
{
	collector->given_ns = now_ns;
	for (unsigned int slot = 0; slot < collector->interface_count; slot++)
		collector->programs[slot]->bss->clock_given_ns = now_ns;
}

uint64_t collector_epoch_ns(const struct collector *collector)
{
	return collector->driven ? 0 : event_clock_epoch_ns();
}

static struct flow_time flow_now(const struct collector *collector)
{
	const uint64_t tick = collector->given_ns >> CLOCK_TICK_SHIFT;

	if (!collector->driven)
		return flow_clock_now(&collector->clock);
	return (struct flow_time){.tick = tick, .unix_ns = tick << CLOCK_TICK_SHIFT};
}

/* ---- sources and targets ---- */

static struct fanout_sink fanout_sink(const struct collect_sink *sink)
{
	return (struct fanout_sink){.source = sink->source,
		.target = sink->target,
		.sequence = sink->alarm_sequence,
		.user = sink->user};
}

static uint64_t programs_now_ns(const struct collector *collector)
{
	return collector->driven ? collector->programs[0]->bss->clock_given_ns
				 : clock_monotonic_ns();
}

int collector_alarm_fd(const struct collector *collector)
{
	return collector->fanout ? fanout_fd(collector->fanout) : -1;
}

struct fanout *collector_fanout(const struct collector *collector)
{
	return collector->fanout;
}

static struct fanout_clock fanout_clock(const struct collector *collector)
{
	return (struct fanout_clock){
		.now_ns = programs_now_ns(collector), .epoch_ns = collector_epoch_ns(collector)};
}

int collector_take_alarms(struct collector *collector, const struct collect_sink *sink)
{
	const struct fanout_sink records = fanout_sink(sink);
	const struct fanout_clock clock = fanout_clock(collector);

	return collector->fanout ? fanout_take(collector->fanout, &clock, &records) : 0;
}

bool collector_window_is_over(const struct collector *collector)
{
	return collector->fanout && fanout_is_over(collector->fanout, programs_now_ns(collector));
}

int collector_end_window(struct collector *collector, const struct collect_sink *sink)
{
	const struct fanout_sink records = fanout_sink(sink);
	const struct fanout_clock clock = fanout_clock(collector);

	return collector->fanout ? fanout_end_window(collector->fanout, &clock, &records) : 0;
}

int collector_finish_window(struct collector *collector, const struct collect_sink *sink)
{
	const struct fanout_sink records = fanout_sink(sink);
	const struct fanout_clock clock = fanout_clock(collector);

	return collector->fanout ? fanout_finish_window(collector->fanout, &clock, &records) : 0;
}

void collector_settle(struct collector *collector, const struct collect_sink *sink,
	struct collector_unknown *ret_unknown)
{
	ret_unknown->window = collector->fanout &&
			      !fanout_settle(collector->fanout, &sink->alarm_sequence, sink->user);
	ret_unknown->ports =
		collector->ports.outer_fd >= 0 ? collector_settle_ports(collector, sink) : 0;
}

int collector_collect(struct collector *collector, const struct collect_sink *sink)
{
	const struct flow_sink flows = {.flow = sink->flow, .shed = sink->shed, .user = sink->user};
	/*
	 * Alarms and ports first: they are what matters, should it fail. And when their tables are
	 * swapped, no program that was detached before still runs: its flows are all there.
	 */
	int r = collector_take_alarms(collector, sink);
	struct flow_time now;

	if (r == 0 && collector->ports.outer_fd >= 0)
		r = collector_collect_ports(collector, sink);
	if (r < 0)
		return r;
	if (!collector->flows)
		return 0;
	now = flow_now(collector);
	flow_table_collect(collector->flows, &now, &flows);
	if (collector->set)
		pin_set_state(collector->set)->collected_tick = now.tick;
	return 0;
}

bool collector_relieve(struct collector *collector, const struct collect_sink *sink)
{
	const struct flow_sink flows = {.flow = sink->flow, .user = sink->user};
	const struct flow_time now = flow_now(collector);
	size_t capacity, backlog = flow_table_backlog(collector->flows, &capacity);

	if (backlog < capacity / 8)
		return false;
	flow_table_drain(collector->flows, &now, capacity / 2, &flows);
	return true;
}

/* The sum over CPUs. */
static int read_counters(
	const struct collector *collector, unsigned int slot, struct interface_counters *ret_sum)
{
	_cleanup_free_ struct interface_counters *counters = NULL;
	const uint32_t key = slot;
	struct interface_counters sum = {0};

	counters = calloc((size_t)collector->cpu_count, sizeof(*counters));
	if (!counters)
		return -ENOMEM;
	if (bpf_map_lookup_elem(
		    bpf_map__fd(collector->programs[0]->maps.interfaces), &key, counters) < 0)
		return -errno;
	for (int cpu = 0; cpu < collector->cpu_count; cpu++) {
		sum.packets += counters[cpu].packets + counters[cpu].crowded_packets;
		sum.size += counters[cpu].size + counters[cpu].crowded_bytes;
		sum.flow_shed += counters[cpu].flow_shed + counters[cpu].crowded_packets;
		sum.port_shed += counters[cpu].port_shed;
		for (int cause = 0; cause < PARSE_VERDICTS; cause++) {
			sum.unparsed[cause].packets += counters[cpu].unparsed[cause].packets;
			sum.unparsed[cause].bytes += counters[cpu].unparsed[cause].bytes;
		}
	}
	*ret_sum = sum;
	return 0;
}

int collector_read_interface(
	const struct collector *collector, unsigned int slot, struct interface_event *ret_totals)
{
	struct interface_counters sum = {0};
	int r = read_counters(collector, slot, &sum);

	if (r < 0)
		return r;
	ret_totals->packets = sum.packets;
	ret_totals->size = sum.size;
	ret_totals->flow_shed = sum.flow_shed;
	ret_totals->port_shed = sum.port_shed;
	ret_totals->not_ip = sum.unparsed[PARSE_NOT_IP].packets;
	ret_totals->malformed = 0;
	for (int cause = 0; cause < PARSE_VERDICTS; cause++)
		if (cause != PARSE_NOT_IP)
			ret_totals->malformed += sum.unparsed[cause].packets;
	return 0;
}

int collector_read_unparsed(
	const struct collector *collector, unsigned int slot, struct unparsed *ret_unparsed)
{
	struct interface_counters sum = {0};
	int r = read_counters(collector, slot, &sum);

	if (r < 0)
		return r;
	for (int cause = 0; cause < PARSE_VERDICTS; cause++) {
		ret_unparsed->causes[cause].packets = sum.unparsed[cause].packets;
		ret_unparsed->causes[cause].bytes = sum.unparsed[cause].bytes;
	}
	return 0;
}
