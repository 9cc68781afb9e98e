/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/*
 * Compiler attributes and the few macros that every file uses. Resources are released where they
 * are declared: _cleanup_(f) calls f(&variable) when the variable leaves its scope, and
 * TAKE_PTR/TAKE_FD hand the resource on instead.
 */

#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(f)        __attribute__((cleanup(f)))
#define _cleanup_free_      _cleanup_(free_ptr)
#define _must_check_        __attribute__((warn_unused_result))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_            __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) _taken = (p);                                                        \
		(p) = NULL;                                                                        \
		_taken;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int _taken = (fd);                                                                 \
		(fd) = -1;                                                                         \
		_taken;                                                                            \
	})

/* free() for _cleanup_: takes the address of any pointer variable. */
static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

/* Defines NAMEp(type **) for _cleanup_, calling `release` on a pointer that is not NULL. */
#define DEFINE_CLEANUP(type, release)                                                              \
	static inline void release##p(type **p)                                                    \
	{                                                                                          \
		if (*p)                                                                            \
			release(*p);                                                               \
	}

#endif
