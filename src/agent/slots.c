// SPDX-License-Identifier: BSD-2-Clause
#include "agent/slots_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS (5 * NS_PER_SEC)

bool is_pattern(const char *wanted)
{
	return strpbrk(wanted, "*?[") != NULL;
}

static unsigned int names_count(const struct slots_options *options)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < options->wanted_count; i++)
		count += !is_pattern(options->wanted[i]);
	return count;
}

unsigned int slots_needed(const struct slots_options *options)
{
	unsigned int names = names_count(options);

	return names == options->wanted_count ? names : names + options->follow_max;
}

static bool matches(const struct slots_options *options, const char *name)
{
	for (unsigned int i = 0; i < options->wanted_count; i++)
		if (is_pattern(options->wanted[i]) && fnmatch(options->wanted[i], name, 0) == 0)
			return true;
	return false;
}

static bool is_attached(const struct slot *slot)
{
	return attachment_is_open(&slot->attachment);
}

/* ---- totals ---- */

static void totals_add(struct interface_event *sum, const struct interface_event *totals)
{
	sum->packets += totals->packets;
	sum->size += totals->size;
	sum->not_ip += totals->not_ip;
	sum->malformed += totals->malformed;
	sum->flow_shed += totals->flow_shed;
	sum->port_shed += totals->port_shed;
}

void interface_totals_subtract(struct interface_event *totals, const struct interface_event *base)
{
	totals->packets -= base->packets;
	totals->size -= base->size;
	totals->not_ip -= base->not_ip;
	totals->malformed -= base->malformed;
	totals->flow_shed -= base->flow_shed;
	totals->port_shed -= base->port_shed;
}

void unparsed_subtract(struct unparsed *unparsed, const struct unparsed *base)
{
	for (int cause = 0; cause < PARSE_VERDICTS; cause++) {
		unparsed->causes[cause].packets -= base->causes[cause].packets;
		unparsed->causes[cause].bytes -= base->causes[cause].bytes;
	}
}

/* The collector counts on from slot to slot's next user: what this one has is the difference. */
static int read_totals(
	const struct slots *slots, unsigned int index, struct interface_event *ret_totals)
{
	const struct slot *slot = &slots->slots[index];
	struct interface_event totals = {
		.ifindex = (uint32_t)slot->attachment.ifindex,
		.first = slot->since_ns,
	};
	int r;

	if (!slot->used)
		return -ENOENT;
	if (!is_attached(slot)) {
		*ret_totals = slot->last;
		return 0;
	}
	r = collector_read_interface(slots->collector, index, &totals);
	if (r < 0)
		return r;
	interface_totals_subtract(&totals, &slot->base);
	*ret_totals = totals;
	return 0;
}

int slots_read(struct slots *slots, unsigned int slot, struct interface_event *ret_totals)
{
	int r;

	pthread_mutex_lock(&slots->lock);
	r = read_totals(slots, slot, ret_totals);
	pthread_mutex_unlock(&slots->lock);
	return r;
}

static int read_unparsed(
	const struct slots *slots, unsigned int index, struct unparsed *ret_unparsed)
{
	const struct slot *slot = &slots->slots[index];
	struct unparsed unparsed;
	int r;

	if (!slot->used)
		return -ENOENT;
	if (!is_attached(slot)) {
		*ret_unparsed = slot->unparsed_last;
		return 0;
	}
	r = collector_read_unparsed(slots->collector, index, &unparsed);
	if (r < 0)
		return r;
	unparsed_subtract(&unparsed, &slot->unparsed_base);
	*ret_unparsed = unparsed;
	return 0;
}

int slots_read_unparsed(struct slots *slots, unsigned int slot, struct unparsed *ret_unparsed)
{
	int r;

	pthread_mutex_lock(&slots->lock);
	r = read_unparsed(slots, slot, ret_unparsed);
	pthread_mutex_unlock(&slots->lock);
	return r;
}

void slots_read_past(struct slots *slots, struct interface_event *ret_totals)
{
	pthread_mutex_lock(&slots->lock);
	*ret_totals = slots->past;
	pthread_mutex_unlock(&slots->lock);
}

/* ---- attaching ---- */

/* Whose counters the slot had are kept in the sum. */
static void slot_forget(struct slots *slots, struct slot *slot)
{
	if (slot->used)
		totals_add(&slots->past, &slot->last);
	slot->used = false;
}

static int attach(struct slots *slots, unsigned int index, const struct interface *interface,
	struct attachment *ret_attachment, char **ret_error)
{
	struct attachment attachment = {.ifindex = interface->ifindex,
		.mode = slots->options.attach.mode,
		.link_fd = -1,
		.displaced_fd = -1,
		.is_chained = true};
	struct bpf_object *object = NULL;
	int r;

	if (!slots->chain)
		return attachment_open_index(interface->name, interface->ifindex,
			collector_program_fd(slots->collector, index), &slots->options.attach,
			ret_attachment, ret_error);
	r = collector_open_object(slots->collector, index, &object);
	if (r == 0)
		r = chain_attach(slots->chain, interface, object, &attachment.mode, ret_error);
	if (r < 0)
		return r;
	memcpy(attachment.name, interface->name, sizeof(attachment.name));
	*ret_attachment = attachment;
	return 0;
}

static int slot_attach(struct slots *slots, unsigned int index, const struct interface *interface,
	char **ret_error)
{
	struct slot *slot = &slots->slots[index];
	struct slot fresh = {.wanted = slot->wanted,
		.used = true,
		.attachment = {.ifindex = interface->ifindex},
		.since_ns = clock_realtime_ns()};
	/* Before the first packet. */
	int r = collector_read_interface(slots->collector, index, &fresh.base);

	if (r == 0)
		r = collector_read_unparsed(slots->collector, index, &fresh.unparsed_base);
	if (r < 0)
		return error_set(ret_error, r, "%s: cannot read its counters: %s", interface->name,
			strerror(-r));
	memcpy(fresh.attachment.name, interface->name, sizeof(fresh.attachment.name));
	slot_note(slots, index, &fresh);
	r = attach(slots, index, interface, &fresh.attachment, ret_error);
	if (r < 0) {
		slot_unpin(slots, index);
		return r;
	}
	pthread_mutex_lock(&slots->lock);
	slot_forget(slots, slot);
	*slot = fresh;
	slots->changes++;
	pthread_mutex_unlock(&slots->lock);
	slot_pin(slots, index);
	return 0;
}

/* Its program must be out of use. */
static void slot_close(struct slots *slots, unsigned int index)
{
	struct slot *slot = &slots->slots[index];
	struct interface_event last = {0};
	struct unparsed unparsed = {0};

	pthread_mutex_lock(&slots->lock);
	if (read_totals(slots, index, &last) < 0 || read_unparsed(slots, index, &unparsed) < 0)
		log_error("cannot read the last counters interface=%s", slot->attachment.name);
	slot_unpin(slots, index);
	attachment_close(&slot->attachment);
	slot->last = last;
	slot->unparsed_last = unparsed;
	slot->gone_ns = clock_monotonic_ns();
	slots->changes++;
	pthread_mutex_unlock(&slots->lock);
}

/* The interface goes, or is no longer one to count on. */
static void slot_lose(struct slots *slots, unsigned int index, const char *why)
{
	struct slot *slot = &slots->slots[index];

	attachment_disable(&slot->attachment);
	attach_wait_unused();
	slot_close(slots, index);
	log_warning("%s interface=%s mode=%s packets=%" PRIu64, why, slot->attachment.name,
		attach_mode_name(slot->attachment.mode), (uint64_t)slot->last.packets);
	slots->options.last_totals(slots->options.user, &slot->last);
}

/* ---- what cannot be attached to ---- */

static struct refusal *refusal_find(struct slots *slots, int ifindex)
{
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		if (slots->refusals[i].ifindex == ifindex)
			return &slots->refusals[i];
	return NULL;
}

/* The room of one that need not be remembered any more, or of the one that is tried next. */
static struct refusal *refusal_room(struct slots *slots)
{
	struct refusal *room = &slots->refusals[0];

	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *refusal = &slots->refusals[i];

		if (!interface_list_find_index(&slots->list, refusal->ifindex))
			return refusal;
		if (refusal->retry_ns < room->retry_ns)
			room = refusal;
	}
	return room;
}

/* The same reason is given once. */
static void note_refusal(struct slots *slots, int ifindex, int error, const char *message)
{
	struct refusal *refusal = refusal_find(slots, ifindex);
	bool is_news = !refusal || refusal->error != error;

	if (!refusal)
		refusal = refusal_room(slots);
	*refusal = (struct refusal){
		.ifindex = ifindex,
		.error = error,
		.retry_ns = clock_monotonic_ns() + RETRY_NS,
	};
	log_message(is_news ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "%s",
		message ? message : strerror(-error));
}

static bool may_try(struct slots *slots, int ifindex, uint64_t now_ns)
{
	const struct refusal *refusal = refusal_find(slots, ifindex);

	return !refusal || now_ns >= refusal->retry_ns;
}

static void try_attach(struct slots *slots, unsigned int index, const struct interface *interface)
{
	_cleanup_free_ char *error = NULL;
	int r = slot_attach(slots, index, interface, &error);
	struct refusal *refusal;

	if (r == -ENODEV)
		return; /* gone again: there is word of that, too */
	if (r < 0) {
		note_refusal(slots, interface->ifindex, r, error);
		return;
	}
	refusal = refusal_find(slots, interface->ifindex);
	if (refusal)
		*refusal = (struct refusal){0};
}

/* ---- following ---- */

int slot_of(const struct slots *slots, int ifindex)
{
	for (unsigned int i = 0; i < slots->count; i++)
		if (is_attached(&slots->slots[i]) && slots->slots[i].attachment.ifindex == ifindex)
			return (int)i;
	return -1;
}

/* Better: that of an interface of this name, then one never used, then the one gone longest. */
static bool is_better(const struct slot *a, const struct slot *b, const char *name)
{
	bool a_had = a->used && strcmp(a->attachment.name, name) == 0;
	bool b_had = b->used && strcmp(b->attachment.name, name) == 0;

	if (a_had != b_had)
		return a_had;
	if (a->used != b->used)
		return !a->used;
	return a->gone_ns < b->gone_ns;
}

static int slot_choose(const struct slots *slots, const char *name)
{
	int best = -1;

	for (unsigned int i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->slots[i];

		if (slot->wanted || is_attached(slot))
			continue;
		if (best < 0 || is_better(slot, &slots->slots[best], name))
			best = (int)i;
	}
	return best;
}

int slot_wanting(const struct slots *slots, const struct interface *interface)
{
	for (unsigned int i = 0; i < slots->count; i++) {
		const char *wanted = slots->slots[i].wanted;

		/* An interface may have several names. */
		if (wanted && (strcmp(wanted, interface->name) == 0 ||
				      if_nametoindex(wanted) == (unsigned int)interface->ifindex))
			return is_attached(&slots->slots[i]) ? -1 : (int)i;
	}
	return matches(&slots->options, interface->name) ? slot_choose(slots, interface->name) : -1;
}

static void rename_slot(struct slots *slots, struct slot *slot, const char *name)
{
	log_info("interface renamed interface=%s was=%s", name, slot->attachment.name);
	pthread_mutex_lock(&slots->lock);
	snprintf(slot->attachment.name, sizeof(slot->attachment.name), "%s", name);
	pthread_mutex_unlock(&slots->lock);
}

static void check_slot(struct slots *slots, unsigned int index)
{
	struct slot *slot = &slots->slots[index];
	const struct interface *interface =
		interface_list_find_index(&slots->list, slot->attachment.ifindex);

	if (!interface) {
		slot_lose(slots, index, "interface gone, attached to again when it is back");
		return;
	}
	if (slot->is_detached) {
		slot_lose(slots, index, "the program was detached by somebody else");
		return;
	}
	if (strcmp(interface->name, slot->attachment.name) == 0)
		return;
	/* A name stands for the device that had it at first; a pattern for whatever matches. */
	rename_slot(slots, slot, interface->name);
	if (!slot->wanted && !matches(&slots->options, interface->name))
		slot_lose(slots, index, "its new name matches no pattern, so it is let go");
}

static void attach_named(struct slots *slots, unsigned int index, uint64_t now_ns)
{
	struct slot *slot = &slots->slots[index];
	const struct interface *interface = interface_list_find(&slots->list, slot->wanted);

	if (!interface && !slot->missing && !slot->used)
		log_warning(
			"waiting for an interface that is not there interface=%s", slot->wanted);
	slot->missing = true;
	if (interface && may_try(slots, interface->ifindex, now_ns))
		try_attach(slots, index, interface);
}

static void attach_matching(struct slots *slots, const struct interface *interface, uint64_t now_ns)
{
	int index = slot_choose(slots, interface->name);

	if (index >= 0) {
		slots->is_full = false;
		if (may_try(slots, interface->ifindex, now_ns))
			try_attach(slots, (unsigned int)index, interface);
		return;
	}
	if (!slots->is_full)
		log_error("more interfaces match than can be followed, so the others are not "
			  "counted first=%s max=%u (see --follow-max)",
			interface->name, slots->options.follow_max);
	slots->is_full = true;
}

static void attach_what_matches(struct slots *slots, uint64_t now_ns)
{
	unsigned int refused = 0;

	for (size_t i = 0; i < slots->list.count; i++) {
		const struct interface *interface = &slots->list.items[i];

		if (!matches(&slots->options, interface->name) ||
			slot_of(slots, interface->ifindex) >= 0)
			continue;
		attach_matching(slots, interface, now_ns);
		refused += slot_of(slots, interface->ifindex) < 0;
	}
	pthread_mutex_lock(&slots->lock);
	slots->refused = refused;
	pthread_mutex_unlock(&slots->lock);
}

void slots_drain(struct slots *slots)
{
	interfaces_drain(slots->interfaces);
}

/*
 * To be done before the interfaces are listed: the kernel takes one that goes out of its list, and then
 * the program from it. So what has lost its program, and is in the list afterwards, lost it otherwise.
 */
static void find_detached(struct slots *slots)
{
	for (unsigned int i = 0; i < slots->count; i++) {
		struct slot *slot = &slots->slots[i];

		slot->is_detached = is_attached(slot) && !attachment_is_alive(&slot->attachment);
	}
}

void slots_follow(struct slots *slots, uint64_t now_ns)
{
	int r;

	slots_drain(slots);
	find_detached(slots);
	r = interfaces_list(slots->interfaces, &slots->list);
	if (r < 0) {
		log_limited(
			LOG_LEVEL_ERROR, "cannot list the interfaces reason=\"%s\"", strerror(-r));
		return;
	}
	for (unsigned int i = 0; i < slots->count; i++)
		if (is_attached(&slots->slots[i]))
			check_slot(slots, i);
	if (slots->chain)
		return; /* all that was there at start is attached, and nothing more can be */
	for (unsigned int i = 0; i < slots->count; i++)
		if (slots->slots[i].wanted && !is_attached(&slots->slots[i]))
			attach_named(slots, i, now_ns);
	attach_what_matches(slots, now_ns);
}

/* ---- the first time ---- */

/* Named: the operator is there to be told. A name that is absent may be waited for. */
static int attach_names(struct slots *slots, char **ret_error)
{
	for (unsigned int i = 0; i < slots->count; i++) {
		const char *name = slots->slots[i].wanted;
		_cleanup_free_ char *absent = NULL;
		struct interface interface = {0};
		int r;

		if (!name || is_attached(&slots->slots[i]))
			continue;
		interface.ifindex = interface_find(name, &absent);
		if (interface.ifindex < 0 && slots->options.wait)
			continue;
		if (interface.ifindex < 0)
			return error_set(ret_error, interface.ifindex, "%s", absent);
		snprintf(interface.name, sizeof(interface.name), "%s", name);
		r = slot_attach(slots, i, &interface, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Nothing to count on at all is an error only if something was there. */
static int attach_first(struct slots *slots, char **ret_error)
{
	struct slots_stats stats;
	int r = attach_names(slots, ret_error);

	if (r < 0)
		return r;
	slots_follow(slots, clock_monotonic_ns());
	slots_get_stats(slots, &stats);
	if (stats.attached == 0 && slots->refused > 0)
		return error_set(ret_error, -ENODEV,
			"none of the interfaces that match could be attached to; the lines above "
			"say why");
	if (stats.attached == 0)
		log_warning("no interface to count on yet");
	return 0;
}

static int check_name(const struct slots_options *options, unsigned int index, char **ret_error)
{
	const char *name = options->wanted[index];
	_cleanup_free_ char *absent = NULL;
	int ifindex = interface_find(name, &absent);

	if (ifindex < 0 && !options->wait)
		return error_set(ret_error, ifindex, "%s%s", absent ? absent : name,
			"; --wait waits for it");
	for (unsigned int i = 0; i < index; i++) {
		const char *other = options->wanted[i];

		/* An interface may have several names. */
		if (strcmp(other, name) == 0 ||
			(ifindex > 0 && if_nametoindex(other) == (unsigned int)ifindex))
			return error_set(ret_error, -EEXIST, "%s: given twice", name);
	}
	return 0;
}

int slots_check(const struct slots_options *options, char **ret_error)
{
	for (unsigned int i = 0; i < options->wanted_count; i++) {
		int r = is_pattern(options->wanted[i]) ? 0 : check_name(options, i, ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

static int slots_alloc(struct slots *slots)
{
	const struct slots_options *options = &slots->options;
	unsigned int next = 0;

	slots->count = slots_needed(options);
	if (slots->count == 0)
		return -EINVAL;
	slots->slots = calloc(slots->count, sizeof(*slots->slots));
	if (!slots->slots)
		return -ENOMEM;
	for (unsigned int i = 0; i < slots->count; i++)
		slots->slots[i].attachment = (struct attachment){.link_fd = -1, .displaced_fd = -1};
	for (unsigned int i = 0; i < options->wanted_count; i++)
		if (!is_pattern(options->wanted[i]))
			slots->slots[next++].wanted = options->wanted[i];
	return 0;
}

int slots_new(const struct slots_options *options, struct collector *collector,
	struct slots **ret_slots, char **ret_error)
{
	_cleanup_(slots_freep) struct slots *slots = calloc(1, sizeof(*slots));
	int r;

	if (!slots)
		return -ENOMEM;
	pthread_mutex_init(&slots->lock, NULL);
	slots->options = *options;
	slots->collector = collector;
	r = slots_alloc(slots);
	if (r == 0 && options->attach.chain)
		r = chain_new(options->attach.priority, &slots->chain, ret_error);
	if (r < 0)
		return r;
	r = interfaces_open(&slots->interfaces);
	if (r == 0 && options->pins)
		r = slots_resume(slots);
	if (r < 0)
		return error_set(ret_error, r, "cannot ask for the interfaces: %s", strerror(-r));
	r = attach_first(slots, ret_error);
	if (r < 0)
		return r;
	*ret_slots = TAKE_PTR(slots);
	return 0;
}

int slots_keep(struct slots *slots)
{
	return slots->chain ? chain_keep(slots->chain) : 0;
}

void slots_detach(struct slots *slots)
{
	if (slots->chain)
		chain_detach(slots->chain);
	for (unsigned int i = 0; slots->slots && i < slots->count; i++)
		if (is_attached(&slots->slots[i]))
			attachment_disable(&slots->slots[i].attachment);
	attach_wait_unused();
	for (unsigned int i = 0; slots->slots && i < slots->count; i++)
		if (is_attached(&slots->slots[i])) {
			slot_close(slots, i);
			slots->options.last_totals(slots->options.user, &slots->slots[i].last);
		}
}

void slots_free(struct slots *slots)
{
	if (!slots)
		return;
	if (slots->leaves)
		slots_close_pinned(slots);
	slots_detach(slots);
	chain_free(slots->chain);
	interfaces_close(slots->interfaces);
	interface_list_done(&slots->list);
	pthread_mutex_destroy(&slots->lock);
	free(slots->slots);
	free(slots);
}

int slots_fd(const struct slots *slots)
{
	return interfaces_fd(slots->interfaces);
}

bool slots_have_displaced(const struct slots *slots)
{
	for (unsigned int i = 0; i < slots->count; i++)
		if (slots->slots[i].attachment.displaced_fd >= 0)
			return true;
	return false;
}

unsigned int slots_count(const struct slots *slots)
{
	return slots->count;
}

bool slots_get(struct slots *slots, unsigned int slot, struct slot_info *ret_info)
{
	const struct slot *from = &slots->slots[slot];
	bool used;

	pthread_mutex_lock(&slots->lock);
	used = from->used;
	if (used) {
		*ret_info = (struct slot_info){
			.mode = from->attachment.mode,
			.attached = is_attached(from),
		};
		memcpy(ret_info->name, from->attachment.name, sizeof(ret_info->name));
	}
	pthread_mutex_unlock(&slots->lock);
	return used;
}

void slots_get_stats(struct slots *slots, struct slots_stats *ret_stats)
{
	struct slots_stats stats = {0};

	pthread_mutex_lock(&slots->lock);
	stats.changes = slots->changes;
	stats.missing = slots->refused;
	stats.resumed = slots->resumed;
	for (unsigned int i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->slots[i];

		stats.attached += is_attached(slot);
		stats.pinned += slot->is_pinned;
		stats.generic += is_attached(slot) && slot->attachment.mode == ATTACH_GENERIC;
		stats.missing += slot->wanted && !is_attached(slot);
	}
	pthread_mutex_unlock(&slots->lock);
	*ret_stats = stats;
}
