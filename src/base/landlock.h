/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

/*
 * Landlock: what files the calling thread, and those it makes later, may still reach. What a kernel
 * does not know is left out, so a ruleset restricts as much as this kernel can.
 */

#include "base/attr.h"

#include <linux/landlock.h>
#include <stdint.h>

/* Of later versions than the headers may know. */
#define LANDLOCK_REFER     (1ULL << 13) /* version 2 */
#define LANDLOCK_TRUNCATE  (1ULL << 14) /* version 3 */
#define LANDLOCK_IOCTL_DEV (1ULL << 15) /* version 5 */

#define LANDLOCK_FILES_VERSION_1 (LANDLOCK_REFER - 1) /* all that the first version knew */
#define LANDLOCK_FILES_ALL                                                                         \
	(LANDLOCK_FILES_VERSION_1 | LANDLOCK_REFER | LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV)

#define LANDLOCK_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

#define LANDLOCK_TCP_BIND    (1ULL << 0) /* version 4 */
#define LANDLOCK_TCP_CONNECT (1ULL << 1)

#define LANDLOCK_SCOPE_ABSTRACT (1ULL << 0) /* version 6: abstract Unix sockets of others */
#define LANDLOCK_SCOPE_SIGNALS  (1ULL << 1) /* signals to others */

/* What is denied where no rule allows it. */
struct landlock_denied {
	uint64_t files; /* LANDLOCK_ACCESS_FS_... */
	uint64_t tcp;   /* LANDLOCK_TCP_... */
	uint64_t scope; /* LANDLOCK_SCOPE_... */
};

struct landlock {
	int fd;
	struct landlock_denied denied; /* as far as the kernel knows them */
};

/* 0, or a negative errno: -ENOSYS and -EOPNOTSUPP, there is no Landlock. */
int landlock_open(const struct landlock_denied *denied, struct landlock *ret_landlock) _must_check_;
void landlock_close(struct landlock *landlock);

/* Allows access to what is at and below a path. */
int landlock_allow(const struct landlock *landlock, const char *path, uint64_t files) _must_check_;
int landlock_allow_port(const struct landlock *landlock, uint16_t port, uint64_t tcp) _must_check_;

/* With no_new_privs set, or CAP_SYS_ADMIN. */
int landlock_enforce(const struct landlock *landlock) _must_check_;

#endif
