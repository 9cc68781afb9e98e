/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_KEY_LOG_H
#define NET_KEY_LOG_H

/*
 * A file with the secrets of connections and sessions, for a dissector (docs/protocol-2.md 5.6; and the
 * lines of NSS's key log for TLS). Whoever reads it can read and forge all that they protect: a program
 * opens one only if its operator asks for it by name, and says loudly that it did.
 */

#include "base/attr.h"
#include "wire/v2_control.h"

struct key_log;

/*
 * Appends to a file, which is made with mode 0600. 0; -EPERM: it is there and somebody else may read
 * it; or the negative errno of open(2). With a message.
 */
int key_log_open(const char *path, struct key_log **ret_log, char **ret_error) _must_check_;
void key_log_close(struct key_log *log);
DEFINE_CLEANUP(struct key_log, key_log_close)

/* One line, with its end. What cannot be written is lost; the session goes on. */
void key_log_line(struct key_log *log, const char *line);
void key_log_session(struct key_log *log, uint64_t session, uint8_t cipher,
	const uint8_t to_server[static V2_SECRET_BYTES],
	const uint8_t to_agent[static V2_SECRET_BYTES]);

#endif
