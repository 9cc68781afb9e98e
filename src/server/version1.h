/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_VERSION1_H
#define SERVER_VERSION1_H

/* The socket of protocol version 1, on the server's loop: datagrams go to ingest.h, answers come back. */

#include "base/loop.h"
#include "server/ingest.h"
#include "server/metrics.h"

struct version1;

/*
 * Takes `fd`, also on failure. Sets ingest->user; ingest->reply is version1_reply(). `drop_rate` is for
 * tests. 0 or a negative errno.
 */
int version1_new(struct loop *loop, int fd, struct ingest *ingest, double drop_rate,
	struct version1 **ret_version1) _must_check_;
/* Takes no more datagrams. Idempotent. */
void version1_stop(struct version1 *version1);
void version1_free(struct version1 *version1);
DEFINE_CLEANUP(struct version1, version1_free)

/* ingest->reply. An answer that cannot be sent now is as one lost on the way: the switch asks again. */
void version1_reply(void *version1, const struct endpoint *to, const void *bytes, size_t size);

void version1_write_metrics(const struct version1 *version1, struct metrics *metrics);
/* Datagrams that were thrown away as `drop_rate` asks; NULL: none. */
uint64_t version1_simulated_drops(const struct version1 *version1);

#endif
