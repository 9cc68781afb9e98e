/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_LEASE_H
#define WIRE_V2_LEASE_H

/*
 * How long a session lives, at either end (docs/protocol-2.md 6.6): beyond its control connection for a
 * time of grace, so that a connection that breaks costs no event; and not for ever, so that keys are
 * fresh. What certificates say of it is tls_context.h's. An end whose lease is over ends the session:
 * v2_sender_close(), v2_receiver_close().
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define V2_GRACE_NS 300000000000ULL  /* 5 min without a control connection */
#define V2_RENEW_NS 3600000000000ULL /* an hour: the agent opens another connection, and session */
#define V2_AGE_NS   7200000000000ULL /* two: it is over in any case */

struct v2_lease_config {
	uint64_t grace_ns, renew_ns, age_ns; /* 0: the usual ones */
};

struct v2_lease {
	struct v2_lease_config config;
	uint64_t begun_ns; /* UINT64_MAX: there is none */
	uint64_t lost_ns;  /* when its control connection went; UINT64_MAX: it is up */
	uint64_t renew_at_ns;
};

/* No session yet. */
void v2_lease_init(struct v2_lease *lease, const struct v2_lease_config *config);
/*
 * A session began, on a connection that is open since `connected_ns`: it is renewed by that one's age,
 * since another session on the same connection has no fresher keys; up to an eighth of the time earlier,
 * by `random`, so that a fleet that came up in one moment does not come back in one.
 */
void v2_lease_begin(
	struct v2_lease *lease, uint64_t connected_ns, uint64_t now_ns, uint64_t random);
/* The connection on which it was welcomed is gone. */
void v2_lease_lost(struct v2_lease *lease, uint64_t now_ns);
/* It was ended, for whatever reason. */
void v2_lease_end(struct v2_lease *lease);

/* The session is over: end it. False if there is none. */
bool v2_lease_over(const struct v2_lease *lease, uint64_t now_ns);
/* Agent: open another connection beside this one, and a session on it. */
bool v2_lease_wants_renewal(const struct v2_lease *lease, uint64_t now_ns);
/* When one of the two may next turn true; UINT64_MAX: not before something else happens. */
uint64_t v2_lease_next_time(const struct v2_lease *lease, uint64_t now_ns);

#endif
