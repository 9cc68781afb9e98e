// SPDX-License-Identifier: BSD-2-Clause
#include "server/metrics.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct metrics {
	FILE *out; /* grows `text`; NULL once finished */
	char *text;
	size_t len;
	char *family; /* name of the one opened last */
	bool failed;
};

int metrics_new(struct metrics **ret_metrics)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return -ENOMEM;
	metrics->out = open_memstream(&metrics->text, &metrics->len);
	if (!metrics->out) {
		free(metrics);
		return -ENOMEM;
	}
	*ret_metrics = metrics;
	return 0;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	if (metrics->out)
		fclose(metrics->out);
	free(metrics->text);
	free(metrics->family);
	free(metrics);
}

/* The format escapes backslash and line feed everywhere, the quote in label values only. */
static void put_escaped(struct metrics *metrics, const char *text, bool quoted)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\\\", metrics->out);
		else if (*text == '\n')
			fputs("\\n", metrics->out);
		else if (*text == '"' && quoted)
			fputs("\\\"", metrics->out);
		else
			fputc(*text, metrics->out);
	}
}

void metrics_family(
	struct metrics *metrics, const char *name, enum metric_type type, const char *help)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	free(metrics->family);
	metrics->family = strdup(name);
	metrics->failed |= !metrics->family;
	fprintf(metrics->out, "# HELP %s ", name);
	put_escaped(metrics, help, false);
	fprintf(metrics->out, "\n# TYPE %s %s\n", name, types[type]);
}

static void put_series(
	struct metrics *metrics, const char *suffix, const struct metric_label *labels)
{
	char separator = '{';

	fprintf(metrics->out, "%s%s", metrics->family ? metrics->family : "", suffix);
	for (; labels && labels->name; labels++, separator = ',') {
		fprintf(metrics->out, "%c%s=\"", separator, labels->name);
		put_escaped(metrics, labels->value ? labels->value : "", true);
		fputc('"', metrics->out);
	}
	fputs(separator == ',' ? "} " : " ", metrics->out);
}

static void put_count(struct metrics *metrics, const char *suffix,
	const struct metric_label *labels, uint64_t value)
{
	put_series(metrics, suffix, labels);
	fprintf(metrics->out, "%" PRIu64 "\n", value);
}

static void put_seconds(
	struct metrics *metrics, const char *suffix, const struct metric_label *labels, uint64_t ns)
{
	put_series(metrics, suffix, labels);
	fprintf(metrics->out, "%" PRIu64 ".%09" PRIu64 "\n", (uint64_t)(ns / NS_PER_SEC),
		(uint64_t)(ns % NS_PER_SEC));
}

void metrics_sample(struct metrics *metrics, const struct metric_label *labels, uint64_t value)
{
	put_count(metrics, "", labels, value);
}

void metrics_sample_seconds(struct metrics *metrics, const struct metric_label *labels, uint64_t ns)
{
	put_seconds(metrics, "", labels, ns);
}

void metrics_durations(struct metrics *metrics, const struct metric_label *labels,
	const struct histogram *histogram, uint64_t tick_ns)
{
	struct metric_label with_end[5] = {0};
	char end[32];
	size_t count = 0;

	for (; count < 3 && labels && labels[count].name; count++)
		with_end[count] = labels[count];
	with_end[count] = (struct metric_label){"le", end};
	for (uint64_t ns = 1ULL << 17; ns <= 1ULL << 35; ns *= 2) {
		snprintf(end, sizeof(end), "%.9f", (double)ns / (double)NS_PER_SEC);
		put_count(metrics, "_bucket", with_end,
			histogram_below(histogram, (uint32_t)(ns / tick_ns)));
	}
	snprintf(end, sizeof(end), "+Inf");
	put_count(metrics, "_bucket", with_end, histogram->count);
	put_seconds(metrics, "_sum", labels, histogram->sum * tick_ns);
	put_count(metrics, "_count", labels, histogram->count);
}

void metrics_single(struct metrics *metrics, const char *name, enum metric_type type,
	const char *help, uint64_t value)
{
	metrics_family(metrics, name, type, help);
	metrics_sample(metrics, NULL, value);
}

int metrics_finish(struct metrics *metrics, char **ret_text, size_t *ret_len)
{
	bool failed = metrics->failed || ferror(metrics->out);

	if (fclose(metrics->out) != 0)
		failed = true;
	metrics->out = NULL;
	if (failed)
		return -ENOMEM;
	*ret_text = TAKE_PTR(metrics->text);
	*ret_len = metrics->len;
	return 0;
}
