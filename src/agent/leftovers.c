// SPDX-License-Identifier: BSD-2-Clause
#include "agent/leftovers.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

struct leftover {
	struct pin_set *set;
	struct collector *collector; /* NULL: nothing of it can be read */
	uint32_t unread;             /* groups of maps that cannot be, by enum pin_group */
};

struct leftovers {
	struct pins *pins;
	unsigned int count;
	struct leftover items[];
};

static int leftover_open(struct leftover *leftover, struct pin_set *set)
{
	leftover->set = set;
	leftover->unread = (1U << PIN_GROUPS) - 1;
	if (!pin_set_state(set))
		return 0;
	return collector_open_left(set, &leftover->collector, &leftover->unread);
}

int leftovers_open(struct pins *pins, struct pin_set *present, struct leftovers **ret_leftovers)
{
	const unsigned int count = pins_set_count(pins);
	_cleanup_(leftovers_closep) struct leftovers *leftovers =
		calloc(1, sizeof(*leftovers) + count * sizeof(leftovers->items[0]));
	int r = 0;

	if (!leftovers)
		return -ENOMEM;
	leftovers->pins = pins;
	for (unsigned int i = 0; i < count && r == 0; i++)
		if (pins_set(pins, i) != present)
			r = leftover_open(&leftovers->items[leftovers->count++], pins_set(pins, i));
	if (r == 0)
		*ret_leftovers = TAKE_PTR(leftovers);
	return r;
}

void leftovers_close(struct leftovers *leftovers)
{
	for (unsigned int i = 0; i < leftovers->count; i++)
		if (leftovers->items[i].collector)
			collector_free(leftovers->items[i].collector);
	free(leftovers);
}

unsigned int leftovers_count(const struct leftovers *leftovers)
{
	return leftovers->count;
}

const struct collector *leftovers_collector(const struct leftovers *leftovers, unsigned int index)
{
	return leftovers->items[index].collector;
}

void leftovers_settle(const struct leftovers *leftovers, const struct collect_sink *sink,
	struct collector_unknown *unknown)
{
	for (unsigned int i = 0; i < leftovers->count; i++) {
		struct collector_unknown more = {0};

		if (leftovers->items[i].collector)
			collector_settle(leftovers->items[i].collector, sink, &more);
		unknown->ports += more.ports;
		unknown->window |= more.window;
	}
}

static void say_unread(const struct leftover *leftover)
{
	static const char *const names[] = {
		[PIN_FLOWS] = "flows",
		[PIN_PORTS] = "ports",
		[PIN_INTERFACES] = "interface totals",
		[PIN_FANOUT] = "sources and targets",
	};

	for (size_t group = 0; group < ARRAY_SIZE(names); group++)
		if (leftover->unread & 1U << group)
			log_warning("another version of the agent left counters that this one "
				    "cannot read: what was counted since its end is lost "
				    "counters=\"%s\"",
				names[group]);
}

static int leftover_collect(const struct leftover *leftover, const struct collect_sink *sink)
{
	int r;

	say_unread(leftover);
	if (!leftover->collector)
		return 0;
	r = collector_collect(leftover->collector, sink);
	return r < 0 ? r : collector_end_window(leftover->collector, sink);
}

int leftovers_collect(const struct leftovers *leftovers, const struct collect_sink *sink)
{
	int r = 0;

	for (unsigned int i = 0; i < leftovers->count && r == 0; i++)
		r = leftover_collect(&leftovers->items[i], sink);
	return r;
}

void leftovers_remove(struct leftovers *leftovers)
{
	for (unsigned int i = 0; i < leftovers->count; i++) {
		struct leftover *leftover = &leftovers->items[i];

		if (leftover->collector)
			collector_free(TAKE_PTR(leftover->collector));
		pins_remove_set(leftovers->pins, leftover->set);
	}
	leftovers_close(leftovers);
}
