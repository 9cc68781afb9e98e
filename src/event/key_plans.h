/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_KEY_PLANS_H
#define EVENT_KEY_PLANS_H

/* A key's plan in the records of each event. Apart from key.h, which a worker has without the schemas of all events. */

#include "event/key.h"

/* key_plan_init() for each event that has a schema, by its id. */
void key_plans_init(struct key_plan plans[static EVENT_USER_MIN], const char *const *names);

#endif
