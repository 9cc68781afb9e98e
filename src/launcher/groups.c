// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/groups.h"

#include <unistd.h>

enum layer groups_layer(enum cgroup_controller controller)
{
	static const enum layer layers[] = {
		[CGROUP_MEMORY] = LAYER_MEMORY,
		[CGROUP_CPU] = LAYER_CPU,
		[CGROUP_PROCESSES] = LAYER_PROCESSES,
	};

	return layers[controller];
}

int groups_make(struct groups *groups, enum cgroup_controller controller, pid_t runtime,
	const char **ret_what)
{
	struct cgroup *cgroup = &groups->groups[controller];
	int r = cgroup_make(controller, getpid(), cgroup, ret_what);

	if (r < 0)
		return r;
	*ret_what = "moving into a cgroup";
	return cgroup_add(cgroup, runtime);
}

int groups_limit(
	const struct groups *groups, const struct control_specialise *limits, enum layer *ret_layer)
{
	const uint64_t values[] = {
		[CGROUP_MEMORY] = limits->memory,
		[CGROUP_CPU] = limits->cpu,
		[CGROUP_PROCESSES] = limits->processes,
	};

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		int r = groups->groups[i].dir[0] ? cgroup_limit(&groups->groups[i], values[i]) : 0;

		if (r < 0) {
			*ret_layer = groups_layer((enum cgroup_controller)i);
			return r;
		}
	}
	return 0;
}

bool groups_ran_out_of_memory(const struct groups *groups)
{
	const struct cgroup *memory = &groups->groups[CGROUP_MEMORY];

	return memory->dir[0] && cgroup_count_killed(memory) > 0;
}

void groups_kill(const struct groups *groups)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (groups->groups[i].dir[0]) {
			cgroup_kill(&groups->groups[i]);
			return; /* they are the same in each */
		}
	}
}

void groups_remove(struct groups *groups)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		cgroup_remove(&groups->groups[i]);
}
