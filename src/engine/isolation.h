/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_ISOLATION_H
#define ENGINE_ISOLATION_H

/*
 * How far a function is kept from everything else: what is wanted, what this system has, and so what
 * its workers get. A worker never has less than was chosen for it: where a layer fails after all, it
 * does not start.
 */

#include "base/attr.h"
#include "launcher/layers.h"

#include <stdbool.h>

enum isolation {
	ISOLATION_STRICT,      /* all that is promised, or the function does not run */
	ISOLATION_BEST_EFFORT, /* what this system has */
	ISOLATION_NONE,        /* as the server's user, with what that may reach */
};

/* Those without which a worker could reach what is not its own. The others make that doubly sure. */
#define ISOLATION_PROMISED                                                                         \
	(LAYER_BIT(LAYER_USER) | LAYER_BIT(LAYER_ROOT) | LAYER_BIT(LAYER_PID) |                    \
		LAYER_BIT(LAYER_NETWORK) | LAYER_BIT(LAYER_IPC) | LAYER_BIT(LAYER_PRIVILEGES) |    \
		LAYER_BIT(LAYER_SYSCALLS))

/* What this system has. */
struct isolation_level {
	uint32_t layers;
	char *lacks[LAYER_COUNT]; /* why not, of those that are not among them */
};

void isolation_level_done(struct isolation_level *level);
int isolation_level_copy(
	const struct isolation_level *level, struct isolation_level *ret_level) _must_check_;

/* Parses "strict", "best-effort" or "none". 0 or -EINVAL. */
int isolation_parse(const char *name, enum isolation *ret_isolation) _must_check_;
const char *isolation_name(enum isolation isolation);

/* Asks the launcher, and waits for it, some milliseconds. 0, or a negative errno with a message. */
int isolation_probe(
	const char *launcher, struct isolation_level *ret_level, char **ret_error) _must_check_;

/*
 * Which layers a worker gets, of which `promised` are those that strict must have. 0; or -EPERM with a message that names what this system lacks, and how to
 * run functions all the same.
 */
int isolation_choose(const struct isolation_level *level, enum isolation wanted, uint32_t promised,
	uint32_t *ret_layers, char **ret_error) _must_check_;

/* What a worker with these layers calls its function's folder, which we call `dir`. */
const char *isolation_function_dir(uint32_t layers, const char *dir);

/* The names of the layers that are not among `layers`, with commas; "" if none is lacking. */
void isolation_render_lacking(uint32_t layers, char *text, size_t size);

#endif
