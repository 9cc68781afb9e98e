/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_ALLOW_LIST_H
#define BASE_ALLOW_LIST_H

/* Tables of system calls for a seccomp filter that forbids what is not in them. */

#include "base/attr.h"

#include <seccomp.h>
#include <stdint.h>

/* A call with one argument looked at. */
struct allowed_where {
	int call; /* SCMP_SYS(...) */
	unsigned int arg;
	uint64_t mask, value; /* the argument, so masked, must be this */
};

#define ALLOWED_WHOLE UINT64_MAX
/* Commands and requests are 32 bits wide, and what is above them the kernel does not look at. */
#define ALLOWED_WORD UINT32_MAX

static inline void filter_release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* 0 or a negative errno. What this architecture does not have is left out. */
int allow_calls(scmp_filter_ctx filter, const int *calls, size_t count) _must_check_;
int allow_calls_where(
	scmp_filter_ctx filter, const struct allowed_where *rules, size_t count) _must_check_;

#endif
