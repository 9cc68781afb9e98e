/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

/*
 * The deployed functions: what they are made of, in versions, of which one is active. A version is
 * never changed; the oldest are forgotten beyond REGISTRY_VERSIONS_MAX. Each call that changes
 * something is one database transaction, and is for the committing thread (committer.h, tasks).
 */

#include "store/store.h"

#define REGISTRY_VERSIONS_MAX 10 /* of one function */

struct function_version {
	const char *function;
	unsigned int version; /* from 1 on, never used again while the function is there */
	bool active;
	const char *code; /* names its folder (archive/tree.h) */
	const char *spec; /* a JSON object: the settings that go before the manifest's */
	uint64_t deployed_ns;
	const char *deployed_by; /* "uid 1000" */
};

/*
 * Adds a version and makes it the active one; `version` and `active` are not looked at.
 * 0 or as of store_commit().
 */
int registry_add(struct store *store, const struct function_version *version,
	unsigned int *ret_version) _must_check_;

/* -ENOENT: there is no such version. */
int registry_activate(struct store *store, const char *function, unsigned int version) _must_check_;

/* `purge`: also what it remembers, its marks and dead letters. */
int registry_remove(struct store *store, const char *function, bool purge) _must_check_;

/* By name and version; if `fn` returns non-zero that ends it and is returned. */
int registry_each(struct store *store,
	int (*fn)(void *user, const struct function_version *version), void *user) _must_check_;

/* The tables, for schema.c. */
extern const char registry_tables[];

#endif
