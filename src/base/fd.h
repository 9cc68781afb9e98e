/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_FD_H
#define BASE_FD_H

/* File descriptors that close themselves: `_cleanup_fd_ int fd = -1;`. */

#include "base/attr.h"

#include <unistd.h>

static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_fd_ _cleanup_(fd_closep)

#endif
