/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PRIVILEGES_H
#define AGENT_PRIVILEGES_H

/*
 * Giving up what was needed to load and attach: root, capabilities, files. Once, on the main thread,
 * before there is another: threads that are made later inherit it. What system calls are left is
 * agent/syscall_filter.h's.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIVILEGES_USER "netlambda" /* taken by default where it exists */

/*
 * Who privileges_drop() makes us, by the same `user`. Returns 0, or -ENOENT with a message in
 * `ret_error` (to be freed).
 */
int privileges_find_user(
	const char *user, uid_t *ret_uid, gid_t *ret_gid, char **ret_error) _must_check_;

/* Bits as in capabilities(7): 1ULL << CAP_BPF. */
struct privileges_options {
	const char *user; /* NULL: PRIVILEGES_USER if it exists and we are root, else no change */
	uint64_t keep;    /* capabilities */
	const char *writable_dir;     /* where files are written; NULL = nowhere */
	const char *pin_dir;          /* where maps and links are pinned; NULL = nowhere */
	const char *readable_dirs[3]; /* where files are read again; NULL = nowhere */
	uint16_t tcp_port;            /* the only one to connect to, over TCP; 0: none */
	bool files;                   /* put all others out of reach */
};

struct privileges {
	uid_t uid;
	char *capabilities; /* what is left, as in "cap_bpf,cap_net_admin", or "none" */
	bool files;         /* Landlock is in force */
};

void privileges_done(struct privileges *privileges);

/*
 * Returns 0, or a negative errno with a message in `ret_error` (to be freed; start with NULL): then
 * some of it may have been given up, and the caller ends. A kernel without Landlock is no error.
 */
int privileges_drop(const struct privileges_options *options, struct privileges *ret_privileges,
	char **ret_error) _must_check_;

/* Tries `fn` without CAP_BPF and CAP_SYS_ADMIN: its result. They are effective again afterwards. */
int privileges_try_without_bpf(int (*fn)(void *user), void *user) _must_check_;

#endif
