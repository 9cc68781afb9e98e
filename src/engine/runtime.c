// SPDX-License-Identifier: BSD-2-Clause
#include "engine/runtime.h"

#include <string.h>

#define STRING(x)    STRING_OF(x)
#define STRING_OF(x) #x

static const struct runtime runtimes[] = {
	{
		.name = "nodejs",
		.interpreter = "node",
		.script = "nodejs/worker.js",
		.suffixes = {".js", ".mjs", ".cjs"},
		.flags = {"--max-old-space-size=" STRING(RUNTIME_MEMORY_MB)},
	},
	{
		.name = "python",
		.interpreter = "/usr/bin/python3", /* the system's, whatever else PATH has */
		.script = "python/worker.py",
		.suffixes = {".py"},
		/* No user's site directory, and no bytecode written beside the sources. */
		.flags = {"-s", "-B"},
	},
};

const struct runtime *runtime_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		if (strcmp(runtimes[i].name, name) == 0)
			return &runtimes[i];
	return NULL;
}

const char *runtime_names(void)
{
	return "\"nodejs\" and \"python\"";
}
