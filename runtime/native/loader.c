// SPDX-License-Identifier: BSD-2-Clause
#include "loader.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _printf_(2, 3) int refuse(char error[static LOADER_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, LOADER_ERROR_MAX, format, args);
	va_end(args);
	return -1;
}

static int check_abi(void *object, const char *file, char error[static LOADER_ERROR_MAX])
{
	static const struct {
		const char *name;
		size_t size;
	} records[] = {
		{"port_event", sizeof(struct port_event)},
		{"flow_event", sizeof(struct flow_event)},
		{"source_event", sizeof(struct source_event)},
		{"target_event", sizeof(struct target_event)},
		{"interface_event", sizeof(struct interface_event)},
		{"timer_event", sizeof(struct timer_event)},
		{"http_event", sizeof(struct http_event)},
	};
	const struct lambda_abi *abi = dlsym(object, "lambda_abi");

	if (!abi)
		return refuse(error, "%s was not built with <netlambda/function.h>", file);
	if (abi->version != LAMBDA_ABI)
		return refuse(error,
			"%s was built for version %u of <netlambda/function.h>, this is %d: build "
			"it again",
			file, abi->version, LAMBDA_ABI);
	for (size_t i = 0; i < ARRAY_SIZE(records) && i < abi->records; i++)
		if (abi->record_sizes[i] != records[i].size)
			return refuse(error,
				"%s was built for a struct %s of %u bytes, here it has %zu: build "
				"it again",
				file, records[i].name, abi->record_sizes[i], records[i].size);
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);

	return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static int find_symbols(void *object, const char *file, const char *name, struct loaded *ret_loaded,
	char error[static LOADER_ERROR_MAX])
{
	struct loaded loaded = {0};
	char init[256];
	void *symbol = dlsym(object, name);

	if (!symbol)
		return refuse(error, "%s exports no function \"%s\"", file, name);
	/* POSIX has it that a pointer from dlsym() can be one to a function; C does not. */
	if (ends_with(name, "_batch") || ends_with(name, "Batch"))
		*(void **)&loaded.batch_handler = symbol;
	else
		*(void **)&loaded.handler = symbol;
	snprintf(init, sizeof(init), "%s_init", name);
	*(void **)&loaded.init = dlsym(object, init);
	*ret_loaded = loaded;
	return 0;
}

int loader_load(const char *dir, const char *handler, struct loaded *ret_loaded,
	char error[static LOADER_ERROR_MAX])
{
	const char *dot = strrchr(handler, '.');
	char file[256], path[4096];
	void *object;

	if (!dot || dot == handler || !dot[1])
		return refuse(error, "handler: expected FILE.FUNCTION, found \"%s\"", handler);
	snprintf(file, sizeof(file), "%.*s.so", (int)(dot - handler), handler);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	/* Kept for as long as the process lives. */
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object)
		return refuse(error, "%s", dlerror());
	if (check_abi(object, file, error) < 0)
		return -1;
	return find_symbols(object, file, dot + 1, ret_loaded, error);
}
