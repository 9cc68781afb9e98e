// SPDX-License-Identifier: BSD-2-Clause
/* Maps that outlive the collector, and those that an earlier one left. */
#include "agent/collect_private.h"
#include "agent/pinned_maps.h"

#include <bpf/libbpf.h>
#include <errno.h>

/* ---- going on with maps, or beginning with new ones ---- */

struct pin_set *collector_pin_set(const struct collector *collector)
{
	return collector->set;
}

bool collector_is_resumed(const struct collector *collector)
{
	return collector->is_resumed;
}

static struct pin_set *find_set(const struct pins *pins, const struct pin_layout *layout)
{
	for (unsigned int i = pins_set_count(pins); i > 0; i--) {
		struct pin_set *set = pins_set(pins, i - 1);
		const struct pin_state *state = pin_set_state(set);

		if (state && state->layout.whole == layout->whole)
			return set;
	}
	return NULL;
}

/* The maps of before: programs must hash as those did that filled them. */
static int resume(struct collector *collector, struct account *program, struct pin_set *set)
{
	const struct pin_state *state = pin_set_state(set);

	program->rodata->flow_settings = state->flow_settings;
	program->rodata->handshake_settings = state->handshake_settings;
	program->rodata->fanout_settings = state->fanout_settings;
	collector->set = set;
	collector->is_resumed = true;
	return pinned_maps_use(program->obj, set, PIN_ALL_GROUPS);
}

/* Handshakes that are under way belong to no layout: they are gone on with if they can be. */
static int carry_handshakes(
	struct account *program, const struct pin_layout *layout, struct pins *pins)
{
	const unsigned int count = pins_set_count(pins);
	const struct pin_set *set = count > 0 ? pins_set(pins, count - 1) : NULL;
	const struct pin_state *state = set ? pin_set_state(set) : NULL;

	if (!state || state->layout.shapes[PIN_HANDSHAKES] != layout->shapes[PIN_HANDSHAKES] ||
		state->handshake_settings.slot_bits !=
			program->rodata->handshake_settings.slot_bits)
		return 0;
	program->rodata->handshake_settings = state->handshake_settings;
	return pinned_maps_use(program->obj, set, 1U << PIN_HANDSHAKES);
}

int collector_choose_maps(struct collector *collector, const struct collector_options *options,
	struct account *program)
{
	struct pin_layout layout;
	struct pin_state *state;
	struct pin_set *set;
	int r = pinned_maps_layout(program->obj, options->pins_salt, &layout);

	if (r < 0)
		return r;
	set = find_set(options->pins, &layout);
	if (set)
		return resume(collector, program, set);
	r = carry_handshakes(program, &layout, options->pins);
	if (r == 0)
		r = pins_add_set(options->pins, options->interface_count, &set);
	if (r < 0)
		return r;
	state = pin_set_state(set);
	state->layout = layout;
	state->flow_settings = program->rodata->flow_settings;
	state->handshake_settings = program->rodata->handshake_settings;
	state->fanout_settings = program->rodata->fanout_settings;
	collector->set = set;
	return 0;
}

int collector_pin_maps(struct collector *collector)
{
	int r;

	if (!collector->set || collector->is_resumed)
		return 0;
	r = pinned_maps_put(collector->programs[0]->obj, collector->set);
	if (r == 0)
		pin_set_state(collector->set)->complete = 1;
	return r;
}

/* ---- maps that are gone on with no more ---- */

/* Groups of maps that are made of the same structs. */
static uint32_t groups_alike(const struct pin_layout *a, const struct pin_layout *b)
{
	uint32_t groups = 0;

	for (int group = 0; group < PIN_GROUPS; group++)
		if (a->shapes[group] == b->shapes[group])
			groups |= 1U << group;
	return groups;
}

/* Opened, and its maps given, but never loaded: it holds the maps, as a loaded one does. */
static int open_left_maps(struct collector *left, uint32_t *ret_groups)
{
	const struct pin_state *state = pin_set_state(left->set);
	struct pin_layout layout;
	struct account *maps;
	int r;

	left->interface_count = 1; /* objects, that is */
	left->programs = calloc(1, sizeof(struct account *));
	if (!left->programs)
		return -ENOMEM;
	maps = left->programs[0] = account__open();
	if (!maps)
		return errno > 0 ? -errno : -ENOMEM;
	r = pinned_maps_layout(maps->obj, 0, &layout);
	if (r < 0)
		return r;
	*ret_groups = groups_alike(&layout, &state->layout);
	return pinned_maps_use(maps->obj, left->set, *ret_groups);
}

static int open_left_flows(struct collector *left)
{
	const struct pin_state *state = pin_set_state(left->set);
	const struct flow_table_options options = {
		.cpu_count = (uint32_t)left->cpu_count, .tick_ns = left->clock.tick_ns};
	int r = flow_table_open(
		&options, &state->flow_settings, left->programs[0]->obj, &left->flows);

	if (r == 0)
		flow_table_resume(left->flows, state->collected_tick);
	return r;
}

int collector_open_left(struct pin_set *set, struct collector **ret_collector, uint32_t *ret_unread)
{
	_cleanup_(collector_freep) struct collector *left = calloc(1, sizeof(*left));
	/* What time it is over at makes no difference: it is ended. */
	const struct fanout_options fanout = {.window_ns = pin_set_state(set)->fanout_settings.on};
	uint32_t groups = 0;
	int r;

	if (!left)
		return -ENOMEM;
	left->set = set;
	left->is_resumed = left->is_left = true;
	left->ports.outer_fd = -1;
	left->cpu_count = libbpf_num_possible_cpus();
	if (left->cpu_count < 0)
		return left->cpu_count;
	r = flow_clock_open(&left->clock);
	if (r == 0)
		r = open_left_maps(left, &groups);
	if (r == 0 && groups & 1U << PIN_PORTS)
		collector_open_ports(left);
	if (r == 0 && groups & 1U << PIN_FLOWS)
		r = open_left_flows(left);
	if (r == 0 && groups & 1U << PIN_FANOUT)
		r = collector_open_fanout(left, &fanout);
	if (r < 0)
		return r;
	*ret_collector = TAKE_PTR(left);
	*ret_unread = PIN_ALL_GROUPS & ~groups;
	return 0;
}
