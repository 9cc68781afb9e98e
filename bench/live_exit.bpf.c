// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In the place of a network card behind the port that frames leave by: counts them and throws them
 * away, for less than any driver.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <linux/pkt_cls.h>

__u64 left; /* one CPU sends at a time */

SEC("tc")
int live_exit(struct __sk_buff *skb)
{
	left++;
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
