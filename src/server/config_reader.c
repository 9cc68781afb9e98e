// SPDX-License-Identifier: BSD-2-Clause
#include "server/config_reader.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/number.h"
#include "base/suggest.h"
#include "server/json_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (4U << 20)
#define KEY_TEXT_MAX   256
#define DAY_NS         (24 * 3600 * NS_PER_SEC)
#define SIZE_LIMIT     (1ULL << 60)

void reader_fail(struct config_reader *reader, const char *key, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	if (reader->error_code != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if ((reader->path ? asprintf(&reader->error, "%s:%u: %s%s%s", reader->path,
				    reader->text ? json_line(reader->text, key) : 1, key,
				    *key ? ": " : "", message)
			  : asprintf(&reader->error, "%s%s%s", key, *key ? ": " : "", message)) < 0)
		reader->error = NULL;
	reader->error_code = -EINVAL;
}

static int read_text(const char *path, char **ret_text)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	if (st.st_size > (off_t)FILE_BYTES_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (memchr(text, '\0', len))
		return -EILSEQ;
	text[len] = '\0';
	*ret_text = TAKE_PTR(text);
	return 0;
}

int reader_open(struct config_reader *reader, const char *path)
{
	json_error_t error;
	int r;

	*reader = (struct config_reader){.path = path};
	r = read_text(path, &reader->text);
	if (r < 0) {
		if (asprintf(&reader->error, "%s: %s", path, strerror(-r)) < 0)
			reader->error = NULL;
		reader->error_code = r;
		return r;
	}
	reader->root = json_loads(reader->text, JSON_REJECT_DUPLICATES, &error);
	if (!reader->root) {
		if (asprintf(&reader->error, "%s:%d:%d: not JSON: %s", path, error.line,
			    error.column, error.text) < 0)
			reader->error = NULL;
		reader->error_code = -EINVAL;
	} else if (!json_is_object(reader->root)) {
		reader_fail(reader, "", "expected a JSON object");
	}
	return reader->error_code;
}

void reader_close(struct config_reader *reader)
{
	json_decref(reader->root);
	free(reader->text);
	reader->root = NULL;
	reader->text = NULL;
}

void reader_allow_keys(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *const *keys, size_t count)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		char name[KEY_TEXT_MAX];
		const char *near;
		bool known = false;

		for (size_t i = 0; i < count && !known; i++)
			known = strcmp(key, keys[i]) == 0;
		if (known)
			continue;
		snprintf(name, sizeof(name), "%s%s", prefix, key);
		near = suggest_nearest(key, keys, count);
		if (near)
			reader_fail(reader, name, "unknown key (did you mean \"%s\"?)", near);
		else
			reader_fail(reader, name, "unknown key");
		return;
	}
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_NULL:
		return "null";
	default:
		return "true or false";
	}
}

/* The member if it is there and reading goes on; `name` receives what messages call it. */
static const json_t *member(const struct config_reader *reader, const char *prefix,
	const json_t *object, const char *key, char name[static KEY_TEXT_MAX])
{
	snprintf(name, KEY_TEXT_MAX, "%s%s", prefix, key);
	return reader->error_code == 0 ? json_object_get(object, key) : NULL;
}

void reader_string(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, char **value)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);
	char *copy;

	if (!json)
		return;
	if (!json_is_string(json) || json_string_length(json) == 0) {
		reader_fail(reader, name, "expected a string that is not empty, found %s",
			json_is_string(json) ? "\"\"" : type_name(json));
		return;
	}
	copy = strdup(json_string_value(json));
	if (!copy) {
		reader_fail(reader, name, "out of memory");
		return;
	}
	free(*value);
	*value = copy;
}

void reader_bool(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, bool *value)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);

	if (!json)
		return;
	if (!json_is_boolean(json))
		reader_fail(reader, name, "expected true or false, found %s", type_name(json));
	else
		*value = json_is_true(json);
}

void reader_range(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, const struct number_range *range, unsigned int *value)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);
	json_int_t number;

	if (!json)
		return;
	number = json_integer_value(json);
	if (!json_is_integer(json) || number < (json_int_t)range->min ||
		number > (json_int_t)range->max)
		reader_fail(
			reader, name, "expected an integer from %u to %u", range->min, range->max);
	else
		*value = (unsigned int)number;
}

void reader_hundredths(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, unsigned int max, unsigned int *value)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);
	double number;

	if (!json)
		return;
	number = json_number_value(json);
	if (!json_is_number(json) || !(number > 0) || number > max)
		reader_fail(reader, name, "expected a number above 0, at most %u", max);
	else
		*value = (unsigned int)(number * 100 + 0.999);
}

void reader_count(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, unsigned int max, unsigned int *value)
{
	reader_range(reader, prefix, object, key, &(struct number_range){1, max}, value);
}

void reader_duration(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t *value_ns)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);

	if (!json)
		return;
	if (!json_is_string(json) ||
		duration_parse(json_string_value(json), NS_PER_MS, DAY_NS, value_ns) < 0)
		reader_fail(
			reader, name, "expected a time from 1ms to 24h, as \"500ms\" or \"10s\"");
}

void reader_keep(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t *value_ns)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);

	if (!json)
		return;
	if (!json_is_string(json) || duration_parse(json_string_value(json), 60 * NS_PER_SEC,
					     36500 * DAY_NS, value_ns) < 0)
		reader_fail(reader, name, "expected a time from 1m on, as \"12h\" or \"90d\"");
}

void reader_size(struct config_reader *reader, const char *prefix, const json_t *object,
	const char *key, uint64_t min, uint64_t *value)
{
	char name[KEY_TEXT_MAX];
	const json_t *json = member(reader, prefix, object, key, name);
	json_int_t number = json_integer_value(json);

	if (!json || (json_is_string(json) &&
			     size_parse(json_string_value(json), min, SIZE_LIMIT, value) == 0))
		return;
	if (json_is_integer(json) && number >= (json_int_t)min && number <= (json_int_t)SIZE_LIMIT)
		*value = (uint64_t)number;
	else
		reader_fail(reader, name,
			"expected a size from %llu bytes on, as 1073741824 or \"1Gi\"",
			(unsigned long long)min);
}
