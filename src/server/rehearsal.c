// SPDX-License-Identifier: BSD-2-Clause
#include "server/rehearsal.h"

#include "base/clock.h"
#include "server/alert_log.h"
#include "server/api_json.h"
#include "server/call_event.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#define REHEARSALS_MAX 8

struct rehearsal {
	struct stage *stage;
	struct rehearsal *next;
	struct api_call *call;
	struct trial trial;
	struct call_event event;
	struct result *result;    /* to be given back to the engine */
	struct loop_timer finish; /* not from inside the engine's call */
	json_t *answer;
};

static void rehearsal_free(struct rehearsal *rehearsal)
{
	struct rehearsal **at = &rehearsal->stage->rehearsals;

	while (*at && *at != rehearsal)
		at = &(*at)->next;
	if (*at)
		*at = rehearsal->next;
	loop_disarm_timer(&rehearsal->finish);
	trial_stop(&rehearsal->trial);
	json_decref(rehearsal->answer);
	call_event_done(&rehearsal->event);
	free(rehearsal);
}

static void refuse(struct rehearsal *rehearsal, unsigned int code, const char *error)
{
	api_call_refuse(rehearsal->call, code, "%s", error ? error : "out of memory");
	rehearsal_free(rehearsal);
}

/* ---- what came of it ---- */

static json_t *alerts_json(const struct outcome *outcome, const char *function)
{
	json_t *alerts = json_array();

	for (size_t i = 0; i < outcome->alert_count; i++)
		json_push(&alerts, alert_to_eve(function, &outcome->alerts[i]));
	return alerts;
}

static json_t *state_json(const struct outcome *outcome)
{
	json_t *state = json_array();

	for (size_t i = 0; i < outcome->write_count; i++) {
		json_t *row = json_object();

		json_put(&row, "key", json_text(outcome->writes[i].key));
		json_put(&row, "name", json_text(outcome->writes[i].name));
		json_put(&row, "value", json_embed(outcome->writes[i].value));
		json_push(&state, row);
	}
	return state;
}

static json_t *output_json(const struct log_rings *logs, const char *name)
{
	json_t *output = json_array();
	struct log_line line;
	uint64_t after = 0;

	for (; log_rings_next(logs, name, after, &line) == 0; after = line.number)
		json_push(&output, json_text(line.text));
	return output;
}

static void on_finish(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct rehearsal *rehearsal = timer->user;
	const char *name = function_name(rehearsal->trial.function);

	json_put(&rehearsal->answer, "output", output_json(rehearsal->stage->logs, name));
	engine_committed(rehearsal->result, 0);
	api_call_answer(rehearsal->call, MHD_HTTP_OK, TAKE_PTR(rehearsal->answer));
	rehearsal_free(rehearsal);
}

bool stage_take_result(struct stage *stage, struct result *result)
{
	struct rehearsal *rehearsal = stage->rehearsals;
	const struct outcome *outcome = &result->outcome;
	struct result_iterator iterator;
	struct finished_event event;

	while (rehearsal && rehearsal->trial.function != result->function)
		rehearsal = rehearsal->next;
	if (!rehearsal)
		return false;
	result_iterate(result, &iterator);
	if (!result_next(&iterator, &event))
		return false;
	rehearsal->answer = json_object();
	json_put(&rehearsal->answer, "error", json_text(event.reason));
	json_put(&rehearsal->answer, "reply", json_embed(event.reply));
	json_put(&rehearsal->answer, "alerts", alerts_json(outcome, rehearsal->call->function));
	json_put(&rehearsal->answer, "state", state_json(outcome));
	rehearsal->result = result;
	/* What it printed may be on its way through another pipe. */
	loop_arm_timer(stage->loop, &rehearsal->finish, clock_monotonic_ns() + 20 * NS_PER_MS);
	return true;
}

/* ---- beginning ---- */

static void on_ready(struct trial *trial, const char *error)
{
	struct rehearsal *rehearsal = container_of(trial, struct rehearsal, trial);
	const struct called_event called = call_event_called(&rehearsal->event, 0);
	const struct event_run run = {
		.event_id = called.event_id,
		.switch_id = 1,
		.sequence = 1,
		.time_ns = clock_realtime_ns(),
		.records = called.record,
		.stride = called.record_size,
		.count = 1,
		.call = &called.call,
	};

	if (error)
		refuse(rehearsal, MHD_HTTP_UNPROCESSABLE_CONTENT, error);
	else if (function_push(trial->function, &run) != 1)
		refuse(rehearsal, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
}

static size_t count_rehearsals(const struct stage *stage)
{
	size_t count = 0;

	for (const struct rehearsal *other = stage->rehearsals; other; other = other->next)
		count++;
	return count;
}

void rehearse(struct stage *stage, const struct function_config *config, struct api_call *call)
{
	_cleanup_free_ char *error = NULL;
	struct rehearsal *rehearsal;
	int r;

	if (count_rehearsals(stage) >= REHEARSALS_MAX) {
		api_call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
			"too many calls are under way: try again");
		return;
	}
	rehearsal = calloc(1, sizeof(*rehearsal));
	if (!rehearsal) {
		api_call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	*rehearsal = (struct rehearsal){
		.stage = stage,
		.next = stage->rehearsals,
		.call = call,
		.trial = {.done = on_ready, .keep = true},
		.finish = {.fn = on_finish, .user = rehearsal},
	};
	stage->rehearsals = rehearsal;
	r = call_event_read(call->body, config, &rehearsal->event, &error);
	if (r < 0) {
		refuse(rehearsal, MHD_HTTP_BAD_REQUEST, error);
		return;
	}
	r = trial_start(&rehearsal->trial, stage->engine, stage->loop, config, &error);
	if (r < 0 && !error)
		error = strdup(strerror(-r));
	if (r < 0)
		refuse(rehearsal, MHD_HTTP_UNPROCESSABLE_CONTENT, error);
}

void stage_clear(struct stage *stage)
{
	while (stage->rehearsals)
		refuse(stage->rehearsals, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
}
