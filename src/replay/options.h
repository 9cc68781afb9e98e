/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

/* The command line of `netlambda replay`. Pure. */

#include "agent/fanout.h"
#include "base/attr.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_options {
	const char *capture;       /* "-": standard input; NULL: none, only requests */
	const char *requests;      /* that come behind it; NULL: none */
	const char *config;        /* NULL: none */
	const char *function_dir;  /* NULL: not one alone */
	const char *functions_dir; /* NULL: the shipped ones; only without a configuration */
	const char *store;         /* NULL: a throw-away one */
	uint32_t switch_id;
	uint64_t period_ns;
	uint64_t flow_idle_ns;
	uint32_t flow_max;
	uint32_t port_max;
	uint32_t inside; /* tunnels to look into: bits of enum tunnel_kind */
	struct fanout_options fanout;
	bool json;
	enum log_level log_level;
};

enum replay_outcome {
	REPLAY_RUN,
	REPLAY_HELP,
	REPLAY_VERSION,
};

/*
 * Returns 0, or -EINVAL with a message in `ret_error` (to be freed) that says what was expected.
 * `ret_options` is complete only for REPLAY_RUN. May reorder `argv`.
 */
int replay_options_parse(int argc, char **argv, struct replay_options *ret_options,
	enum replay_outcome *ret_outcome, char **ret_error) _must_check_;

extern const char replay_help[];

#endif
