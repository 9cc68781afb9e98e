/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef EVENT_RENDER_H
#define EVENT_RENDER_H

/*
 * Records as text and as JSON, by their schema. Pure: writes into the caller's buffer.
 */

#include "event/schema.h"

#include <stddef.h>

#define IP_TEXT_MAX   46 /* bytes, with the NUL: INET6_ADDRSTRLEN */
#define TIME_TEXT_MAX 36 /* "2026-11-23T07:32:59.123456789Z" and room */

/* A v4-mapped address is shown as IPv4. Returns `text`. */
const char *ip_render(const ip_addr *ip, char text[static IP_TEXT_MAX]);

/* Parses IPv4 or IPv6 text. 0 or -EINVAL. */
int ip_parse(const char *text, ip_addr *ret_ip) _must_check_;

/* RFC 3339 with nanoseconds, in UTC. Returns `text`. */
const char *time_render(uint64_t ns, char text[static TIME_TEXT_MAX]);

/* Parses such a text. 0 or -EINVAL. */
int time_parse(const char *text, uint64_t *ret_ns) _must_check_;

/*
 * One field, as a function would see it: addresses and times as text, the rest as decimal digits.
 * Returns the length as snprintf(3) does; at least `size` means that it was cut.
 */
int field_render(const struct schema_field *field, const void *record, char *text, size_t size);

/*
 * The record as a JSON object. Returns its length as snprintf(3) does; at least `size` means that
 * it was cut.
 */
int record_render_json(const struct schema *schema, const void *record, char *text, size_t size);

#endif
