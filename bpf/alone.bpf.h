/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_ALONE_BPF_H
#define BPF_ALONE_BPF_H

/*
 * What belongs to a CPU is written without atomics, so one packet must be through before the next one is
 * begun there. XDP programs run with softirqs disabled (drivers' NAPI loops, generic XDP, tun,
 * BPF_PROG_TEST_RUN), and so no kernel but one lets a second one in: with PREEMPT_RT and without
 * PREEMPT_RT_NEEDS_BH_LOCK (Linux 6.18 has the choice) a thread in such a section can be preempted by
 * another one on its CPU. On PREEMPT_RT kernels each packet therefore takes its CPU by an exchange, and one
 * that finds it taken is counted by atomics in the interface's totals and as without a flow. Elsewhere a
 * program without that is loaded.
 */

#include "account.h"
#include "flow_table.bpf.h"

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

/* Not inlined, so that their stack is free again while the packet is counted. */

/* 0: another packet is being counted on this CPU. */
static __noinline int alone_begin(void)
{
	const __u32 cpu_id = flow_cpu_id();
	struct flow_cpu *cpu = bpf_map_lookup_elem(&flow_cpus, &cpu_id);

	return cpu && __sync_lock_test_and_set(&cpu->busy, 1) == 0;
}

static __noinline int alone_end(void)
{
	const __u32 cpu_id = flow_cpu_id();
	struct flow_cpu *cpu = bpf_map_lookup_elem(&flow_cpus, &cpu_id);

	/* Not before what was counted: an exchange is a barrier. */
	return cpu && __sync_lock_test_and_set(&cpu->busy, 0);
}

static __always_inline void alone_count_crowded(struct interface_counters *total, __u64 size)
{
	__sync_fetch_and_add(&total->crowded_packets, 1);
	__sync_fetch_and_add(&total->crowded_bytes, size);
}

#endif
