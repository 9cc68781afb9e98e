// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Microseconds since the epoch; -1 if the text is no such time. All that the API writes is UTC. */
static int64_t parse_time_us(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t fraction_us = 0;

	if (!rest)
		return -1;
	if (*rest == '.')
		for (int64_t unit = 100000; *++rest >= '0' && *rest <= '9'; unit /= 10)
			fraction_us += (*rest - '0') * unit;
	return (int64_t)timegm(&tm) * 1000000 + fraction_us;
}

const char *format_time(const char *rfc3339, char text[static FORMAT_MAX])
{
	int64_t us = parse_time_us(rfc3339);
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;
	size_t len;

	if (us < 0)
		return "-";
	localtime_r(&seconds, &tm);
	len = strftime(text, FORMAT_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(text + len, FORMAT_MAX - len, ".%03d", (int)(us / 1000 % 1000));
	return text;
}

const char *format_duration(int64_t seconds, char text[static FORMAT_MAX])
{
	int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

	if (days > 0)
		snprintf(text, FORMAT_MAX, "%lldd %lldh", (long long)days, (long long)hours);
	else if (hours > 0)
		snprintf(text, FORMAT_MAX, "%lldh %lldm", (long long)hours, (long long)minutes);
	else if (minutes > 0)
		snprintf(text, FORMAT_MAX, "%lldm %llds", (long long)minutes,
			(long long)(seconds % 60));
	else
		snprintf(text, FORMAT_MAX, "%llds", (long long)seconds);
	return text;
}

const char *format_ago(const char *rfc3339, char text[static FORMAT_MAX])
{
	int64_t us = parse_time_us(rfc3339);
	int64_t now_s = (int64_t)(clock_realtime_ns() / NS_PER_SEC);
	char duration[FORMAT_MAX];

	if (us < 0)
		return "never";
	/* Clocks of two machines may differ. */
	format_duration(MAX(now_s - us / 1000000, 0), duration);
	snprintf(text, FORMAT_MAX, "%.*s ago", FORMAT_MAX - 8, duration);
	return text;
}

bool format_in(const char *rfc3339, int64_t *ret_seconds, char text[static FORMAT_MAX])
{
	int64_t us = parse_time_us(rfc3339), left_s;
	char duration[FORMAT_MAX];

	if (us < 0)
		return false;
	left_s = us / 1000000 - (int64_t)(clock_realtime_ns() / NS_PER_SEC);
	format_duration(left_s < 0 ? -left_s : left_s, duration);
	snprintf(text, FORMAT_MAX, left_s < 0 ? "%.*s ago" : "in %.*s", FORMAT_MAX - 8, duration);
	*ret_seconds = left_s;
	return true;
}

const char *format_bytes(int64_t bytes, char text[static FORMAT_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.95 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(text, FORMAT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return text;
}

const char *get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

int64_t get_count(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double get_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

enum color severity_color(const char *severity)
{
	static const struct {
		const char *severity;
		enum color color;
	} colors[] = {
		{"critical", COLOR_RED},
		{"high", COLOR_RED},
		{"medium", COLOR_YELLOW},
		{"low", COLOR_CYAN},
	};

	for (size_t i = 0; severity && i < ARRAY_SIZE(colors); i++)
		if (strcmp(colors[i].severity, severity) == 0)
			return colors[i].color;
	return COLOR_NONE;
}
