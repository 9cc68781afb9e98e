/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_GROUPS_H
#define LAUNCHER_GROUPS_H

/* A worker's control groups. The launcher makes them, and stays outside of them. */

#include "launcher/cgroup.h"
#include "launcher/sandbox.h"

struct groups {
	struct cgroup groups
		[CGROUP_CONTROLLERS]; /* those of layers that are not wanted have no directory */
};

/* The layer that a controller carries. */
enum layer groups_layer(enum cgroup_controller controller);

/* Makes one and puts the runtime there. 0, or a negative errno and in `ret_what` what failed. */
int groups_make(struct groups *groups, enum cgroup_controller controller, pid_t runtime,
	const char **ret_what) _must_check_;

/* 0, or a negative errno and the layer whose limit could not be set. */
int groups_limit(const struct groups *groups, const struct control_specialise *limits,
	enum layer *ret_layer) _must_check_;

/* Whether the kernel killed for memory. */
bool groups_ran_out_of_memory(const struct groups *groups);

/* Kills what is left in them. */
void groups_kill(const struct groups *groups);
void groups_remove(struct groups *groups);

#endif
