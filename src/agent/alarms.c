// SPDX-License-Identifier: BSD-2-Clause
#include "agent/alarms.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "base/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FILE_MAX (64 * 1024)

const struct fanout_options alarms_default = {
	.window_ns = 10 * NS_PER_SEC,
	.repeat_ns = NS_PER_SEC,
	.max = 16384,
	.source = {.hosts = 200, .ports = 100, .half_open = 1000},
	.target = {.hosts = 1000,
		.ports = 100,
		.half_open = 1000,
		.packets = 20000,
		.bytes = 125000000},
};

static const struct {
	const char *name;
	size_t offset; /* in struct fanout_options */
	uint64_t max;
} alarms[] = {
	{"source-hosts", offsetof(struct fanout_options, source.hosts), FANOUT_DISTINCT_MAX},
	{"source-ports", offsetof(struct fanout_options, source.ports), FANOUT_DISTINCT_MAX},
	{"source-half-open", offsetof(struct fanout_options, source.half_open), UINT32_MAX},
	{"source-packets", offsetof(struct fanout_options, source.packets), UINT64_MAX},
	{"source-bytes", offsetof(struct fanout_options, source.bytes), UINT64_MAX},
	{"target-sources", offsetof(struct fanout_options, target.hosts), FANOUT_DISTINCT_MAX},
	{"target-ports", offsetof(struct fanout_options, target.ports), FANOUT_DISTINCT_MAX},
	{"target-half-open", offsetof(struct fanout_options, target.half_open), UINT32_MAX},
	{"target-packets", offsetof(struct fanout_options, target.packets), UINT64_MAX},
	{"target-bytes", offsetof(struct fanout_options, target.bytes), UINT64_MAX},
};

static int unknown(const char *text, char **ret_error)
{
	const char *names[ARRAY_SIZE(alarms)];
	_cleanup_free_ char *name = strndup(text, strcspn(text, "="));
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(alarms); i++)
		names[i] = alarms[i].name;
	near = name ? suggest_nearest(name, names, ARRAY_SIZE(names)) : NULL;
	return error_set(ret_error, -EINVAL,
		"%s: expected source-hosts, target-sources, or source- or target-ports, "
		"-half-open, -packets or -bytes, and =N%s%s%s",
		text, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int alarm_parse(const char *text, struct fanout_options *options, char **ret_error)
{
	const size_t length = strcspn(text, "=");
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(alarms); i++) {
		if (strlen(alarms[i].name) != length || strncmp(alarms[i].name, text, length) != 0)
			continue;
		if (text[length] != '=' ||
			number_parse(text + length + 1, 0, alarms[i].max, &value) < 0)
			return error_set(ret_error, -EINVAL,
				"%s: expected a number from 0 to %" PRIu64 " behind =", text,
				alarms[i].max);
		memcpy((char *)options + alarms[i].offset, &value, sizeof(value));
		return 0;
	}
	return unknown(text, ret_error);
}

int alarms_parse(const char *list, struct fanout_options *options, char **ret_error)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&rest, ",")) != NULL)
		r = alarm_parse(word, options, ret_error);
	return r;
}

/* Takes all blanks out, and what is behind a #. */
static void strip(char *line)
{
	char *to = line;

	line[strcspn(line, "#")] = '\0';
	for (const char *from = line; *from; from++)
		if (!strchr(" \t\r", *from))
			*to++ = *from;
	*to = '\0';
}

int alarms_read(const char *path, struct fanout_options *options, char **ret_error)
{
	struct fanout_options fresh = *options;
	_cleanup_free_ uint8_t *bytes = NULL;
	unsigned int number = 1;
	size_t size = 0;
	char *rest, *line;
	int r = file_read(path, FILE_MAX, &bytes, &size);

	if (r < 0)
		return error_set(ret_error, r, "%s: cannot read it: %s", path, strerror(-r));
	if (strlen((const char *)bytes) != size)
		return error_set(ret_error, -EINVAL, "%s: it is no text", path);
	rest = (char *)bytes;
	for (; (line = strsep(&rest, "\n")) != NULL; number++) {
		_cleanup_free_ char *why = NULL;

		strip(line);
		r = line[0] ? alarm_parse(line, &fresh, &why) : 0;
		if (r < 0)
			return error_set(
				ret_error, r, "%s:%u: %s", path, number, why ? why : strerror(-r));
	}
	*options = fresh;
	return 0;
}
