// SPDX-License-Identifier: BSD-2-Clause
/* Wants a function that the worker does not have. */
#include <netlambda/function.h>

lambda_handler handle;
int lambda_of_the_future(struct lambda_context *context);

int handle(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event;
	return lambda_of_the_future(context);
}
