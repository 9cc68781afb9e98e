/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Time in nanoseconds. Only daemons' controllers and tools read these clocks; every core
 * (src/wire, src/event, function windows) takes `now` as a parameter.
 */

#include <stdint.h>

#define NS_PER_US  1000ULL
#define NS_PER_MS  1000000ULL
#define NS_PER_SEC 1000000000ULL

/* Nanoseconds since an arbitrary start; never goes back, stops during suspend. */
uint64_t clock_monotonic_ns(void);

/* Nanoseconds since the UNIX epoch. */
uint64_t clock_realtime_ns(void);

#endif
