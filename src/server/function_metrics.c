// SPDX-License-Identifier: BSD-2-Clause
#include "server/function_metrics.h"

#include <string.h>

struct figure {
	const char *name;
	enum metric_type type;
	const char *help;
	uint64_t (*read)(const struct function_stats *stats);
};

#define READ(field)                                                                                \
	static uint64_t read_##field(const struct function_stats *stats)                           \
	{                                                                                          \
		return stats->field;                                                               \
	}

READ(events)
READ(batches)
READ(failures)
READ(crashes)
READ(timeouts)
READ(dead_letters)
READ(dropped)
READ(moves)
READ(alerts)
READ(refused)
READ(keys)
READ(keys_evicted)
READ(keys_fetched)
READ(kept_max)
READ(fills)
READ(full)
READ(queued)
READ(workers)
READ(workers_wanted)
READ(stalled)

static uint64_t read_entries(const struct function_stats *stats)
{
	return stats->kept.entries;
}

static uint64_t read_bytes(const struct function_stats *stats)
{
	return stats->kept.bytes;
}

static uint64_t is_up(const struct function_stats *stats)
{
	return stats->workers > 0 || stats->workers_wanted == 0;
}

static uint64_t count_lacking(const struct function_stats *stats)
{
	uint32_t lacking = stats->layers_chosen ? LAYERS_ALL & ~stats->layers : 0;

	return (uint64_t)__builtin_popcount(lacking);
}

static const struct figure figures[] = {
	{"netlambda_function_events_total", METRIC_COUNTER,
		"Events committed, dead letters included.", read_events},
	{"netlambda_function_batches_total", METRIC_COUNTER, "Batches run.", read_batches},
	{"netlambda_function_failures_total", METRIC_COUNTER, "Calls that threw, attempts counted.",
		read_failures},
	{"netlambda_function_crashes_total", METRIC_COUNTER, "Workers that ended by themselves.",
		read_crashes},
	{"netlambda_function_timeouts_total", METRIC_COUNTER, "Workers killed at the deadline.",
		read_timeouts},
	{"netlambda_function_dead_letters_total", METRIC_COUNTER, "Events put aside.",
		read_dead_letters},
	{"netlambda_function_dropped_total", METRIC_COUNTER,
		"Unacknowledged events given up since it got nothing done.", read_dropped},
	{"netlambda_function_moves_total", METRIC_COUNTER,
		"Times that a part of its keys went to another worker.", read_moves},
	{"netlambda_function_alerts_total", METRIC_COUNTER, "Alerts raised.", read_alerts},
	{"netlambda_function_refused_total", METRIC_COUNTER, "Events that the full queue refused.",
		read_refused},
	{"netlambda_function_state_keys", METRIC_GAUGE, "Keys whose state is in memory.",
		read_keys},
	{"netlambda_function_state_keys_evicted_total", METRIC_COUNTER,
		"Keys whose state left memory; it is in the store.", read_keys_evicted},
	{"netlambda_function_state_keys_fetched_total", METRIC_COUNTER,
		"Keys whose state came back.", read_keys_fetched},
	{"netlambda_function_state_entries", METRIC_GAUGE, "Values that it keeps, committed.",
		read_entries},
	{"netlambda_function_state_bytes", METRIC_GAUGE,
		"What it keeps, committed: keys, names and values.", read_bytes},
	{"netlambda_function_state_bytes_max", METRIC_GAUGE,
		"From so much on it may keep no more; 0: no limit.", read_kept_max},
	{"netlambda_function_state_full", METRIC_GAUGE,
		"Whether it has come to that, so that what would make its state larger is refused.",
		read_full},
	{"netlambda_function_state_full_total", METRIC_COUNTER, "Times that it came to that.",
		read_fills},
	{"netlambda_function_queued", METRIC_GAUGE, "Events waiting or running.", read_queued},
	{"netlambda_function_workers", METRIC_GAUGE, "Workers that are up.", read_workers},
	{"netlambda_function_workers_wanted", METRIC_GAUGE, "Workers that it should have.",
		read_workers_wanted},
	{"netlambda_function_stalled", METRIC_GAUGE,
		"Whether it gets nothing done, so that its events are put aside.", read_stalled},
	{"netlambda_function_isolation_lacks", METRIC_GAUGE,
		"Layers of isolation that are not in force for it.", count_lacking},
	{"netlambda_function_up", METRIC_GAUGE, "Whether a worker is up, or none is wanted.",
		is_up},
};

/* What the server counts of a function, beside the engine. */
static const struct {
	const char *name, *help;
	size_t offset; /* in its unit */
} counts[] = {
	{"netlambda_function_dead_letters_shed_total",
		"Dead letters that left for newer ones, since no more are kept.",
		offsetof(struct unit, letters_shed)},
	{"netlambda_function_calls_refused_total",
		"Requests and live calls that were not run, since there was too much to do.",
		offsetof(struct unit, calls_refused)},
};

static void write_counts(struct metrics *m, const struct unit *const *units, size_t count)
{
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		metrics_family(m, counts[i].name, METRIC_COUNTER, counts[i].help);
		for (size_t j = 0; j < count; j++)
			metrics_sample(m,
				(const struct metric_label[]){
					{"function", units[j]->config->name}, {0}},
				*(const uint64_t *)((const char *)units[j] + counts[i].offset));
	}
}

static void write_durations(struct metrics *m, const struct unit *const *units,
	const struct function_stats *stats, size_t count)
{
	metrics_family(m, "netlambda_function_busy_seconds_total", METRIC_COUNTER,
		"Time from handing out batches to their results.");
	for (size_t i = 0; i < count; i++)
		metrics_sample_seconds(m,
			(const struct metric_label[]){{"function", units[i]->config->name}, {0}},
			stats[i].busy_ns);
	metrics_family(m, "netlambda_function_latency_seconds", METRIC_HISTOGRAM,
		"From the arrival of events to their commit.");
	for (size_t i = 0; i < count; i++) {
		struct histogram latency;

		function_latency(units[i]->function, &latency);
		metrics_durations(m,
			(const struct metric_label[]){{"function", units[i]->config->name}, {0}},
			&latency, LATENCY_TICK_NS);
	}
}

static uint64_t count_spares(const struct engine *engine)
{
	unsigned int count = 0;

	while (engine_spare_pid(engine, count) > 0)
		count++;
	return count;
}

void write_function_metrics(
	struct metrics *m, const struct units *units, const struct engine *engine)
{
	struct function_stats stats[UNITS_MAX];
	const struct unit *there[UNITS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		if (!units->units[i].function)
			continue;
		there[count] = &units->units[i];
		function_stats(units->units[i].function, &stats[count++]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		metrics_family(m, figures[i].name, figures[i].type, figures[i].help);
		for (size_t j = 0; j < count; j++)
			metrics_sample(m,
				(const struct metric_label[]){
					{"function", there[j]->config->name}, {0}},
				figures[i].read(&stats[j]));
	}
	write_counts(m, there, count);
	write_durations(m, there, stats, count);
	metrics_single(m, "netlambda_spare_workers", METRIC_GAUGE,
		"Workers that are started and wait for a function.", count_spares(engine));
}
