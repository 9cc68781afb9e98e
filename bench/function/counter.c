// SPDX-License-Identifier: BSD-2-Clause
/* As counter.js. */
#include <netlambda/function.h>

lambda_handler count, look;

int count(const struct lambda_event *event, struct lambda_context *context)
{
	lambda_counter_add(context, "syn", event->port->syn);
	return 0;
}

int look(const struct lambda_event *event, struct lambda_context *context)
{
	return event->port->syn > 1000000000 ? lambda_fail(context, "too many") : 0;
}
