// SPDX-License-Identifier: BSD-2-Clause
/* For tests/unit/engine/test_calls.c: counts calls by key, and answers. */
#include <netlambda/function.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

lambda_batch_handler main_batch;

/* As in sum.c. */
int answer_main(const struct lambda_event *event, struct lambda_context *context) __asm__("main");

static int reply_endless(struct lambda_context *context)
{
	char *text = malloc((2U << 20) + 1);

	memset(text, ' ', 2U << 20);
	text[0] = '1';
	text[2U << 20] = '\0';
	lambda_reply(context, text);
	free(text);
	return 0;
}

int answer_main(const struct lambda_event *event, struct lambda_context *context)
{
	const char *request = lambda_request(context);
	double calls = lambda_counter_add(context, "calls", 1);

	if (!request) {
		lambda_reply(context,
			lambda_format(context, "{\"type\":\"port\",\"calls\":%.0f,\"said\":%u}",
				calls, event->port->syn));
		return 0;
	}
	if (strstr(request, "throw") || (strstr(request, "again") && calls == 1))
		return lambda_fail(context, "Error: as told");
	if (strstr(request, "exit"))
		_exit(3);
	if (strstr(request, "endless"))
		return reply_endless(context);
	if (!strstr(request, "nothing"))
		lambda_reply(context,
			lambda_format(context,
				"{\"type\":\"http\",\"calls\":%.0f,\"said\":\"hello\"}", calls));
	return 0;
}

int main_batch(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	for (size_t i = 0; i < count; i++)
		answer_main(&events[i], contexts[i]);
	return 0;
}
