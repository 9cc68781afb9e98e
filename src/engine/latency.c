// SPDX-License-Identifier: BSD-2-Clause
#include "engine/latency.h"

#include "base/clock.h"

#define HALF_NS (30 * NS_PER_SEC)

void latency_turn(struct latency *latency, uint64_t now_ns)
{
	bool is_late = now_ns - latency->turned_ns >= 2 * HALF_NS;

	if (now_ns - latency->turned_ns < HALF_NS)
		return;
	histogram_merge(&latency->total, &latency->recent[0]);
	latency->recent[1] = is_late ? (struct histogram){0} : latency->recent[0];
	latency->recent[0] = (struct histogram){0};
	latency->turned_ns = now_ns;
}

static uint64_t quantile_ns(const struct histogram *histogram, double share)
{
	return histogram_quantile(histogram, share) * LATENCY_TICK_NS;
}

void latency_look(
	const struct latency *latency, uint64_t now_ns, struct latency_summary *ret_summary)
{
	struct histogram recent = {0};
	uint64_t age = now_ns - latency->turned_ns, span = age;

	if (age < 2 * HALF_NS)
		recent = latency->recent[0];
	if (age < HALF_NS && latency->recent[1].count > 0) {
		histogram_merge(&recent, &latency->recent[1]);
		span += HALF_NS;
	}
	*ret_summary = (struct latency_summary){
		.events = recent.count,
		.span_ns = MAX(span, NS_PER_SEC),
		.p50_ns = quantile_ns(&recent, 0.5),
		.p90_ns = quantile_ns(&recent, 0.9),
		.p99_ns = quantile_ns(&recent, 0.99),
		.max_ns = quantile_ns(&recent, 1),
	};
}
