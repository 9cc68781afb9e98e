/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_RUNTIME_H
#define ENGINE_RUNTIME_H

/*
 * The languages that functions may be written in: what a worker of each is started as. There are three of
 * ours; the server's configuration can change those and add others, which speak the worker pipe
 * (docs/functions.md).
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

#define RUNTIME_MEMORY_MB 512 /* of a worker, if its function does not say */
#define RUNTIMES_OURS     3
#define RUNTIMES_MAX      16
#define RUNTIME_WORDS_MAX 32 /* of a command, or suffixes */
#define RUNTIME_SIZED_MAX 256

/* In one word of a command: half of a worker's memory, in MiB, is put there. For a heap's limit. */
#define RUNTIME_HALF_MEMORY "{half-memory}"

/* All lists are NULL-terminated. */
struct runtime_options {
	const char *name; /* as a manifest says it */
	const char *const
		*command; /* the program, a path or searched for in PATH, and its arguments */
	const char *const *suffixes; /* of a handler's file; the first that is there is taken */
	/* Files and folders that a worker has to read, besides the system's and those of its command; NULL: none. */
	const char *const *paths;
};

/* "nodejs", "python" or "native": an option that is NULL is ours, too. */
bool runtimes_are_ours(const char *name);

struct runtime {
	char *name;
	char **command;
	char **suffixes;
	char **paths;
};

struct runtimes {
	struct runtime items[RUNTIMES_MAX];
	size_t count;
};

/* Ours. `runtime_dir`: absolute, where nodejs/ and python/ are. 0 or -ENOMEM; released all the same. */
int runtimes_init(struct runtimes *runtimes, const char *runtime_dir) _must_check_;
void runtimes_done(struct runtimes *runtimes);

/*
 * Adds a runtime, or changes what is given of the one of that name; NULL leaves it as it is. 0; -ENOMEM;
 * -E2BIG: there are too many, of them or of their words; -EINVAL: it is new, and command or suffixes are missing.
 */
int runtimes_add(struct runtimes *runtimes, const struct runtime_options *options) _must_check_;

/* A word as a worker with so much memory gets it: it, or what is put into `buffer`. */
const char *runtime_sized_word(
	const char *word, unsigned int memory_mb, char buffer[static RUNTIME_SIZED_MAX]);

/* NULL if there is none of that name. */
const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name);

/* For messages, to be freed; NULL: no memory. "nodejs", "python" and "native"; .js, .mjs and .cjs */
char *runtimes_names(const struct runtimes *runtimes);
char *runtime_suffixes(const struct runtime *runtime);

#endif
