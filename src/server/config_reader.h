/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CONFIG_READER_H
#define SERVER_CONFIG_READER_H

/*
 * Typed reading of one JSON file with errors that name file, line and key. The first error sticks:
 * later reads do nothing and leave their outputs alone, so a caller reads everything and checks
 * once.
 */

#include "base/attr.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct config_reader {
	const char *path; /* NULL: of no file, and messages name the key alone */
	char *text;
	json_t *root;
	char *error; /* the first one, or NULL */
	int error_code;
};

/* Reads and parses; the root must be an object. 0 or negative errno, as reader->error says. */
int reader_open(struct config_reader *reader, const char *path) _must_check_;
/* Frees all but the error, which is the caller's. */
void reader_close(struct config_reader *reader);

/* Records an error about a key ("triggers.7"; "" = the file as a whole), unless there is one. */
void reader_fail(struct config_reader *reader, const char *key, const char *fmt, ...)
	_printf_(3, 4);

/* What an object may hold. Anything else is an error that suggests the nearest. */
void reader_allow_keys(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *const *keys, size_t count);

/*
 * Each takes member `key` of `object`, if it is there; the message calls it `prefix` + `key`.
 * Strings replace *value (which is freed).
 */
void reader_string(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, char **value);
void reader_bool(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, bool *value);
void reader_count(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, unsigned int max, unsigned int *value);
/* A number above 0 and at most `max`, in hundredths, rounded up. */
void reader_hundredths(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, unsigned int max, unsigned int *value);

struct number_range {
	unsigned int min, max;
};
void reader_range(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, const struct number_range *range, unsigned int *value);
/* "500ms", "10s", "5m", "1h"; at least 1 ms, at most a day. */
void reader_duration(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t *value_ns);

/* Bytes, from `min` on: a number, or a text with a unit, as "512Mi" or "20Gi". */
void reader_size(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t min, uint64_t *value);

/* How long something is kept: "12h", "90d"; at least a minute. */
void reader_keep(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t *value_ns);

#endif
