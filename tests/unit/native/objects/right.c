// SPDX-License-Identifier: BSD-2-Clause
#include <netlambda/function.h>

lambda_handler handle;
lambda_batch_handler handle_batch;
lambda_init_handler handle_init;

int handle(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event, (void)context;
	return 1;
}

int handle_batch(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	(void)events, (void)count, (void)contexts;
	return 2;
}

int handle_init(struct lambda_context *context)
{
	(void)context;
	return 3;
}
