// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"
#include "frame.h"

#include <errno.h>

#define ALERTS_MAX   64         /* an event */
#define ALERT_MAX    (64 << 10) /* bytes of JSON */
#define WORDS_MAX    256        /* bytes of a title or category */
#define IP_WORDS_MAX 63

static const char *const severities[] = {"critical", "high", "medium", "low", "info"};

static const char *check_severity(struct lambda_context *context, const char *severity)
{
	if (!severity)
		return "medium";
	for (size_t i = 0; i < ARRAY_SIZE(severities); i++)
		if (strcmp(severity, severities[i]) == 0)
			return severities[i];
	context_refuse(context,
		"alert: severity: expected one of critical, high, medium, low, info, found \"%s\"",
		severity);
	return NULL;
}

static bool check_words(
	struct lambda_context *context, const char *member, const char *text, size_t most)
{
	size_t len = strlen(text);

	if (len > 0 && len <= most && utf8_is_valid(text, len))
		return true;
	context_refuse(context, "alert: %s: expected 1 to %zu bytes of UTF-8", member, most);
	return false;
}

static void put_member(struct pipe_buffer *to, const char *name)
{
	json_put(to, to->size > 0 && to->bytes[to->size - 1] != '{' ? ",\"" : "\"");
	json_put(to, name);
	json_put(to, "\":");
}

static void put_words(struct pipe_buffer *to, const char *name, const char *text)
{
	put_member(to, name);
	json_put_string(to, text, strlen(text));
}

/* What is left out is the event's own; null is none. */
static bool put_ip(
	struct lambda_context *context, struct pipe_buffer *to, const char *name, const char *ip)
{
	if (!ip)
		return true;
	if (*ip && !check_words(context, name, ip, IP_WORDS_MAX))
		return false;
	if (*ip) {
		put_words(to, name, ip);
	} else {
		put_member(to, name);
		json_put(to, "null");
	}
	return true;
}

static bool put_number(
	struct lambda_context *context, struct pipe_buffer *to, const char *name, int number)
{
	if (number == 0)
		return true;
	if (number < LAMBDA_NONE || number > UINT16_MAX) {
		context_refuse(context, "alert: %s: found %d", name, number);
		return false;
	}
	put_member(to, name);
	if (number == LAMBDA_NONE)
		json_put(to, "null");
	else
		json_put_number(to, number);
	return true;
}

static bool put_data(struct lambda_context *context, struct pipe_buffer *to, const char *data)
{
	json_error_t error;
	json_t *json;
	char *text;
	bool ok;

	if (!data)
		return true;
	json = json_loads(data, JSON_REJECT_DUPLICATES, &error);
	ok = json_is_object(json);
	json_decref(json);
	if (!ok) {
		context_refuse(context, "alert: data: expected a JSON object, found %s",
			json ? "something else" : error.text);
		return false;
	}
	text = malloc(strlen(data) + 1);
	if (!text) {
		api_refuse_error(context, -ENOMEM);
		return false;
	}
	put_member(to, "data");
	json_put_bytes(to, text, json_compact(data, text));
	free(text);
	return true;
}

static bool put_alert(struct lambda_context *context, const struct lambda_alert *alert,
	const char *severity, struct pipe_buffer *to)
{
	json_put(to, "{");
	put_words(to, "severity", severity);
	put_words(to, "title", alert->title);
	put_words(to, "category", alert->category ? alert->category : "Network anomaly");
	if (!put_data(context, to, alert->data) || !put_ip(context, to, "srcip", alert->srcip) ||
		!put_ip(context, to, "dstip", alert->dstip) ||
		!put_number(context, to, "srcport", alert->srcport) ||
		!put_number(context, to, "dstport", alert->dstport) ||
		!put_number(context, to, "protocol", alert->protocol))
		return false;
	json_put(to, "}");
	return true;
}

void lambda_alert(struct lambda_context *context, const struct lambda_alert *alert)
{
	struct pipe_buffer *alerts = &context->around->alerts;
	size_t before = alerts->size, text;
	const char *severity;

	if (!context->event)
		context_refuse(context, "alert: there is no event");
	if (context->alerts >= ALERTS_MAX)
		context_refuse(context, "alert: more than %d for one event", ALERTS_MAX);
	severity = check_severity(context, alert->severity);
	if (context->failed ||
		!check_words(context, "title", alert->title ? alert->title : "", WORDS_MAX) ||
		(alert->category && !check_words(context, "category", alert->category, WORDS_MAX)))
		return;
	frame_put_u32(alerts, context->index);
	text = frame_begin_text(alerts);
	if (!put_alert(context, alert, severity, alerts)) {
		alerts->size = before;
		return;
	}
	if (alerts->size - text > ALERT_MAX)
		context_refuse(context, "alert: %zu bytes of JSON", alerts->size - text);
	frame_end_text(alerts, text);
	if (alerts->failed)
		api_refuse_error(context, -ENOMEM);
	context->alerts++;
	context->around->alert_count++;
}

/* ---- in order ---- */

struct raised {
	uint32_t index;
	size_t at, size;
};

static size_t cut(const struct surroundings *around, struct raised *raised)
{
	struct cursor c;
	size_t count = 0;

	cursor_read_init(&c, around->alerts.bytes, around->alerts.size);
	for (; count < around->alert_count && cursor_ok(&c); count++) {
		size_t at = c.pos;

		raised[count].index = cursor_get_le32(&c);
		pipe_get_text(&c, NULL);
		raised[count].at = at;
		raised[count].size = c.pos - at;
	}
	return count;
}

/* Those of one event stay in their order. */
static int compare_raised(const void *left, const void *right)
{
	const struct raised *a = left, *b = right;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

int alerts_sort(struct surroundings *around)
{
	_cleanup_free_ struct raised *raised = NULL;
	struct pipe_buffer sorted = {0};
	size_t count;

	if (around->alert_count < 2 || around->alerts.failed)
		return 0;
	raised = calloc(around->alert_count, sizeof(*raised));
	if (!raised)
		return -ENOMEM;
	count = cut(around, raised);
	qsort(raised, count, sizeof(*raised), compare_raised);
	for (size_t i = 0; i < count; i++)
		json_put_bytes(
			&sorted, (const char *)around->alerts.bytes + raised[i].at, raised[i].size);
	if (sorted.failed) {
		pipe_buffer_done(&sorted);
		return -ENOMEM;
	}
	pipe_buffer_done(&around->alerts);
	around->alerts = sorted;
	return 0;
}
