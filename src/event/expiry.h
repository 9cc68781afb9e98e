/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_EXPIRY_H
#define EVENT_EXPIRY_H

/*
 * When what a function remembers goes by itself: values and counters with a time to live, and windows that
 * have emptied. The runtimes say that of what they have in memory, by the same rules; this says it of what is
 * only in the store, from its text. The forms are those of tests/state/cases.json.
 */

#include <stdint.h>

#define EXPIRY_NEVER UINT64_MAX

/* In milliseconds of event time, UNIX epoch. */
uint64_t expiry_ms(const char *value);

#endif
