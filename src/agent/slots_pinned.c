// SPDX-License-Identifier: BSD-2-Clause
/* Slots whose links and counters outlive the agent, and are gone on with by the next one. */
#include "agent/leftovers.h"
#include "agent/pins.h"
#include "agent/slots_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/siphash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- beginning and end ---- */

uint64_t slots_fingerprint(const struct slots_options *options)
{
	const struct siphash_key key = {0}; /* no secret: the next agent must find the same */
	uint64_t hash = slots_needed(options);

	for (unsigned int i = 0; i < options->wanted_count; i++) {
		const char *name = options->wanted[i];

		if (!is_pattern(name))
			hash ^= siphash(&key, name, strlen(name)) * (2 * i + 1);
	}
	return hash;
}

void slots_leave(struct slots *slots)
{
	slots->leaves = true;
}

void slots_close_pinned(struct slots *slots)
{
	for (unsigned int i = 0; slots->slots && i < slots->count; i++)
		if (slots->slots[i].is_pinned)
			attachment_leave(&slots->slots[i].attachment);
}

/* ---- while running ---- */

static struct pin_slot *note_of(const struct slots *slots, unsigned int index)
{
	struct pin_set *set = collector_pin_set(slots->collector);

	return set ? &pin_set_slots(set)[index] : NULL;
}

static void slot_note_as(struct slots *slots, unsigned int index, const struct pin_slot *note)
{
	struct pin_slot *at = note_of(slots, index);

	if (at)
		*at = *note;
}

void slot_note(struct slots *slots, unsigned int index, const struct slot *slot)
{
	const struct pin_slot note = {
		.ifindex = (uint32_t)slot->attachment.ifindex,
		.since_ns = slot->since_ns,
		.base = slot->base,
		.unparsed_base = slot->unparsed_base,
	};

	slot_note_as(slots, index, &note);
}

void slot_pin(struct slots *slots, unsigned int index)
{
	struct slot *slot = &slots->slots[index];
	int r;

	if (!slots->options.pins)
		return;
	r = pins_put_link(slots->options.pins, slot->attachment.ifindex, slot->attachment.link_fd);
	slot->is_pinned = r == 0;
	if (r < 0)
		log_error("cannot pin the link: the interface is counted on only until the agent "
			  "ends interface=%s reason=\"%s\"",
			slot->attachment.name, strerror(-r));
}

void slot_unpin(struct slots *slots, unsigned int index)
{
	const struct pin_slot none = {0};

	slot_note_as(slots, index, &none);
	if (slots->slots[index].is_pinned)
		pins_remove_link(slots->options.pins, slots->slots[index].attachment.ifindex);
	slots->slots[index].is_pinned = false;
}

/* ---- going on ---- */

/* Where an earlier agent counted an interface. */
struct origin {
	const struct collector *collector;
	struct pin_slot *note;
	unsigned int index; /* the slot's, there */
};

static bool find_in(const struct collector *collector, int ifindex, struct origin *ret_origin)
{
	struct pin_set *set = collector_pin_set(collector);

	for (unsigned int i = 0; i < pin_set_state(set)->slot_count; i++) {
		struct pin_slot *note = &pin_set_slots(set)[i];

		if (note->ifindex != (uint32_t)ifindex)
			continue;
		*ret_origin = (struct origin){.collector = collector, .note = note, .index = i};
		return true;
	}
	return false;
}

/* In the newest set that has it. */
static bool find_origin(const struct slots *slots, int ifindex, struct origin *ret_origin)
{
	const struct leftovers *left = slots->options.left;

	if (collector_is_resumed(slots->collector) &&
		find_in(slots->collector, ifindex, ret_origin))
		return true;
	for (unsigned int i = leftovers_count(left); i > 0; i--) {
		const struct collector *collector = leftovers_collector(left, i - 1);

		if (collector && find_in(collector, ifindex, ret_origin))
			return true;
	}
	return false;
}

/* What the interface had since it was attached to. Of a set that cannot be read: nothing. */
static void read_origin(const struct origin *origin, struct interface_event *ret_totals,
	struct unparsed *ret_unparsed)
{
	const struct pin_slot *note = origin->note;
	struct interface_event totals = {.ifindex = note->ifindex, .first = note->since_ns};
	struct unparsed unparsed = {0};

	if (collector_read_interface(origin->collector, origin->index, &totals) == 0 &&
		collector_read_unparsed(origin->collector, origin->index, &unparsed) == 0) {
		interface_totals_subtract(&totals, &note->base);
		unparsed_subtract(&unparsed, &note->unparsed_base);
	}
	*ret_totals = totals;
	*ret_unparsed = unparsed;
}

/* The slot that the interface has now: maps that are gone on with have it in the same place. */
static int slot_for(
	const struct slots *slots, const struct origin *origin, const struct interface *interface)
{
	int index = slot_wanting(slots, interface);

	if (index >= 0 && origin->note && origin->collector == slots->collector &&
		origin->index != (unsigned int)index) {
		const bool by_pattern = !slots->slots[index].wanted;

		if (!by_pattern || slots->slots[origin->index].wanted)
			return -1;
		index = (int)origin->index;
	}
	return index;
}

static void let_go(struct slots *slots, struct pin_link *link, const char *name, const char *why)
{
	log_info("not gone on with: %s interface=%s ifindex=%d", why, name, link->ifindex);
	(void)attach_detach_link(link->fd);
	close(TAKE_FD(link->fd));
	pins_remove_link(slots->options.pins, link->ifindex);
}

/*
 * Before the link has the program that counts here. Until slots_resume() is through, what older sets
 * have for the interface is to be added: the note says so, should the agent be killed in between.
 */
static void note_pending(struct slots *slots, unsigned int index, const struct origin *origin,
	const struct interface *interface)
{
	struct pin_slot note = {.ifindex = (uint32_t)interface->ifindex, .is_pending = 1};

	if (origin->note && origin->collector == slots->collector)
		return;
	note.since_ns = origin->note ? origin->note->since_ns : clock_realtime_ns();
	/* Another interface may have had the slot. */
	if (collector_read_interface(slots->collector, index, &note.base) < 0 ||
		collector_read_unparsed(slots->collector, index, &note.unparsed_base) < 0)
		log_error("cannot read the counters of before interface=%s", interface->name);
	slot_note_as(slots, index, &note);
}

static void slot_begin(struct slots *slots, unsigned int index, const struct attachment *attachment)
{
	const struct pin_slot *note = note_of(slots, index);
	struct slot *slot = &slots->slots[index];

	slot->used = true;
	slot->is_pinned = true;
	slot->attachment = *attachment;
	slot->since_ns = note->since_ns;
	slot->base = note->base;
	slot->unparsed_base = note->unparsed_base;
	slots->changes++;
	slots->resumed++;
}

static void resume_link(struct slots *slots, struct pin_link *link)
{
	const struct interface *interface = interface_list_find_index(&slots->list, link->ifindex);
	struct origin origin = {0};
	struct attachment attachment;
	int index, r;

	if (!interface || attach_link_index(link->fd) != link->ifindex) {
		let_go(slots, link, "?", "the interface is gone");
		return;
	}
	(void)find_origin(slots, link->ifindex, &origin);
	index = slot_for(slots, &origin, interface);
	if (index < 0) {
		let_go(slots, link, interface->name, "it is not asked for");
		return;
	}
	note_pending(slots, (unsigned int)index, &origin, interface);
	r = attachment_resume(interface,
		collector_program_fd(slots->collector, (unsigned int)index), &slots->options.attach,
		link->fd, &attachment);
	if (r < 0) {
		if (note_of(slots, (unsigned int)index)->is_pending)
			slot_note_as(slots, (unsigned int)index, &(struct pin_slot){0});
		let_go(slots, link, interface->name,
			r == -ENOTSUP ? "another mode is asked for" : strerror(-r));
		return;
	}
	link->fd = -1;
	slot_begin(slots, (unsigned int)index, &attachment);
}

/*
 * The old programs are out of use. What they counted is added to what the interface has now; if it is
 * not gone on with, it is told.
 */
static void settle_note(struct slots *slots, const struct origin *origin)
{
	const int index = slot_of(slots, (int)origin->note->ifindex);
	struct slot *slot = index >= 0 ? &slots->slots[index] : NULL;
	struct interface_event totals;
	struct unparsed unparsed;

	if (slot && slot->since_ns == origin->note->since_ns) {
		if (origin->collector == slots->collector ||
			!note_of(slots, (unsigned int)index)->is_pending)
			return;
		read_origin(origin, &totals, &unparsed);
		/* What is subtracted from the new counters is less than nothing. */
		interface_totals_subtract(&slot->base, &totals);
		unparsed_subtract(&slot->unparsed_base, &unparsed);
		return;
	}
	read_origin(origin, &totals, &unparsed);
	slots->options.last_totals(slots->options.user, &totals);
	*origin->note = (struct pin_slot){0};
}

static void settle_set(struct slots *slots, const struct collector *collector)
{
	struct pin_set *set = collector_pin_set(collector);

	for (unsigned int i = 0; i < pin_set_state(set)->slot_count; i++) {
		const struct origin origin = {
			.collector = collector, .note = &pin_set_slots(set)[i], .index = i};

		if (origin.note->ifindex != 0)
			settle_note(slots, &origin);
	}
}

static void note_all(struct slots *slots)
{
	for (unsigned int i = 0; i < slots->count; i++)
		if (slots->slots[i].attachment.link_fd >= 0)
			slot_note(slots, i, &slots->slots[i]);
}

int slots_resume(struct slots *slots)
{
	struct pins *pins = slots->options.pins;
	const struct leftovers *left = slots->options.left;
	int r = interfaces_list(slots->interfaces, &slots->list);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < pins_link_count(pins); i++)
		resume_link(slots, pins_link(pins, i));
	attach_wait_unused();
	if (collector_is_resumed(slots->collector))
		settle_set(slots, slots->collector);
	for (unsigned int i = 0; i < leftovers_count(left); i++)
		if (leftovers_collector(left, i))
			settle_set(slots, leftovers_collector(left, i));
	note_all(slots);
	/* Now that there is something to go on with, a failure to start shall not be the end of it. */
	slots->leaves = slots->resumed > 0;
	return 0;
}
