/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V1_PAYLOAD_H
#define WIRE_V1_PAYLOAD_H

/*
 * The payloads of version 1 (docs/protocol-1.md 4): one per event id and address family. Used by the
 * rest of src/wire only.
 */

#include "base/cursor.h"
#include "wire/v1.h"

/* True if version 1 has a payload for this event id. */
bool payload_known(uint32_t event_id);

/* True if a payload of this event id may have `size` bytes. */
bool payload_has_size(uint32_t event_id, size_t size);

/* V1_OK or V1_BAD_PAYLOAD. `size` is one that payload_has_size(). */
enum v1_error payload_check(uint32_t event_id, const uint8_t *bytes, size_t size) _must_check_;

/* Decodes what payload_check() accepted; sets every byte of `ret_event`. */
void payload_decode(
	uint32_t event_id, const uint8_t *bytes, size_t size, struct v1_event *ret_event);

/* The bytes that the payload of this record takes; 0 for an event id that is not known. */
size_t payload_size(uint32_t event_id, const void *record);

/* Writes it. Returns how many counters did not fit their field. */
unsigned int payload_encode(struct cursor *c, uint32_t event_id, const void *record);

#endif
