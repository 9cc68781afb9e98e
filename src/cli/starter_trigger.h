/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_STARTER_TRIGGER_H
#define CLI_STARTER_TRIGGER_H

/*
 * What a new function is called by, besides port events, and what it does therefore: what follows from
 * `netlambda function new --trigger`.
 */

#include "base/attr.h"
#include "base/cron.h"

#define STARTER_PATH_MAX 128

enum starter {
	STARTER_EVENT, /* port events alone */
	STARTER_HTTP,
	STARTER_TIMER,
	STARTERS,
};

struct starter_trigger {
	enum starter starter;
	const char *text;                 /* "timer:@every 5m"; borrowed */
	char path[STARTER_PATH_MAX];      /* that a request may have; "" if there are none */
	char lines[1024];                 /* of the manifest: triggers and key */
	struct cron cron;                 /* of a timer */
	const char *description, *config; /* of the manifest */
	const char *purpose;              /* "it raises an alert when ..." */
};

/* `text`: NULL is "event:port". 0, or -EINVAL with a message in `ret_error` (to be freed). */
int starter_trigger_parse(
	const char *text, struct starter_trigger *ret_trigger, char **ret_error) _must_check_;

#endif
