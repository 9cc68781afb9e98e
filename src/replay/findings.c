// SPDX-License-Identifier: BSD-2-Clause
#include "replay/findings.h"

#include "server/alert_log.h"
#include "server/api_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Takes `json`. */
static int add(struct findings *findings, const struct finding *finding)
{
	struct finding *items = findings->items;

	if (finding->json && finding->function && findings->count == findings->room) {
		size_t room = MAX(findings->room * 2, (size_t)64);

		items = reallocarray(findings->items, room, sizeof(*items));
		if (items) {
			findings->items = items;
			findings->room = room;
		}
	}
	if (!items || !finding->json || !finding->function) {
		json_decref(finding->json);
		free(finding->function);
		return -ENOMEM;
	}
	items[findings->count++] = *finding;
	return 0;
}

static int on_alert(void *user, uint64_t row, const char *function, const struct alert *alert)
{
	return add(user, &(struct finding){
				 .time_ns = alert->time_ns,
				 .row = row,
				 .function = strdup(function),
				 .json = alert_to_eve(function, alert),
			 });
}

static int on_dead_letter(
	void *user, uint64_t row, const char *function, const struct dead_letter *letter)
{
	json_t *json = json_object();

	json_put(&json, "time", json_time(letter->time_ns));
	json_put(&json, "function", json_text(function));
	json_put(&json, "event_id", json_integer(letter->event_id));
	json_put(&json, "attempts", json_integer(letter->attempts));
	json_put(&json, "reason", json_text(letter->reason));
	json_put(&json, "data", json_embed(letter->data));
	return add(user, &(struct finding){
				 .time_ns = letter->time_ns,
				 .row = row,
				 .function = strdup(function),
				 .json = json,
			 });
}

static int compare(const void *a, const void *b)
{
	const struct finding *left = a, *right = b;
	int order;

	if (left->time_ns != right->time_ns)
		return left->time_ns < right->time_ns ? -1 : 1;
	order = strcmp(left->function, right->function);
	return order ? order : (left->row > right->row) - (left->row < right->row);
}

static void sort(struct findings *findings)
{
	if (findings->count > 0)
		qsort(findings->items, findings->count, sizeof(*findings->items), compare);
}

int findings_read_alerts(struct store *store, struct findings *findings)
{
	const struct alert_filter all = {0};
	int r = store_each_alert(store, &all, on_alert, findings);

	sort(findings);
	return r;
}

int findings_read_dead_letters(struct store *store, struct findings *findings)
{
	int r = store_each_dead_letter(store, NULL, 0, on_dead_letter, findings);

	sort(findings);
	return r;
}

void findings_done(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		json_decref(findings->items[i].json);
		free(findings->items[i].function);
	}
	free(findings->items);
	*findings = (struct findings){0};
}
