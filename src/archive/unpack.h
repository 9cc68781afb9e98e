/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

/*
 * Unpacks an archive that somebody sent (tar, tar.gz or zip) into an empty folder. Only regular
 * files and folders come out of it, below that folder, without set-id bits, owners or times. What
 * would lie elsewhere, is a link or a device, comes twice (also if only in capitals), or is more
 * than the limits allow, makes the whole archive refused; what was unpacked by then is the caller's
 * to remove.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define UNPACK_PATH_MAX  512 /* bytes of a path in the archive */
#define UNPACK_DEPTH_MAX 32  /* folders in each other */

struct unpack_limits {
	uint64_t bytes;   /* of all files together, unpacked */
	uint64_t entries; /* files and folders */
};

/* What a function's code may be. */
extern const struct unpack_limits unpack_code_limits;

/*
 * `fd` is a seekable file; `dir_fd` the folder. Files become 0444, or 0555 where somebody may
 * execute them; folders 0755. Returns 0; -EINVAL: the archive is refused; another negative errno.
 * On failure `ret_error` (to be freed) says what is wrong with which entry.
 */
int unpack(int fd, int dir_fd, const struct unpack_limits *limits, char **ret_error) _must_check_;

#endif
