// SPDX-License-Identifier: BSD-2-Clause
#include <netlambda/function.h>

int broken_main(const struct lambda_event *event, struct lambda_context *context) __asm__("main");
int broken_init(struct lambda_context *context) __asm__("main_init");

int broken_main(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event, (void)context;
	return 0;
}

int broken_init(struct lambda_context *context)
{
	return lambda_fail(context, "broken on purpose");
}
