/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_RUNTIME_H
#define ENGINE_RUNTIME_H

/* The languages that functions may be written in: what a worker of each is started as. */

#include "base/attr.h"

#define RUNTIME_MEMORY_MB    256 /* of a worker; each runtime keeps to it in its own way */
#define RUNTIME_SUFFIXES_MAX 4
#define RUNTIME_FLAGS_MAX    3

struct runtime {
	const char *name;        /* as a manifest says it */
	const char *interpreter; /* a path, or searched for in PATH */
	const char *script;      /* below the engine's runtime_dir */
	/* What a handler's file may be called; the first that is there is taken. NULL-terminated. */
	const char *suffixes[RUNTIME_SUFFIXES_MAX];
	/* Of the interpreter, NULL-terminated. */
	const char *flags[RUNTIME_FLAGS_MAX];
};

/* NULL if there is none of that name. */
const struct runtime *runtime_find(const char *name);

/* "nodejs", "python", ...: for a message. */
const char *runtime_names(void);

#endif
