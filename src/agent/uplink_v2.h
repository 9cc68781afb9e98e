/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_UPLINK_V2_H
#define AGENT_UPLINK_V2_H

/*
 * With version 2 of the protocol (docs/protocol-2.md). Events are copied from the spool into the lanes of
 * a v2_sender, as far as these have room, and stay in both until the server has processed them; what the
 * spool sheds meanwhile is declared. The incarnation is that of the spool's journal. A TLS connection to
 * the same address and port opens sessions; it may break without harm to the one that is open.
 *
 *   class                   lane
 *   source, target          urgent
 *   port                    port
 *   flow_end                last
 *   interface, flow         update: sent once
 *
 * Sockets for datagrams are opened at once, so that only connect(2) is needed later on.
 */

#include "agent/uplink.h"
#include "base/loop.h"
#include "net/endpoint.h"
#include "pki/credentials.h"

struct uplink_v2_options {
	const struct endpoint_list *server;
	struct credentials_files files;
	const char *key_log; /* a file; NULL: none */
	size_t lane_events;  /* that a lane holds, at most */
};

/*
 * `loop`, `spool` and what the options point to are borrowed, the latter during the call. schema_init()
 * was called. 0, or a negative errno with a message in `ret_error`.
 */
int uplink_v2_new(struct loop *loop, struct spool *spool, const struct uplink_v2_options *options,
	struct uplink **ret_uplink, char **ret_error) _must_check_;

/* A fingerprint of the records that are sent. schema_init() was called. 0 or a negative errno. */
int uplink_v2_layout(uint64_t *ret_layout) _must_check_;

#endif
