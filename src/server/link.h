/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_LINK_H
#define SERVER_LINK_H

/*
 * Version 2 of the protocol in the server: who connects (TLS, on the control thread), whose datagrams
 * come (receive workers, each a thread), and what becomes of their events (server/agents.h).
 *
 * A tour: control.c holds the control connections and the life of sessions; link.c carries runs of events
 * from the workers to the functions, and back how far they are processed; link_status.c shows all of it.
 * receive_worker.h and session.h are the threads' side.
 *
 * All of it is called on the control thread, which is the server's loop.
 */

#include "net/udp_receiver.h"
#include "server/agents.h"
#include "server/api.h"
#include "server/config.h"
#include "server/metrics.h"

struct link;

struct link_options {
	const struct config *config; /* borrowed */
	double drop_rate;            /* for tests */
	const char *key_log;         /* a file; NULL: none */
};

/*
 * Opens the ports. `ret_version1_fd` gets the socket of version 1, or -1 if that is off; it is to be closed
 * by the caller after link_free(). `source` is what agents_new() wants, but for ops and user. Agents come
 * back from the store. 0, or a negative errno with a message.
 */
int link_new(const struct link_options *options, const struct agents_source *source,
	struct store *reader, struct link **ret_link, int *ret_version1_fd,
	char **ret_error) _must_check_;
/*
 * No new connections, no more datagrams; who is connected is told. What is processed from now on is not
 * told any more, but in the store.
 */
void link_stop(struct link *link);
/* After the committer and the engine have ended. */
void link_free(struct link *link);
DEFINE_CLEANUP(struct link, link_free)

/* Others from now on. */
void link_set_limits(struct link *link, const struct limits_config *limits);

/* Looks whether a configuration's certificates are good. 0, or a negative errno with a message. */
int link_check(const struct config *config, char **ret_error) _must_check_;

struct agents *link_agents(const struct link *link);

/* The workers have something: whenever the loop was woken, after commits were collected. */
void link_take(struct link *link);

/* Functions were started or are gone, apart from commits: lanes that waited for room go on. */
void link_has_room(struct link *link);

/* ---- what there is to see ---- */

/* "sealed with ..., version 1 off", in words; lives as long as the link. */
const char *link_describe(const struct link *link);
/* Why receive workers have ended by themselves, a negative errno; 0: all work. */
int link_error(const struct link *link);
void link_each_switch(struct link *link, api_switch_fn fn, void *arg);
void link_write_metrics(struct link *link, struct metrics *metrics);

/* Since the start, of all agents. */
struct link_totals {
	uint64_t datagrams;
	uint64_t malformed; /* of these, that were not taken */
	uint64_t version1;  /* of these, of version 1, which is off */
	uint64_t simulated_drops;
	uint64_t events[2]; /* received, each once: [0] unacknowledged, [1] acknowledged */
	uint64_t unrouted;  /* of these, events that no trigger names */
	uint64_t shed;      /* of these, unacknowledged ones given up here */
};

void link_get_totals(struct link *link, struct link_totals *ret_totals);

#endif
