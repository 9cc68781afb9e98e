/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_ENGINE_SANDBOXED_H
#define TESTS_UNIT_ENGINE_SANDBOXED_H

/* One worker whose program is `escape` (escape.c), as the engine would start it. What goes wrong fails the test. */

#include "engine/spawn.h"

struct sandbox_options {
	uint32_t layers;
	const char *const *network;
	const char *const *environment;
};

struct spawned sandbox_start(const struct sandbox_options *options);

/* `limits`: their `dir` is not looked at. */
void sandbox_specialise(
	const struct spawned *spawned, const char *dir, const struct control_specialise *limits);

/* Until it runs and has its function, in whatever order these come. Its process; NULL: not wanted. */
void sandbox_await(const struct spawned *spawned, pid_t *ret_runtime);

struct control_report next_report(const struct spawned *spawned);
void expect_report(const struct spawned *spawned, enum control_type type);

/* Fails if that does not come soon. */
void wait_readable(int fd, const char *what);

/* What came of an attempt: a negative errno, or how far it got. */
int64_t try(const struct spawned *spawned, const char *attempt, const char *argument);

/* Ends it and waits for that; the wait status. */
int finish(struct spawned *spawned);

#endif
