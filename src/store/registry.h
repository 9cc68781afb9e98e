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

/*
 * `purge`: what it remembers, its marks and dead letters are to go, too, by registry_purge(). That is durable: should
 * the server end before, it is for the next one to do, before there is another function of that name.
 */
int registry_remove(struct store *store, const char *function, bool purge) _must_check_;

/* A piece of that, at most so many rows, once nobody writes them any more. 1: there is more; 0: that was all; or negative. */
int registry_purge(struct store *store, const char *function, unsigned int limit) _must_check_;

/* A function of which there is more to purge. 1; 0: there is none; or negative. */
int registry_next_purge(struct store *store, char ret_function[static 64]) _must_check_;

/* By name and version; if `fn` returns non-zero that ends it and is returned. */
int registry_each(struct store *store,
	int (*fn)(void *user, const struct function_version *version), void *user) _must_check_;

/* The tables, for schema.c. */
extern const char registry_tables[];

#endif
