/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARCHIVE_CONFINE_H
#define ARCHIVE_CONFINE_H

/*
 * What a process that unpacks foreign bytes gives up before it reads the first of them: all files but those below
 * one folder, where it may make some, removing none (Landlock, as far as the kernel has it); and the system calls that
 * unpacking does not take (seccomp): no socket, no process, nothing that can be executed. Time, memory and the size
 * of a file are bounded. There is no way back.
 */

#include "base/attr.h"

#include <stdint.h>

/* For what is open already, and below `dir`. `file_bytes`: of the largest file. 0 or a negative errno. */
int unpack_confine(const char *dir, uint64_t file_bytes) _must_check_;

#endif
