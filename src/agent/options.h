/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

/* The command line of netlambda-agent. Pure, but for looking where the credentials are. */

#include "agent/attach.h"
#include "agent/fanout.h"
#include "base/log.h"
#include "net/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define AGENT_INTERFACES_MAX 256

struct agent_options {
	unsigned int protocol;                        /* the version: 2, or 1 */
	uint32_t switch_id;                           /* version 1; 0: not given */
	const char *interfaces[AGENT_INTERFACES_MAX]; /* names and patterns; point into argv */
	unsigned int interface_count;
	uint32_t follow_max; /* interfaces at a time that match patterns */
	bool wait;
	const char *server; /* NULL: the credentials say it */
	const char *credentials;
	const char *crl;     /* NULL: revocation of the server is not looked at */
	const char *key_log; /* NULL: none is kept */
	struct attach_options attach;
	uint64_t period_ns;
	uint64_t flow_idle_ns;
	uint64_t flush_timeout_ns;
	uint32_t flow_max;
	uint32_t flow_events_per_s; /* updates, and last records; 0: no bound */
	uint32_t port_max;
	uint32_t inside;        /* tunnels to look into: bits of enum tunnel_kind */
	uint32_t spool_max;     /* events a class */
	const char *stats_file; /* NULL = none */
	const char *user;       /* NULL: the default one */
	bool no_sandbox;
	const char *pin_directory; /* NULL: nothing is pinned */
	bool unpin;                /* remove what is pinned, and end */
	struct fanout_options fanout;
	const char *alarm_file; /* NULL = none */
	enum log_level log_level;
};

enum options_outcome {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

/*
 * Returns 0, or -EINVAL with a message in `ret_error` (to be freed) that says what was expected.
 * `ret_options` is complete only for OPTIONS_RUN. May reorder `argv`, and cuts the interface lists
 * in it apart.
 */
int agent_options_parse(int argc, char **argv, struct agent_options *ret_options,
	enum options_outcome *ret_outcome, char **ret_error) _must_check_;

extern const char agent_help[];

#endif
