// SPDX-License-Identifier: BSD-2-Clause
#include "base/cron.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define YEARS_AHEAD 9 /* between two 29ths of February, around a century that has none */

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field {
	const char *name;
	unsigned int min, max;
	const char *const *names; /* of `min`, `min` + 1, ...; NULL: numbers only */
} fields[] = {
	{"minute", 0, 59, NULL}, {"hour", 0, 23, NULL}, {"day of month", 1, 31, NULL},
	{"month", 1, 12, month_names}, {"day of week", 0, 7, weekday_names}, /* 7 is Sunday, too */
};

static const struct {
	const char *word, *fields;
} words[] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

/* ---- parsing ---- */

/* A number or name at *text, which moves on. -1: neither. */
static int parse_value(const struct field *field, const char **text)
{
	char *end;
	unsigned long value;

	for (int i = 0; field->names && field->names[i]; i++) {
		if (strncasecmp(*text, field->names[i], 3) != 0)
			continue;
		*text += 3;
		return (int)field->min + i;
	}
	if (**text < '0' || **text > '9')
		return -1;
	value = strtoul(*text, &end, 10);
	*text = end;
	return value < 1000 ? (int)value : -1;
}

/* "*", "5", "1-5", each with or without "/2". */
static int parse_item(const struct field *field, const char **text, uint64_t *bits)
{
	int first = (int)field->min, last = (int)field->max, step = 1;
	bool single = false;

	if (**text == '*') {
		++*text;
	} else {
		first = last = parse_value(field, text);
		single = true;
		if (**text == '-') {
			++*text;
			last = parse_value(field, text);
			single = false;
		}
	}
	if (**text == '/') {
		++*text;
		step = parse_value(&(struct field){.max = 999}, text);
		last = single ? (int)field->max : last;
	}
	if (first < 0 || first < (int)field->min || last > (int)field->max || first > last ||
		step < 1)
		return -EINVAL;
	for (int value = first; value <= last; value += step)
		*bits |= 1ULL << value;
	return 0;
}

static int parse_field(const struct field *field, const char **text, uint64_t *ret_bits)
{
	uint64_t bits = 0;
	int r;

	do {
		r = parse_item(field, text, &bits);
	} while (r == 0 && **text == ',' && ++*text);
	if (r == 0 && **text != ' ' && **text != '\0')
		r = -EINVAL;
	*ret_bits = bits;
	return r;
}

static int parse_every(const char *text, uint64_t *ret_ns)
{
	static const struct {
		char unit;
		uint64_t ns;
	} units[] = {{'s', NS_PER_SEC}, {'m', 60 * NS_PER_SEC}, {'h', 3600 * NS_PER_SEC},
		{'d', 86400 * NS_PER_SEC}};
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	for (size_t i = 0; i < ARRAY_SIZE(units) && *text >= '0' && *text <= '9'; i++)
		if (end[0] == units[i].unit && end[1] == '\0' && number > 0 && number < 100000) {
			*ret_ns = number * units[i].ns;
			return 0;
		}
	return -EINVAL;
}

static int parse_fields(const char *text, struct cron *ret_cron, char **ret_error)
{
	uint64_t bits[ARRAY_SIZE(fields)];
	const char *at = text;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		at += strspn(at, " \t");
		if (parse_field(&fields[i], &at, &bits[i]) < 0)
			return error_set(ret_error, -EINVAL,
				"\"%s\": its %s is wrong: expected five fields such as \"*/5 * * * "
				"*\", "
				"or \"@every 30s\"",
				text, fields[i].name);
	}
	at += strspn(at, " \t");
	if (*at)
		return error_set(
			ret_error, -EINVAL, "\"%s\": expected five fields, found more", text);
	*ret_cron = (struct cron){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		.weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
		.any_day = bits[2] == 0xfffffffe,
		.any_weekday = (bits[4] & 0x7f) == 0x7f,
	};
	return 0;
}

int cron_parse(const char *text, struct cron *ret_cron, char **ret_error)
{
	struct cron every = {0};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i].word) == 0)
			return parse_fields(words[i].fields, ret_cron, ret_error);
	if (strncmp(text, "@every ", 7) != 0)
		return parse_fields(text, ret_cron, ret_error);
	if (parse_every(text + 7, &every.every_ns) < 0)
		return error_set(ret_error, -EINVAL,
			"\"%s\": expected a time such as \"@every 30s\", \"@every 5m\" or \"@every "
			"1h\"",
			text);
	*ret_cron = every;
	return 0;
}

/* ---- the next time ---- */

static bool day_is_due(const struct cron *cron, const struct tm *tm)
{
	bool day = cron->days >> tm->tm_mday & 1, weekday = cron->weekdays >> tm->tm_wday & 1;

	if (!(cron->months >> (tm->tm_mon + 1) & 1))
		return false;
	return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first due minute of the day, from that of `tm` on; -1: there is none. */
static int due_minute(const struct cron *cron, const struct tm *tm)
{
	for (int minute = tm->tm_hour * 60 + tm->tm_min; minute < 24 * 60; minute++)
		if (cron->hours >> (minute / 60) & 1 && cron->minutes >> (minute % 60) & 1)
			return minute;
	return -1;
}

uint64_t cron_next(const struct cron *cron, uint64_t after_ns)
{
	time_t time = (time_t)(after_ns / NS_PER_SEC / 60 * 60 + 60);
	struct tm tm;

	if (cron->every_ns > 0)
		return (after_ns / cron->every_ns + 1) * cron->every_ns;
	gmtime_r(&time, &tm);
	for (int days = 0; days < YEARS_AHEAD * 366; days++) {
		int minute = day_is_due(cron, &tm) ? due_minute(cron, &tm) : -1;

		if (minute >= 0) {
			tm.tm_hour = minute / 60;
			tm.tm_min = minute % 60;
			return (uint64_t)timegm(&tm) * NS_PER_SEC;
		}
		tm.tm_mday++;
		tm.tm_hour = tm.tm_min = 0;
		time = timegm(&tm);
		gmtime_r(&time, &tm);
	}
	return 0;
}
