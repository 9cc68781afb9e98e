/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_TREE_H
#define LAUNCHER_TREE_H

/*
 * Pieces of the host's file system that a worker will see, read-only: copies of mounts, detached, each
 * to be put at the same path of the worker's root. They are opened by whoever may mount (the launcher
 * if it is root, else the worker's init, in its namespaces) and put in place by the runtime.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

#define TREES_MAX 112

struct tree {
	int fd;     /* -1: not to be mounted */
	char *path; /* absolute */
	char *link; /* what it says, if it is a symbolic link */
	bool directory;
};

struct trees {
	struct tree trees[TREES_MAX];
	size_t count;
};

/* A copy of what is mounted at a path. The descriptor, or a negative errno. */
int tree_clone(const char *path, bool device) _must_check_;

/*
 * Finds what every program needs of a system, where it is there, and `paths`, which must be, and
 * clones them if they are to be mounted. 0, or a negative errno and in `ret_path` what it is about
 * (borrowed).
 */
int trees_open(struct trees *trees, const char *const *paths, bool mounted,
	const char **ret_path) _must_check_;

/* Puts all of them into the root that is being made at the working directory. Likewise. */
int trees_place(const struct trees *trees, const char **ret_path) _must_check_;

#endif
