/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_API_JSON_H
#define SERVER_API_JSON_H

/*
 * What jansson leaves to its users. Everything gives NULL when out of memory, and NULL put into an
 * object makes that NULL too: so it is enough to look at the outermost one at the end.
 */

#include <jansson.h>
#include <stdint.h>

/* Takes `value`. On failure `*object` (or `*array`) is released and becomes NULL, and stays so. */
void json_put(json_t **object, const char *key, json_t *value);
void json_push(json_t **array, json_t *value);

/* A counter: what does not fit JSON's signed 64 bits is shown as the largest that does. */
json_t *json_count(uint64_t value);

/* Any text as a JSON string, NULL as null. What is not UTF-8 is shown as U+FFFD, byte by byte. */
json_t *json_text(const char *text);

/* A time as RFC 3339; 0, unknown, as null. */
json_t *json_time(uint64_t ns);

/* JSON text as what it says; if it is not JSON, as a string. NULL as null. */
json_t *json_embed(const char *text);

#endif
