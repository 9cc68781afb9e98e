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

void switches_free(struct switches *switches)
{
	if (!switches)
		return;
	for (size_t i = 0; i < switches->count; i++) {
		stream_done(&switches->by_age[i]->stream);
		free(switches->by_age[i]);
	}
	free(switches->by_age);
	free(switches->slots);
	free(switches);
}

struct switch_ *switches_get(struct switches *switches, uint32_t id)
{
	size_t at = siphash(&switches->key, &id, sizeof(id)) & switches->mask;
	struct switch_ *sw;

	for (; switches->slots[at]; at = (at + 1) & switches->mask)
		if (switches->slots[at]->id == id)
			return switches->slots[at];
	if (switches->count == switches->max)
		return NULL;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return NULL;
	sw->id = id;
	if (stream_init(&sw->stream, stream_id(id, STREAM_V1), V1_EVENTS_MAX + 1) < 0) {
		free(sw);
		return NULL;
	}
	switches->slots[at] = sw;
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

void switch_note_interface(struct switch_ *sw, const struct interface_event *event)
{
	for (size_t i = 0; i < ARRAY_SIZE(sw->interfaces); i++) {
		struct interface_counters *interface = &sw->interfaces[i];

		if (interface->ifindex != event->ifindex && interface->ifindex != 0)
			continue;
		interface->ifindex = event->ifindex;
		interface->last = *event;
		return;
	}
	sw->interfaces_ignored++;
}
