/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

/*
 * Packs a folder, or one file, as tar.gz for unpack(). Symbolic links to what is in the folder
 * become copies of it; others, and what is no file or folder, are errors. What version control and
 * editors leave (.git, *.swp, __pycache__) is left out. Nothing of the one who packs goes in: no
 * owner, no time.
 */

#include "base/attr.h"

/*
 * Writes to `fd` from where it stands. 0, or a negative errno with a message in `ret_error` (to be
 * freed).
 */
int pack(const char *path, int fd, char **ret_error) _must_check_;

#endif
