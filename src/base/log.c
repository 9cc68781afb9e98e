// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048
#define LOG_BURST    10

static const struct {
	const char *name;
	int priority; /* syslog(3) severity, as sd-daemon(3) wants it */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void log_write(enum log_level level, unsigned int suppressed, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	size_t len;
	int n;

	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>", levels[level].priority);
	else
		n = snprintf(line, sizeof(line), "%-7s ", levels[level].name);
	len = (size_t)n;

	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (n > 0)
		len = MIN(len + (size_t)n, sizeof(line) - 1);
	if (suppressed > 0) {
		n = snprintf(line + len, sizeof(line) - len, " suppressed=%u", suppressed);
		len = MIN(len + (size_t)n, sizeof(line) - 1);
	}
	/* A message never spans lines: what a peer sent cannot forge one. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	len = MIN(len, sizeof(line) - 2);
	line[len++] = '\n';
	/* One write(2) a line keeps lines of several threads apart. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void log_message(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_write(level, 0, fmt, ap);
	va_end(ap);
}

void log_message_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
	uint64_t second = clock_monotonic_ns() / NS_PER_SEC;
	unsigned int suppressed = 0;
	va_list ap;

	if (!log_enabled(level))
		return;
	if (limit->second != second) {
		limit->second = second;
		limit->count = 0;
		suppressed = limit->suppressed;
		limit->suppressed = 0;
	}
	if (limit->count >= LOG_BURST) {
		limit->suppressed++;
		return;
	}
	limit->count++;
	va_start(ap, fmt);
	log_write(level, suppressed, fmt, ap);
	va_end(ap);
}
