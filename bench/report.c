// SPDX-License-Identifier: BSD-2-Clause
#include "bench/report.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row {
	char *name, *metric, *unit, *goal, *beside;
	double value, min, max;
	unsigned int runs;
	bool met;
};

struct report {
	char *name;
	struct row *rows;
	unsigned int count;
};

static void *checked(void *memory)
{
	if (!memory) {
		perror("report");
		exit(EXIT_FAILURE);
	}
	return memory;
}

static char *copy(const char *text)
{
	return text ? checked(strdup(text)) : NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double report_percentile(double *values, unsigned int n, double fraction)
{
	unsigned int rank = (unsigned int)ceil(fraction * n);

	qsort(values, n, sizeof(*values), compare);
	return values[rank > 0 ? MIN(rank, n) - 1 : 0];
}

static double *sorted(const double *values, unsigned int n)
{
	double *copied = checked(malloc(n * sizeof(*values)));

	memcpy(copied, values, n * sizeof(*values));
	qsort(copied, n, sizeof(*copied), compare);
	return copied;
}

static double middle(const double *ordered, unsigned int n)
{
	return n % 2 ? ordered[n / 2] : (ordered[n / 2 - 1] + ordered[n / 2]) / 2;
}

double report_median(const double *values, unsigned int n)
{
	_cleanup_free_ double *ordered = sorted(values, n);

	return middle(ordered, n);
}

struct report *report_new(const char *name)
{
	struct report *report = checked(calloc(1, sizeof(*report)));

	report->name = copy(name);
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (unsigned int i = 0; i < report->count; i++) {
		free(report->rows[i].name);
		free(report->rows[i].metric);
		free(report->rows[i].unit);
		free(report->rows[i].goal);
		free(report->rows[i].beside);
	}
	free(report->rows);
	free(report->name);
	free(report);
}

void report_add(struct report *report, const struct report_row *row)
{
	_cleanup_free_ double *ordered = sorted(row->values, row->runs);

	report->rows =
		checked(reallocarray(report->rows, report->count + 1, sizeof(*report->rows)));
	report->rows[report->count++] = (struct row){
		.name = copy(row->name),
		.metric = copy(row->metric),
		.unit = copy(row->unit),
		.goal = copy(row->goal),
		.beside = copy(row->beside),
		.value = middle(ordered, row->runs),
		.min = ordered[0],
		.max = ordered[row->runs - 1],
		.runs = row->runs,
		.met = row->met,
	};
}

bool report_all_met(const struct report *report)
{
	for (unsigned int i = 0; i < report->count; i++)
		if (report->rows[i].goal && !report->rows[i].met)
			return false;
	return true;
}

/* ---- the table ---- */

/* Three digits that mean something, and thousands set apart. Returns `text`. */
static const char *number(double value, char text[static 32])
{
	char plain[32];
	size_t digits, at = 0;

	if (fabs(value) < 100) {
		snprintf(text, 32, "%.*f", fabs(value) < 10 ? 2 : 1, value);
		return text;
	}
	snprintf(plain, sizeof(plain), "%.0f", fabs(value));
	digits = strlen(plain);
	if (digits > 15) {
		snprintf(text, 32, "%.3g", value);
		return text;
	}
	if (value < 0)
		text[at++] = '-';
	for (size_t i = 0; i < digits; i++) {
		if (i > 0 && (digits - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = plain[i];
	}
	text[at] = '\0';
	return text;
}

static void print_row(const struct row *row)
{
	char value[32], min[32], max[32];

	printf("%-24s %-22s %13s %13s %13s  %-14s", row->name, row->metric,
		number(row->value, value), number(row->min, min), number(row->max, max), row->unit);
	if (row->goal)
		printf(" %s: %s", row->met ? "met" : "MISSED", row->goal);
	else if (row->beside)
		printf(" beside %s", row->beside);
	putchar('\n');
}

static void print_table(const struct report *report)
{
	printf("%-24s %-22s %13s %13s %13s  %-14s %s\n", "case", "metric", "median", "min", "max",
		"unit", "goal");
	for (unsigned int i = 0; i < report->count; i++)
		print_row(&report->rows[i]);
	fflush(stdout);
}

/* ---- the file ---- */

static json_t *row_to_json(const struct row *row)
{
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:i, s:s?, s:o, s:s?}", "case", row->name,
		"metric", row->metric, "unit", row->unit, "value", row->value, "min", row->min,
		"max", row->max, "runs", (int)row->runs, "goal", row->goal, "met",
		row->goal ? json_boolean(row->met) : json_null(), "beside", row->beside);
}

/* NAME.json beside the executable. */
static int default_path(const char *name, char path[static PATH_MAX])
{
	char executable[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

	if (len < 0)
		return -errno;
	executable[len] = '\0';
	len = snprintf(path, PATH_MAX, "%s/%s.json", dirname(executable), name);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_json(const struct report *report, const char *path)
{
	json_t *list = checked(json_array());
	int r = 0;

	for (unsigned int i = 0; i < report->count; i++) {
		json_t *row = checked(row_to_json(&report->rows[i]));

		if (json_array_append_new(list, row) < 0)
			r = -ENOMEM;
	}
	errno = 0;
	if (r == 0 && json_dump_file(list, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) < 0)
		r = errno ? -errno : -EIO;
	json_decref(list);
	return r;
}

int report_write(const struct report *report, const char *path)
{
	char beside_executable[PATH_MAX];
	int r = 0;

	print_table(report);
	if (!path) {
		r = default_path(report->name, beside_executable);
		path = beside_executable;
	}
	if (r == 0)
		r = write_json(report, path);
	if (r < 0)
		fprintf(stderr, "%s: cannot write the results: %s\n", report->name, strerror(-r));
	else
		printf("written to %s\n", path);
	return r;
}
