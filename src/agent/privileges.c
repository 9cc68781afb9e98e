// SPDX-License-Identifier: BSD-2-Clause
#include "agent/privileges.h"

#include "base/capabilities.h"
#include "base/error.h"
#include "base/landlock.h"
#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

void privileges_done(struct privileges *privileges)
{
	free(privileges->capabilities);
}

static void free_cap(cap_t *cap)
{
	if (*cap)
		cap_free(*cap);
}

/* ---- the user ---- */

int privileges_find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, char **ret_error)
{
	const struct passwd *entry = NULL;

	if (user || geteuid() == 0)
		entry = getpwnam(user ? user : PRIVILEGES_USER);
	if (user && !entry)
		return error_set(ret_error, -ENOENT, "--user %s: no such user", user);
	*ret_uid = entry ? entry->pw_uid : geteuid();
	*ret_gid = entry ? entry->pw_gid : getegid();
	return 0;
}

static int become(uid_t uid, gid_t gid, char **ret_error)
{
	/* Capabilities outlive the change, to be cut to what is kept. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(1, &gid) < 0 ||
		setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_set(ret_error, -errno,
			"cannot become user %u: %s (CAP_SETUID and CAP_SETGID are needed)", uid,
			strerror(errno));
	return 0;
}

static int switch_user(const char *user, char **ret_error)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	r = privileges_find_user(user, &uid, &gid, ret_error);
	if (r < 0)
		return r;
	if (uid == 0 && user)
		log_warning("staying root, as told by --user");
	else if (uid == 0)
		log_warning("staying root, as there is no user " PRIVILEGES_USER
			    "; give one with --user");
	return uid == geteuid() ? 0 : become(uid, gid, ret_error);
}

/* ---- capabilities ---- */

static char *name_capabilities(void)
{
	_cleanup_(free_cap) cap_t now = cap_get_proc();
	char *text = NULL;

	for (cap_value_t capability = 0; now && CAP_IS_SUPPORTED(capability); capability++) {
		_cleanup_free_ char *before = text;
		cap_flag_value_t has = CAP_CLEAR;
		char *name;

		(void)cap_get_flag(now, capability, CAP_PERMITTED, &has);
		if (has != CAP_SET) {
			before = NULL;
			continue;
		}
		name = cap_to_name(capability);
		if (asprintf(&text, "%s%s%s", before ? before : "", before ? "," : "",
			    name ? name : "?") < 0)
			text = NULL;
		cap_free(name);
	}
	return text ? text : strdup("none");
}

static int set_bpf_effective(cap_flag_value_t value)
{
	static const cap_value_t capabilities[] = {CAP_BPF, CAP_SYS_ADMIN};
	_cleanup_(free_cap) cap_t cap = cap_get_proc();

	if (!cap)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		(void)cap_get_flag(cap, capabilities[i], CAP_PERMITTED, &permitted);
		if (permitted == CAP_SET)
			(void)cap_set_flag(cap, CAP_EFFECTIVE, 1, &capabilities[i], value);
	}
	return cap_set_proc(cap) < 0 ? -errno : 0;
}

int privileges_try_without_bpf(int (*fn)(void *user), void *user)
{
	int r = set_bpf_effective(CAP_CLEAR), restored;

	if (r == 0)
		r = fn(user);
	restored = set_bpf_effective(CAP_SET);
	return r < 0 ? r : restored;
}

/* ---- files ---- */

#define WRITE                                                                                      \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                             \
		LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* In a BPF file system, what is pinned is a file. */
#define PIN                                                                                        \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |                            \
		LANDLOCK_ACCESS_FS_REMOVE_DIR)

/* To read, /sys, where facts about interfaces are, and what is told or renewed. */
/* -ENOENT: `ret_missing` is not there. */
static int restrict_reach(const struct privileges_options *options, const char **ret_missing)
{
	const struct landlock_denied denied = {
		.files = LANDLOCK_FILES_VERSION_1,
		.tcp = LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT,
	};
	const struct {
		const char *path; /* NULL: nowhere */
		uint64_t access;
		bool may_fail; /* what the user cannot read needs no leave */
	} places[] = {
		{"/sys", LANDLOCK_READ, false},
		{options->readable_dirs[0], LANDLOCK_READ, true},
		{options->readable_dirs[1], LANDLOCK_READ, true},
		{options->readable_dirs[2], LANDLOCK_READ, true},
		{options->writable_dir, LANDLOCK_READ | WRITE, false},
		{options->pin_dir, LANDLOCK_READ | PIN, false},
	};
	_cleanup_(landlock_close) struct landlock landlock = {.fd = -1};
	int r = landlock_open(&denied, &landlock);

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		if (!places[i].path)
			continue;
		*ret_missing = places[i].path;
		r = landlock_allow(&landlock, places[i].path, places[i].access);
		if (r == -EACCES && places[i].may_fail)
			r = 0;
	}
	if (r == 0 && options->tcp_port != 0)
		r = landlock_allow_port(&landlock, options->tcp_port, LANDLOCK_TCP_CONNECT);
	return r < 0 ? r : landlock_enforce(&landlock);
}

/* ---- all of it ---- */

int privileges_drop(const struct privileges_options *options, struct privileges *ret_privileges,
	char **ret_error)
{
	struct privileges privileges = {0};
	const char *missing = "";
	int r;

	/* First, while CAP_SETPCAP is effective. */
	capabilities_bound(options->keep);
	r = switch_user(options->user, ret_error);
	if (r < 0)
		return r;
	r = capabilities_keep(options->keep);
	if (r < 0)
		return error_set(ret_error, r, "cannot give up capabilities: %s", strerror(-r));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(ret_error, -errno, "cannot set no_new_privs: %s", strerror(errno));
	r = options->files ? restrict_reach(options, &missing) : -EOPNOTSUPP;
	if (r == -ENOENT)
		return error_set(ret_error, r, "%s: no such directory", missing);
	if (r < 0 && options->files)
		log_warning("files are not out of reach, as Landlock is not there (Linux 5.13) "
			    "reason=\"%s\"",
			strerror(-r));
	privileges.files = r == 0;
	privileges.uid = geteuid();
	privileges.capabilities = name_capabilities();
	*ret_privileges = privileges;
	return 0;
}
