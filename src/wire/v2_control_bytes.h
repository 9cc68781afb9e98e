/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CONTROL_BYTES_H
#define WIRE_V2_CONTROL_BYTES_H

/* What the codecs of control messages share: the header (docs/protocol-2.md 6.1). */

#include "wire/v2.h"

void v2_message_begin(struct cursor *c, uint8_t *bytes, size_t size, uint8_t type);
/* Writes the length, which is known now. The message's size, or 0 if it did not fit. */
size_t v2_message_end(struct cursor *c);

/* The body of the one message that `bytes` are. V2_BAD_CONTROL: they are not one message. */
enum v2_error v2_message_body(
	const uint8_t *bytes, size_t size, uint8_t *ret_type, struct cursor *ret_body) _must_check_;

#endif
