/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_DESCRIPTION_H
#define EVENT_DESCRIPTION_H

/*
 * A schema as it travels from an agent to its server (docs/protocol-2.md 6.4): what the server cannot
 * know of an event type that only the agent's program defines. It is named by a hash of its bytes, and
 * sent once to a server that has not seen that hash.
 */

#include "event/schema.h"

#define DESCRIPTION_MAX 2048 /* bytes; V2_DESCRIPTION_MAX */

/* Writes it; its size, 0 if it does not fit. */
size_t schema_describe(const struct schema *schema, uint8_t *bytes, size_t size);

/*
 * Reads a peer's. 0, or -EBADMSG: it does not hold together, or its records are of a machine with the
 * other byte order. Kinds that this version does not know are read as numbers.
 */
int schema_read_description(
	const uint8_t *bytes, size_t size, struct schema *ret_schema) _must_check_;

/* The first eight octets of the SHA-256 of a description. 0 or -ENOMEM. */
int description_hash(const uint8_t *bytes, size_t size, uint64_t *ret_hash) _must_check_;

#endif
