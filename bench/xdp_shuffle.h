/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_XDP_SHUFFLE_H
#define BENCH_XDP_SHUFFLE_H

/* What bench/xdp_shuffle.bpf.c and bench/xdp.c agree on. */

#define SEQUENCE_LENGTH (1U << 22) /* packets before the sequence begins again */
#define SEQUENCE_CHUNK  16         /* flow numbers in an element: a cache line, no padding */

/* The flow number (below 2^24) as 10.x.y.z, and as a port that is not privileged. */
#define FLOW_ADDRESS(flow) (0x0a000000U | (flow))
#define FLOW_PORT(flow)    (1024 + (flow) % 60000)

#endif
