// SPDX-License-Identifier: BSD-2-Clause
#include "cli/starter_trigger.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* No "*" but at the end, no quotes: it stands in comments and in JSON. */
#define PATH_CHARACTERS "/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

#define SCHEDULE_MAX 256 /* characters */

#define SYN_PURPOSE                                                                                \
	"it raises an alert when a source sends more than `syn` SYN segments within `window`"
#define SYN_CONFIG "{ \"syn\": 200, \"window\": \"10s\" }"

static const struct starter_trigger starters[STARTERS] = {
	[STARTER_EVENT] = {.starter = STARTER_EVENT,
		.lines = "  \"events\": [1],\n  \"key\": [\"srcip\"],\n",
		.description = "A source that sends many SYN segments",
		.config = SYN_CONFIG,
		.purpose = SYN_PURPOSE},
	[STARTER_HTTP] = {.starter = STARTER_HTTP,
		.description = "A source that sends many SYN segments, and what is asked of it",
		.config = SYN_CONFIG,
		.purpose = SYN_PURPOSE ", and answers requests that ask for a source's"},
	[STARTER_TIMER] = {.starter = STARTER_TIMER,
		.description = "Reports how many SYN segments there were",
		.config = "{}",
		.purpose = "it counts SYN segments, and reports by the clock how many there were"},
};

static int take_path(const char *path, struct starter_trigger *trigger, char **ret_error)
{
	size_t len = strspn(path, PATH_CHARACTERS);

	/* What follows "/scans/" may be anything: "/scans/" itself is an example. */
	if (*path != '/' || len >= sizeof(trigger->path) ||
		(path[len] && (strcmp(path + len, "*") != 0 || path[len - 1] != '/')))
		return error_set(ret_error, -EINVAL,
			"http:%s: expected a path of \"/\", letters, digits and \"-._~\", such as "
			"http:/scans or http:/scans/*",
			path);
	snprintf(trigger->path, sizeof(trigger->path), "%.*s", (int)len, path);
	return 0;
}

/* It stands in JSON as it is. */
static int take_schedule(const char *schedule, struct starter_trigger *trigger, char **ret_error)
{
	_cleanup_free_ char *error = NULL;
	const char *wrong = NULL;

	if (cron_parse(schedule, &trigger->cron, &error) < 0)
		wrong = error ? error : "out of memory";
	else if (cron_next(&trigger->cron, 0) == 0)
		wrong = "it is never due";
	else if (strlen(schedule) >= SCHEDULE_MAX || strpbrk(schedule, "\"\\\t"))
		wrong = "expected fewer than 256 characters, and spaces between its fields";
	return wrong ? error_set(ret_error, -EINVAL, "timer:%s: %s", schedule, wrong) : 0;
}

int starter_trigger_parse(const char *text, struct starter_trigger *ret_trigger, char **ret_error)
{
	struct starter_trigger trigger = starters[STARTER_EVENT];
	int r = 0;

	if (!text || strcmp(text, "event:port") == 0 || strcmp(text, "event:1") == 0) {
		*ret_trigger = trigger;
		return 0;
	}
	if (strncmp(text, "http:", 5) == 0) {
		trigger = starters[STARTER_HTTP];
		r = take_path(text + 5, &trigger, ret_error);
	} else if (strncmp(text, "timer:", 6) == 0) {
		trigger = starters[STARTER_TIMER];
		r = take_schedule(text + 6, &trigger, ret_error);
	} else {
		r = error_set(ret_error, -EINVAL,
			"expected \"event:port\", \"http:/PATH\" or \"timer:SCHEDULE\", found "
			"\"%s\"",
			text);
	}
	if (r < 0)
		return r;
	trigger.text = text;
	snprintf(trigger.lines, sizeof(trigger.lines),
		"  \"triggers\": [\"event:port\", \"%s\"],\n%s", text,
		trigger.starter == STARTER_HTTP ? "  \"key\": [\"srcip\"],\n" : "");
	*ret_trigger = trigger;
	return 0;
}
