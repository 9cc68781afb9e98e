/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_TEST_RESPONSES_H
#define CLI_TEST_RESPONSES_H

/*
 * What requests of a test were answered, {"status", "headers", "body"}, beside what they should have been, their
 * "response". That names what matters: a status, some headers, a body.
 */

#include "base/attr.h"

#include <jansson.h>

/* Those that differ: [{"request": "request 1, GET /scans", "missing": ..., "unexpected": ...}]. NULL: no memory. */
json_t *responses_differing(const json_t *requests, const json_t *responses);

/* Makes what they were answered what they should be. */
void responses_expect(json_t *requests, const json_t *responses);

#endif
