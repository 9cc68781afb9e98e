// SPDX-License-Identifier: BSD-2-Clause
#include "agent/sandbox.h"

#include "agent/pins.h"
#include "agent/syscall_filter.h"
#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <libgen.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

/*
 * A sanitizer's runtime looks at its own process at the end, by ways that are closed in a sandbox.
 * User and capabilities are given up all the same.
 */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

void sandbox_done(struct sandbox *sandbox)
{
	privileges_done(&sandbox->privileges);
}

/*
 * Before Linux 5.19, kernel.unprivileged_bpf_disabled also bars from maps that are open already.
 * Putting back a program that --force displaced is the only thing that takes CAP_NET_ADMIN.
 */
static uint64_t capabilities_to_keep(const struct counting *counting)
{
	uint64_t keep = 0;

	if (privileges_try_without_bpf(counting_try_bpf, (void *)counting) < 0)
		keep |= 1ULL << CAP_BPF;
	if (slots_have_displaced(counting_slots(counting)))
		keep |= 1ULL << CAP_NET_ADMIN;
	return keep;
}

/* What comes later is pinned as well, and what goes is removed. */
static int give_pins(const char *user, const struct pins *pins, char **ret_error)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r = privileges_find_user(user, &uid, &gid, ret_error);

	if (r == 0)
		r = pins_give(pins, uid, gid);
	if (r < 0)
		return error_set(ret_error, r, "--pin %s: cannot give it to user %u: %s",
			pins_directory(pins), uid, strerror(-r));
	return 0;
}

/* The folder of a file, in which another may take its place. */
static char *copy_dir(const char *file)
{
	_cleanup_free_ char *copy = file ? strdup(file) : NULL;

	return copy ? strdup(dirname(copy)) : NULL;
}

int sandbox_enter(struct sandbox *sandbox, const struct sandbox_options *options,
	const struct counting *counting, char **ret_error)
{
	const struct pins *pins = counting_pins(counting);
	_cleanup_free_ char *stats = copy_dir(options->stats_file);
	_cleanup_free_ char *alarms = copy_dir(options->alarm_file);
	_cleanup_free_ char *credentials = copy_dir(options->credentials);
	_cleanup_free_ char *crl = copy_dir(options->crl);
	const struct privileges_options privileges = {
		.user = options->user,
		.keep = options->off ? 0 : capabilities_to_keep(counting),
		.writable_dir = stats,
		.pin_dir = pins ? pins_directory(pins) : NULL,
		.readable_dirs = {alarms, credentials, crl},
		.tcp_port = options->connects ? options->port : 0,
		.files = !IS_SANITIZED,
	};
	int r;

	sandbox->options = *options;
	sandbox->pins = pins != NULL;
	if (options->off) {
		log_warning("NO SANDBOX: all privileges are kept; --no-sandbox is for debugging "
			    "only");
		return 0;
	}
	if ((options->stats_file && !stats) || (options->alarm_file && !alarms))
		return -ENOMEM;
	r = pins ? give_pins(options->user, pins, ret_error) : 0;
	if (r < 0)
		return r;
	r = privileges_drop(&privileges, &sandbox->privileges, ret_error);
	if (r == 0 && IS_SANITIZED)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return r;
}

int sandbox_seal(struct sandbox *sandbox, char **ret_error)
{
	const struct syscall_filter_options seccomp = {
		.writes_files = sandbox->options.stats_file != NULL,
		.connects = sandbox->options.connects,
		.pins = sandbox->pins,
		.notifies_manager = getenv("NOTIFY_SOCKET") != NULL,
	};
	int r;

	if (sandbox->options.off)
		return 0;
	r = IS_SANITIZED ? 0 : syscall_filter_load(&seccomp);
	if (r < 0)
		return error_set(ret_error, r,
			"cannot install the seccomp filter: %s (--no-sandbox does without)",
			strerror(-r));
	log_info("sandboxed uid=%u capabilities=%s no_new_privs=yes files=%s seccomp=%s",
		sandbox->privileges.uid, sandbox->privileges.capabilities,
		sandbox->privileges.files ? "landlock" : "open",
		IS_SANITIZED ? "no (built with a sanitizer)" : "yes");
	return 0;
}
