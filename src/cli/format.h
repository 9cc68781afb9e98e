/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

/* Values of the API as people read them. `text` is room for the result. */

#include "cli/table.h"

#include <jansson.h>
#include <stddef.h>

#define FORMAT_MAX 64

/* Local time to the millisecond, from RFC 3339 as the API and EVE write it; "-" if it is none. */
const char *format_time(const char *rfc3339, char text[static FORMAT_MAX]);

/* "3s ago", by the clock of this machine; "never" if it is no time. */
const char *format_ago(const char *rfc3339, char text[static FORMAT_MAX]);

/* "in 3d 2h", or "3d 2h ago"; how many seconds that is. False if it is no time. */
bool format_in(const char *rfc3339, int64_t *ret_seconds, char text[static FORMAT_MAX]);

/* "2d 3h", the two largest units. */
const char *format_duration(int64_t seconds, char text[static FORMAT_MAX]);

/* "1.5 GB", powers of 1000 as the network counts. */
const char *format_bytes(int64_t bytes, char text[static FORMAT_MAX]);

/* Members of an object; NULL, 0 where there is none. */
const char *get_text(const json_t *object, const char *key);
int64_t get_count(const json_t *object, const char *key);
double get_real(const json_t *object, const char *key);

enum color severity_color(const char *severity);

#endif
