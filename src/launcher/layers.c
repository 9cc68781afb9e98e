// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/layers.h"

#define CGROUP_HINT                                                                                \
	"it takes a cgroup that was delegated: by the service's Delegate=, or systemd-run -p "     \
	"Delegate=yes"

static const struct {
	const char *name, *hint;
} layers[] = {
	[LAYER_USER] = {"user-namespace",
		"sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or "
		"kernel.apparmor_restrict_unprivileged_userns may forbid it, or the service's "
		"RestrictNamespaces="},
	[LAYER_ROOT] = {"private-root", "it takes the user namespace, unless one is root"},
	[LAYER_PID] = {"pid-namespace", "it takes the user namespace, unless one is root"},
	[LAYER_NETWORK] = {"network-namespace", "it takes the user namespace, unless one is root"},
	[LAYER_IPC] = {"ipc-namespace", "it takes the user namespace, unless one is root"},
	[LAYER_UTS] = {"uts-namespace", "it takes the user namespace, unless one is root"},
	[LAYER_CGROUP] = {"cgroup-namespace", "it takes the user namespace, unless one is root"},
	[LAYER_PRIVILEGES] = {"no-privileges", NULL},
	[LAYER_LANDLOCK] = {"landlock",
		"it takes Linux 5.13 with \"landlock\" in the list of security modules (lsm=), "
		"and a service's SystemCallFilter= that lets it"},
	[LAYER_SYSCALLS] = {"system-calls", "it takes a kernel with CONFIG_SECCOMP_FILTER"},
	[LAYER_MEMORY] = {"memory-limit", CGROUP_HINT},
	[LAYER_CPU] = {"cpu-limit", CGROUP_HINT},
	[LAYER_PROCESSES] = {"process-limit", CGROUP_HINT},
};

const char *layer_name(enum layer layer)
{
	return layers[layer].name;
}

const char *layer_hint(enum layer layer)
{
	return layers[layer].hint;
}
