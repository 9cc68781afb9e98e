// SPDX-License-Identifier: BSD-2-Clause
#include "engine/event_list.h"

void event_list_append(struct event_list *list, struct event_list *from)
{
	if (from->count == 0)
		return;
	*(list->count > 0 ? list->end : &list->first) = from->first;
	list->end = from->end;
	list->count += from->count;
	*from = (struct event_list){0};
}

static bool comes_before(const struct event *a, const struct event *b)
{
	return (int32_t)(a->arrival - b->arrival) < 0;
}

void event_list_merge(struct event_list *list, struct event_list *from)
{
	struct event **at = &list->first;

	if (list->count == 0) {
		event_list_append(list, from);
		return;
	}
	list->count += from->count;
	while (from->first && *at) {
		struct event *event = from->first;

		if (comes_before(event, *at)) {
			from->first = event->next;
			event->next = *at;
			*at = event;
		}
		at = &(*at)->next;
	}
	if (from->first) {
		*at = from->first;
		list->end = from->end;
	}
	*from = (struct event_list){0};
}

void event_list_extract(struct event_list *list, unsigned int partition, struct event_list *to)
{
	struct event_list all = *list, rest = {0};
	struct event *event;

	while ((event = event_list_take(&all)))
		event_list_push(event->partition == partition ? to : &rest, event);
	*list = rest;
}
