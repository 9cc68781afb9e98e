/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_REQUESTS_H
#define REPLAY_REQUESTS_H

/*
 * Requests that come when a capture is through: a file {"requests": [{"method", "path", "query", "headers", "body"}]},
 * of which a path is enough. Functions get them as from the server's gateway, one after the other, and what they
 * return becomes what the client would have got. What a test expects may stand in the same file, and is not looked at.
 */

#include "replay/backend.h"

#include <jansson.h>

/* The array. 0, or -EINVAL, -ENOENT, ... with a message in `ret_error` (to be freed). */
int requests_load(const char *path, json_t **ret_requests, char **ret_error) _must_check_;

/*
 * Runs them all at `now_ns`. `ret_responses`: an array of {"status", "headers", "body"}, in their order. 0, or as of the
 * backend's calls that wait.
 */
int requests_run(const json_t *requests, struct backend *backend, uint64_t now_ns,
	json_t **ret_responses) _must_check_;

#endif
