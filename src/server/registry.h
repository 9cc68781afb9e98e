/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_REGISTRY_H
#define SERVER_REGISTRY_H

/*
 * The deployed functions in memory, as they are in the store (store/registry.h), and how they join
 * those of the server's file. A function is in one of the two places only.
 */

#include "server/config.h"
#include "store/store.h"

struct deployed_version {
	unsigned int version;
	char *code; /* the folder's name in code_dir */
	json_t *spec;
	uint64_t deployed_ns;
	char *deployed_by;
};

struct deployed {
	char *name;
	struct deployed_version *versions; /* oldest first */
	size_t version_count;
	size_t active; /* index into versions */
	char *error;   /* why it could not be had when it was last merged; NULL: it could */
};

struct registry {
	char *code_dir;
	struct deployed *functions; /* by name */
	size_t count;
};

int registry_init(struct registry *registry, const char *code_dir) _must_check_;
void registry_done(struct registry *registry);

/* Takes in what the store has. 0, or a negative errno and nothing is changed. */
int registry_load(struct registry *registry, struct store *store) _must_check_;

/* NULL if there is none. */
const struct deployed *registry_find(const struct registry *registry, const char *name);
const struct deployed_version *deployed_find(const struct deployed *deployed, unsigned int version);

/* Whether a version that is kept has that code. */
bool registry_needs(const struct registry *registry, const char *code);

/* What one version is made of. */
struct deployment_source {
	const char *name;
	const char *code;
	const json_t *spec; /* settings as of functions.NAME in the server's file, and "triggers" */
	unsigned int version;
};

/*
 * Adds a function and its triggers to a configuration. On failure -EINVAL (or -ENOMEM) with a
 * message in `ret_error` (to be freed), and the configuration is as it was.
 */
int registry_add_to(const struct registry *registry, const struct deployment_source *source,
	struct config *config, char **ret_error) _must_check_;

/*
 * All functions and triggers that the server shall have: those of its file, and those deployed.
 * What of the latter cannot be had is logged and left out, and its `error` says why. -EEXIST: a function is in both places,
 * with a message in `ret_error`.
 */
int registry_merge(struct registry *registry, const struct config *file, struct config **ret_merged,
	char **ret_error) _must_check_;

#endif
