/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * One line a message on standard error, `LEVEL message key=value ...`; under systemd
 * (JOURNAL_STREAM set) with the <N> priority prefix instead. Only daemons' controllers and tools
 * log; cores return errors. Levels by meaning: error = an operator must act, warning = something
 * was lost or refused, info = a change of state, debug = for developers. Safe to call from any
 * thread.
 *
 * What a remote peer can trigger goes through log_limited(), at most `burst` lines each second and
 * call site; the next line that passes says how many were left out.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

struct log_limit {
	uint64_t second; /* the monotonic second that `count` is for */
	unsigned int count;
	unsigned int suppressed;
};

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_message(enum log_level level, const char *fmt, ...) _printf_(2, 3);
void log_message_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
	_printf_(3, 4);

/* Parses "error", "warning", "info" or "debug". Returns 0 or -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret_level) _must_check_;

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Not thread-safe: each call site is reached from one thread only. */
#define log_limited(level, ...)                                                                    \
	do {                                                                                       \
		static struct log_limit _limit;                                                    \
		log_message_limited(&_limit, (level), __VA_ARGS__);                                \
	} while (0)

#endif
