// SPDX-License-Identifier: BSD-2-Clause
#include "base/landlock.h"
#include "launcher/confine.h"

#define READ (LANDLOCK_READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE                                                                                      \
	(LANDLOCK_FILES_ALL & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |        \
				      LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_IOCTL_DEV))

/* The root holds nothing but what may be read. */
static int allow_root(const struct landlock *landlock, const char **ret_what)
{
	int r;

	*ret_what = "/";
	r = landlock_allow(landlock, "/", READ);
	if (r < 0)
		return r;
	*ret_what = "/tmp";
	return landlock_allow(landlock, "/tmp", WRITE);
}

/* There is no root of its own: the host's, as far as it would be in one. */
static int allow_trees(
	const struct landlock *landlock, const struct sandbox *sandbox, const char **ret_what)
{
	int r = 0;

	for (size_t i = 0; i < sandbox->trees.count && r == 0; i++) {
		*ret_what = sandbox->trees.trees[i].path;
		r = landlock_allow(landlock, *ret_what, READ);
	}
	if (r == 0) {
		*ret_what = "/proc/self";
		r = landlock_allow(landlock, *ret_what, LANDLOCK_READ);
	}
	if (r == 0 && sandbox->dir) {
		*ret_what = sandbox->dir;
		r = landlock_allow(landlock, *ret_what, READ);
	}
	return r;
}

static int allow_doors(
	const struct landlock *landlock, const struct sandbox *sandbox, const char **ret_what)
{
	int r = 0;

	*ret_what = "a port";
	for (size_t i = 0; i < sandbox->door_count && r == 0; i++)
		r = landlock_allow_port(landlock, sandbox->doors[i].port, LANDLOCK_TCP_CONNECT);
	return r;
}

int confine_files(const struct sandbox *sandbox, const char **ret_what)
{
	static const struct landlock_denied denied = {
		.files = LANDLOCK_FILES_ALL,
		.tcp = LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT,
		.scope = LANDLOCK_SCOPE_ABSTRACT | LANDLOCK_SCOPE_SIGNALS,
	};
	_cleanup_(landlock_close) struct landlock landlock = {.fd = -1};
	int r;

	*ret_what = "landlock_create_ruleset";
	r = landlock_open(&denied, &landlock);
	if (r < 0)
		return r;
	r = sandbox_wants(sandbox, LAYER_ROOT) ? allow_root(&landlock, ret_what)
					       : allow_trees(&landlock, sandbox, ret_what);
	if (r == 0) {
		*ret_what = "/dev/null";
		r = landlock_allow(&landlock, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	}
	if (r == 0)
		r = allow_doors(&landlock, sandbox, ret_what);
	if (r < 0)
		return r;
	*ret_what = "landlock_restrict_self";
	return landlock_enforce(&landlock);
}
