// SPDX-License-Identifier: BSD-2-Clause
#include "server/switches.h"

#include "base/siphash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct switches {
	struct siphash_key key;
	unsigned int max;
	size_t count;
	size_t mask;
	struct switch_ **slots;  /* open addressing, at most half full */
	struct switch_ **by_age; /* `count` of them */
	uint64_t full_until_ns;  /* none can be forgotten before */
	void (*forgotten)(void *user, const struct switch_ *sw);
	void *user;
};

int switches_new(unsigned int max, struct switches **ret_switches)
{
	_cleanup_(switches_freep) struct switches *switches = calloc(1, sizeof(*switches));
	size_t slots = 16;

	if (!switches)
		return -ENOMEM;
	if (getrandom(&switches->key, sizeof(switches->key), 0) < 0)
		return -errno;
	while (slots < (size_t)max * 2)
		slots *= 2;
	switches->max = max;
	switches->mask = slots - 1;
	switches->slots = calloc(slots, sizeof(*switches->slots));
	switches->by_age = calloc(max, sizeof(*switches->by_age));
	if (!switches->slots || !switches->by_age)
		return -ENOMEM;
	*ret_switches = TAKE_PTR(switches);
	return 0;
}

static void switch_free(struct switch_ *sw)
{
	stream_done(&sw->stream);
	free(sw);
}

void switches_free(struct switches *switches)
{
	if (!switches)
		return;
	for (size_t i = 0; i < switches->count; i++)
		switch_free(switches->by_age[i]);
	free(switches->by_age);
	free(switches->slots);
	free(switches);
}

void switches_watch(struct switches *switches,
	void (*forgotten)(void *user, const struct switch_ *sw), void *user)
{
	switches->forgotten = forgotten;
	switches->user = user;
}

/* ---- forgetting ---- */

static size_t home(const struct switches *switches, uint32_t id)
{
	return siphash(&switches->key, &id, sizeof(id)) & switches->mask;
}

static size_t find(const struct switches *switches, uint32_t id)
{
	size_t at = home(switches, id);

	while (switches->slots[at] && switches->slots[at]->id != id)
		at = (at + 1) & switches->mask;
	return at;
}

/* What was put off its place by the one that goes moves up. */
static void free_slot(struct switches *switches, size_t hole)
{
	size_t at = hole;

	for (;;) {
		size_t distance;

		at = (at + 1) & switches->mask;
		if (!switches->slots[at])
			break;
		distance = (at - home(switches, switches->slots[at]->id)) & switches->mask;
		if (distance < ((at - hole) & switches->mask))
			continue;
		switches->slots[hole] = switches->slots[at];
		hole = at;
	}
	switches->slots[hole] = NULL;
}

static void forget(struct switches *switches, size_t index)
{
	struct switch_ *sw = switches->by_age[index];

	if (switches->forgotten)
		switches->forgotten(switches->user, sw);
	free_slot(switches, find(switches, sw->id));
	switches->count--;
	memmove(switches->by_age + index, switches->by_age + index + 1,
		(switches->count - index) * sizeof(struct switch_ *));
	switch_free(sw);
}

/* Whether there is room for one more. Looks at each switch only when one of them may go. */
static bool make_room(struct switches *switches, uint64_t now_ns)
{
	uint64_t oldest_ns = UINT64_MAX;
	size_t oldest = 0;

	if (switches->count < switches->max)
		return true;
	if (now_ns < switches->full_until_ns)
		return false;
	for (size_t i = 0; i < switches->count; i++) {
		struct switch_ *sw = switches->by_age[i];

		if (sw->used_ns >= oldest_ns || !stream_is_idle(&sw->stream))
			continue;
		oldest = i;
		oldest_ns = sw->used_ns;
	}
	if (oldest_ns == UINT64_MAX || now_ns < oldest_ns + SWITCH_IDLE_NS) {
		switches->full_until_ns = now_ns + SWITCH_IDLE_NS / 100;
		return false;
	}
	forget(switches, oldest);
	return true;
}

struct switch_ *switches_get(struct switches *switches, uint32_t id, uint64_t now_ns)
{
	struct switch_ *sw = switches->slots[find(switches, id)];

	if (sw) {
		sw->used_ns = now_ns;
		return sw;
	}
	if (!make_room(switches, now_ns))
		return NULL;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return NULL;
	sw->id = id;
	sw->used_ns = now_ns;
	if (stream_init(&sw->stream, stream_id(id, STREAM_V1), V1_EVENTS_MAX + 1) < 0) {
		free(sw);
		return NULL;
	}
	switches->slots[find(switches, id)] = sw;
	switches->by_age[switches->count++] = sw;
	return sw;
}

size_t switches_count(const struct switches *switches)
{
	return switches->count;
}

struct switch_ *switches_at(struct switches *switches, size_t index)
{
	return switches->by_age[index];
}
