/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_UPLINK_V1_H
#define AGENT_UPLINK_V1_H

/*
 * With version 1 of the protocol: what is acknowledged goes stop-and-wait and is sent again until it
 * is answered; what is not is sent once, in bounded bursts, and leaves the spool when it is put into a
 * datagram.
 */

#include "agent/uplink.h"
#include "base/loop.h"
#include "net/endpoint.h"

struct uplink_v1_options {
	struct endpoint server;
	uint32_t switch_id;
	uint64_t resend_ns;
};

/* `loop` and `spool` are borrowed. Returns 0 or a negative errno: -ENETUNREACH ... of connect(2). */
int uplink_v1_new(struct loop *loop, struct spool *spool, const struct uplink_v1_options *options,
	struct uplink **ret_uplink) _must_check_;

#endif
