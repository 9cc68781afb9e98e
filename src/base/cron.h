/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_CRON_H
#define BASE_CRON_H

/*
 * When something is due again and again, in UTC: crontab(5)'s five fields (minute, hour, day of
 * month, month, day of week; with lists, ranges, steps and names), @hourly, @daily, @weekly,
 * @monthly, @yearly, or "@every TIME", which is due at the multiples of a time since the UNIX
 * epoch. If both days are restricted, one of them is enough. No clock.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define CRON_EVERY_MIN_NS 1000000000ULL /* a second */

struct cron {
	uint64_t every_ns; /* not 0: the fields below are not used */
	uint64_t minutes;  /* bit = minute */
	uint32_t hours, days, months;
	uint8_t weekdays; /* bit 0 = Sunday */
	bool any_day, any_weekday;
};

/* 0, or -EINVAL with what is wrong in `ret_error` (to be freed). */
int cron_parse(const char *text, struct cron *ret_cron, char **ret_error) _must_check_;

/* The first time after `after_ns` (UNIX epoch) at which it is due; 0: never. */
uint64_t cron_next(const struct cron *cron, uint64_t after_ns);

#endif
