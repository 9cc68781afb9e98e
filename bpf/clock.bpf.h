/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_CLOCK_BPF_H
#define BPF_CLOCK_BPF_H

/*
 * What time it is for the counters: the kernel's monotonic clock, or, where packets of a capture are
 * run through the program, the time that user space sets before each of them. Which one is settled
 * when the program is loaded, so that the other costs nothing.
 */

#include "account.h"

#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

const volatile bool clock_is_given;
volatile __u64 clock_given_ns; /* UNIX epoch */

static __always_inline __u64 clock_now(void)
{
	return clock_is_given ? clock_given_ns : bpf_ktime_get_ns();
}

/* The flow table's time, which costs nothing to read: jiffies, or 2^CLOCK_TICK_SHIFT ns if given. */
static __always_inline __u64 clock_tick(void)
{
	return clock_is_given ? clock_given_ns >> CLOCK_TICK_SHIFT : bpf_jiffies64();
}

#endif
