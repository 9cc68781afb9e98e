/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_CONTROL_NOTE_H
#define NET_CONTROL_NOTE_H

/* What the sides of the control channel have to tell, for a log; some of it a peer can trigger. */

#include "net/tls_channel.h"
#include "wire/v2_alive.h"

struct control_note {
	const char *what;               /* "connected", "session opened", "connection lost", ... */
	const char *why;                /* in words; NULL: nothing more is to be said */
	const struct tls_peer *peer;    /* NULL: not known */
	uint32_t switch_id;             /* of a session without a connection; 0: `peer` says it */
	const struct endpoint *address; /* where there is no peer; NULL: not known */
	enum tls_end end;               /* of a connection; TLS_END_NONE: it is of none */
	enum v2_error error;            /* V2_OK: none */
	enum v2_bye bye;                /* that the peer said; V2_BYE_NONE: none */
};

#endif
