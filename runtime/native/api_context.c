// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"

#include "event/render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPLY_MAX (1U << 20) /* bytes of JSON */

const char *lambda_format(struct lambda_context *context, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = len < 0 ? NULL : scratch_take(&context->around->scratch, (size_t)len + 1);
	if (!text) {
		api_refuse_error(context, -ENOMEM);
		return "";
	}
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

const char *lambda_ip(struct lambda_context *context, const ip_addr *ip)
{
	char text[IP_TEXT_MAX];

	return lambda_format(context, "%s", ip_render(ip, text));
}

const char *lambda_event_id(struct lambda_context *context)
{
	const struct pipe_event *event = context->event;
	uint32_t id, epoch;
	uint64_t sequence;

	if (!event)
		return "";
	id = le32toh(event->switch_id);
	epoch = le32toh(event->epoch);
	sequence = le64toh(event->sequence);
	if (epoch == 0)
		return lambda_format(
			context, "%" PRIu32 "-%" PRIu64 "-%u", id, sequence, le16toh(event->index));
	return lambda_format(context, "%" PRIu32 "-%" PRIu32 "-%u-%" PRIu64, id, epoch,
		le16toh(event->index), sequence);
}

const char *lambda_request(struct lambda_context *context)
{
	return context->event ? context->around->call.data : NULL;
}

void lambda_reply(struct lambda_context *context, const char *json)
{
	struct call *call = &context->around->call;
	json_error_t error;
	json_t *value;

	if (!context->event || !call->waits)
		return;
	value = json ? json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error) : NULL;
	if (!value) {
		context_refuse(
			context, "reply: expected JSON: %s", json ? error.text : "found NULL");
		return;
	}
	json_decref(value);
	if (strlen(json) > REPLY_MAX) {
		context_refuse(context, "reply: %zu bytes of JSON", strlen(json));
		return;
	}
	free(call->reply);
	call->reply = strdup(json);
	if (!call->reply)
		api_refuse_error(context, -ENOMEM);
}

void lambda_log(struct lambda_context *context _unused_, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}
