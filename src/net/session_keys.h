/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_SESSION_KEYS_H
#define NET_SESSION_KEYS_H

/*
 * The seal of a session's datagrams, with keys of the TLS connection on which its WELCOME travels
 * (docs/protocol-2.md 5.4). Both ends call it with what they said and understood; only if that is
 * the same do their keys fit.
 *
 *   server   on HELLO: number = v2_receiver_next_session(), v2_choose_cipher(), session_keys_new(),
 *            v2_receiver_open(), then WELCOME
 *   agent    on WELCOME: session_keys_new(), v2_sender_open()
 */

#include "net/key_log.h"
#include "net/tls_channel.h"
#include "wire/v2_aead.h"

/*
 * `role` is this end's. `log` may be NULL. 0; -EINVAL: a cipher that there is not; -EIO or -ENOMEM,
 * which says nothing of the peer: close the channel.
 */
int session_keys_new(struct tls_channel *channel, enum tls_role role, uint64_t session,
	uint8_t cipher, struct key_log *log, struct v2_aead **ret_aead) _must_check_;

#endif
