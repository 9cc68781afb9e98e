/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_BASELINE_TUPLE_H
#define BENCH_BASELINE_TUPLE_H

/* What the baselines' programs keep in their maps. */

#include <linux/types.h>

struct address {
	__u32 words[4]; /* network order; IPv4 in the first, the others 0 */
};

struct tuple {
	struct address src, dst;
	__u16 srcport, dstport; /* network order */
	__u8 protocol;
	__u8 is_ip6;
	__u16 pad;
};

struct flow_meta {
	struct tuple tuple;
	__u64 count;
	__u64 bytes;
	__u64 modified; /* monotonic ns; 0 = an entry that was never used */
};

#ifndef __cplusplus
_Static_assert(sizeof(struct flow_meta) == 64, "user space reads it");
#endif

#endif
