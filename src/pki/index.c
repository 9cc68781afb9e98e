// SPDX-License-Identifier: BSD-2-Clause
#include "pki/index.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_LINE    "netlambda-pki-index 1"
#define FIELDS_MAX    8
#define FIELDS_VALID  6
#define SERIAL_DIGITS 32

static const struct {
	enum revocation_reason reason;
	const char *name;
} reasons[] = {
	{REVOCATION_UNSPECIFIED, "unspecified"},
	{REVOCATION_KEY_COMPROMISE, "key-compromise"},
	{REVOCATION_SUPERSEDED, "superseded"},
	{REVOCATION_CESSATION, "cessation"},
};

const char *revocation_reason_name(enum revocation_reason reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return NULL;
}

int revocation_reason_parse(const char *name, enum revocation_reason *ret_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strcmp(reasons[i].name, name) == 0) {
			*ret_reason = reasons[i].reason;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- times ---- */

const char *time_text(int64_t seconds, char text[static TIME_TEXT_MAX])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&time, &tm) || strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, TIME_TEXT_MAX, "(no time)");
	return text;
}

int time_parse(const char *text, int64_t *ret_seconds)
{
	char again[TIME_TEXT_MAX];
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t seconds;

	if (!end || *end != '\0')
		return -EINVAL;
	seconds = timegm(&tm);
	/* Whatever else strptime(3) takes, such as 31 June. */
	if (strcmp(time_text(seconds, again), text) != 0)
		return -EINVAL;
	*ret_seconds = seconds;
	return 0;
}

/* ---- reading ---- */

static size_t split(char *line, char *fields[static FIELDS_MAX])
{
	size_t count = 0;
	char *field;

	while ((field = strsep(&line, "\t")) != NULL) {
		if (count == FIELDS_MAX)
			return FIELDS_MAX + 1;
		fields[count++] = field;
	}
	return count;
}

static const char *take_serial(const char *text, struct index_entry *entry)
{
	if (strlen(text) != SERIAL_DIGITS || strspn(text, "0123456789abcdef") != SERIAL_DIGITS)
		return "the serial is not 32 digits of lower-case hex";
	snprintf(entry->serial, sizeof(entry->serial), "%s", text);
	return NULL;
}

static const char *take_subject(char *const *fields, struct index_entry *entry)
{
	char *end;
	unsigned long id;

	if (strcmp(fields[1], "switch") == 0)
		entry->kind = CERTIFICATE_SWITCH;
	else if (strcmp(fields[1], "server") == 0)
		entry->kind = CERTIFICATE_SERVER;
	else
		return "expected \"switch\" or \"server\" behind the serial";
	id = strtoul(fields[2], &end, 10);
	if (entry->kind == CERTIFICATE_SERVER ? strcmp(fields[2], "-") != 0
					      : *end != '\0' || id == 0 || id > UINT32_MAX)
		return "the switch's number is none";
	entry->switch_id = (uint32_t)id;
	if (!certificate_name_valid(fields[3]))
		return "the name is empty, too long, or has odd characters";
	snprintf(entry->name, sizeof(entry->name), "%s", fields[3]);
	return NULL;
}

/* NULL, or what is wrong with the line. */
static const char *parse_line(char *line, struct index_entry *entry)
{
	char *fields[FIELDS_MAX] = {NULL};
	size_t count = split(line, fields);
	const char *wrong;

	if (count != FIELDS_VALID && count != FIELDS_MAX)
		return "expected 6 fields with tabs between, or 8 of a revoked certificate";
	wrong = take_serial(fields[0], entry);
	if (!wrong)
		wrong = take_subject(fields, entry);
	if (wrong)
		return wrong;
	if (time_parse(fields[4], &entry->issued) < 0 || time_parse(fields[5], &entry->expires) < 0)
		return "expected two times such as 2026-08-03T10:00:00Z behind the name";
	if (count == FIELDS_VALID)
		return NULL;
	if (time_parse(fields[6], &entry->revoked) < 0 || entry->revoked <= 0 ||
		revocation_reason_parse(fields[7], &entry->reason) < 0)
		return "expected when it was revoked, and why, in the last two fields";
	return NULL;
}

static int compare_serials(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_unique(const char *path, const struct index *index, char **ret_error)
{
	_cleanup_free_ const char **serials = calloc(index->count + 1, sizeof(*serials));

	if (!serials)
		return -ENOMEM;
	for (size_t i = 0; i < index->count; i++)
		serials[i] = index->entries[i].serial;
	qsort(serials, index->count, sizeof(*serials), compare_serials);
	for (size_t i = 1; i < index->count; i++)
		if (strcmp(serials[i - 1], serials[i]) == 0)
			return error_set(ret_error, -EBADMSG, "%s: serial %s is there twice", path,
				serials[i]);
	return 0;
}

static int parse(const char *path, char *text, struct index *index, char **ret_error)
{
	size_t number = 1;
	char *line = strsep(&text, "\n");

	if (strcmp(line, FIRST_LINE) != 0)
		return error_set(ret_error, -EBADMSG,
			"%s:1: expected \"" FIRST_LINE
			"\": this is no index of a CA, or of a newer "
			"version",
			path);
	while ((line = strsep(&text, "\n")) != NULL) {
		struct index_entry entry = {0};
		const char *wrong;
		int r;

		number++;
		if (!text && *line == '\0')
			return check_unique(path, index, ret_error);
		wrong = text ? parse_line(line, &entry) : "the line has no end: the file is cut";
		if (wrong)
			return error_set(ret_error, -EBADMSG, "%s:%zu: %s", path, number, wrong);
		r = index_add(index, &entry);
		if (r < 0)
			return r;
	}
	return error_set(ret_error, -EBADMSG, "%s:1: the line has no end: the file is cut", path);
}

int index_read(const char *path, struct index *ret_index, char **ret_error)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct index index = {0};
	size_t size;
	int r = file_read(path, INDEX_BYTES_MAX, &text, &size);

	if (r < 0)
		return error_set(ret_error, r, "cannot read %s: %s", path, strerror(-r));
	if (strlen((char *)text) != size)
		return error_set(ret_error, -EBADMSG, "%s: this is no text", path);
	r = parse(path, (char *)text, &index, ret_error);
	if (r < 0)
		index_done(&index);
	else
		*ret_index = index;
	return r;
}

void index_done(struct index *index)
{
	free(index->entries);
	*index = (struct index){0};
}

int index_add(struct index *index, const struct index_entry *entry)
{
	if (index->count == index->room) {
		size_t room = MAX(index->room * 2, (size_t)16);
		struct index_entry *grown =
			reallocarray(index->entries, room, sizeof(*index->entries));

		if (!grown)
			return -ENOMEM;
		index->entries = grown;
		index->room = room;
	}
	index->entries[index->count++] = *entry;
	return 0;
}

/* ---- writing ---- */

static void write_entry(FILE *out, const struct index_entry *entry)
{
	char issued[TIME_TEXT_MAX], expires[TIME_TEXT_MAX], revoked[TIME_TEXT_MAX];

	fprintf(out, "%s\t%s\t", entry->serial, certificate_kind_name(entry->kind));
	if (entry->kind == CERTIFICATE_SWITCH)
		fprintf(out, "%u", entry->switch_id);
	else
		fputc('-', out);
	fprintf(out, "\t%s\t%s\t%s", entry->name, time_text(entry->issued, issued),
		time_text(entry->expires, expires));
	if (entry->revoked != 0)
		fprintf(out, "\t%s\t%s", time_text(entry->revoked, revoked),
			revocation_reason_name(entry->reason));
	fputc('\n', out);
}

int index_write(const char *path, const struct index *index, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r = -ENOMEM;

	if (!out)
		return r;
	fputs(FIRST_LINE "\n", out);
	for (size_t i = 0; i < index->count; i++)
		write_entry(out, &index->entries[i]);
	if (fclose(out) == 0)
		r = file_write(path, text, size, 0644, true);
	if (r < 0)
		return error_set(ret_error, r, "cannot write %s: %s", path, strerror(-r));
	return 0;
}
