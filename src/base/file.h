/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/*
 * Whole small files. What is written is there completely or not at all, also after a crash: it is
 * written beside its place, flushed, and moved there.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads a file of at most `max` bytes; "-" is standard input. `ret_bytes`, to be freed, ends with a
 * NUL that is not counted. 0, -EFBIG, -ENOMEM, or the negative errno of open(2) or read(2).
 */
int file_read(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_size) _must_check_;

/*
 * Writes a file with exactly this mode, whatever the umask is; one that is replaced keeps its owner.
 * -EEXIST: it is there already, and
 * `replace` is false; else a negative errno. What was there is untouched then, unless only the
 * flush of the directory failed: the new file is in place, but might not survive a power failure.
 */
int file_write(
	const char *path, const void *bytes, size_t size, mode_t mode, bool replace) _must_check_;

/* Makes what was created, renamed or removed in a directory last. 0 or a negative errno. */
int directory_flush(const char *path) _must_check_;

#endif
