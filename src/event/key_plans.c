// SPDX-License-Identifier: BSD-2-Clause
#include "event/key_plans.h"

void key_plans_init(struct key_plan plans[static EVENT_USER_MIN], const char *const *names)
{
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++)
		if (schema_builtin(id))
			key_plan_init(&plans[id], schema_builtin(id), names);
}
