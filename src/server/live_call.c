// SPDX-License-Identifier: BSD-2-Clause
#include "server/live_call.h"

#include "base/clock.h"
#include "server/api_json.h"
#include "server/call_event.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#define WAIT_NS (5 * NS_PER_SEC) /* beyond the time that the function may take */

static void on_called(void *user, enum call_end end, const char *text)
{
	struct api_call *call = user;
	json_t *answer;

	switch (end) {
	case CALL_DONE:
	case CALL_FAILED:
		answer = json_object();
		json_put(&answer, "error", json_text(end == CALL_FAILED ? text : NULL));
		json_put(&answer, "reply", json_embed(end == CALL_DONE ? text : NULL));
		api_call_answer(call, MHD_HTTP_OK, answer);
		break;
	case CALL_NOT_RUN:
		api_call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the function could not take the event: it was not run");
		break;
	case CALL_LATE:
		api_call_refuse(call, MHD_HTTP_GATEWAY_TIMEOUT,
			"the function is not done in time: it may be yet");
		break;
	}
}

void live_call(struct callers *callers, struct unit *unit, struct api_call *call)
{
	const struct function_config *config = unit->config;
	_cleanup_free_ char *error = NULL;
	struct called_event called;
	struct call_event event;
	struct caller *caller;
	int r;

	if (!unit_is_live(unit)) {
		api_call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the function is not at work: it is being replaced, or cannot be run");
		return;
	}
	r = call_event_read(call->body, config, &event, &error);
	if (r < 0) {
		api_call_refuse(call,
			r == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_INTERNAL_SERVER_ERROR, "%s",
			error ? error : "out of memory");
		return;
	}
	called = call_event_called(&event, config->timeout_ns * config->attempts + WAIT_NS);
	r = callers_call(callers, unit->function, &called, on_called, call, &caller);
	call_event_done(&event);
	if (r < 0) {
		unit->calls_refused++;
		api_call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the function has too much to do: the event was not run");
	}
}
