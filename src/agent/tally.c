// SPDX-License-Identifier: BSD-2-Clause
#include "agent/tally.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>

#define GROWTH_NS NS_PER_SEC /* between telling sources and targets what flows grew by, at most */

struct tally {
	struct tally_options options;
	struct flows *flows;
	struct fanout *fanout; /* the collector's; NULL: not counted */
	uint64_t unix_ns;      /* of what is worked on */
	uint64_t growth_ns;    /* when sources and targets are told next */
	struct tally_stats stats;
};

/* ---- what flows say ---- */

static void on_update(void *user, const struct flow_event *record)
{
	const struct tally *tally = user;

	tally->options.update(tally->options.user, record);
}

static void on_end(void *user, const struct flow_event *record)
{
	const struct tally *tally = user;

	tally->options.end(tally->options.user, record);
}

static void on_shed(void *user, const struct flow_event *record)
{
	struct tally *tally = user;

	tally->stats.shed_flows++;
	tally->stats.shed_packets += record->count;
	tally->stats.shed_bytes += record->size;
	if (!tally->fanout)
		return;
	if (record->ended)
		fanout_note_shed(tally->fanout, record);
	else
		fanout_count_shed(tally->fanout, record, tally->unix_ns);
}

static void on_grown(void *user, const struct flow_event *growth)
{
	const struct tally *tally = user;

	if (tally->fanout)
		fanout_count(tally->fanout, growth, tally->unix_ns);
}

/* ---- making it ---- */

int tally_new(const struct tally_options *options, struct tally **ret_tally)
{
	_cleanup_(tally_freep) struct tally *tally = calloc(1, sizeof(*tally));
	struct flows_options flows = {
		.max = options->flow_max,
		.idle_ns = options->flow_idle_ns,
		.events_per_s = options->flow_events_per_s,
		.update = on_update,
		.end = on_end,
		.shed = on_shed,
		.grown = on_grown,
		.user = tally,
	};
	int r;

	if (!tally)
		return -ENOMEM;
	tally->options = *options;
	tally->fanout = collector_fanout(options->collector);
	/* Of no influence on the order of anything. */
	if (getrandom(flows.seeds, sizeof(flows.seeds), 0) != sizeof(flows.seeds))
		return -EIO;
	r = flows_new(&flows, &tally->flows);
	if (r < 0)
		return r;
	*ret_tally = TAKE_PTR(tally);
	return 0;
}

void tally_free(struct tally *tally)
{
	if (!tally)
		return;
	flows_free(tally->flows);
	free(tally);
}

/* ---- counting ---- */

void tally_add(struct tally *tally, const struct flow_event *increment, uint64_t now_ns)
{
	flows_fold(tally->flows, increment, now_ns);
}

void tally_add_shed(struct tally *tally, const struct flow_event *increment, uint64_t unix_ns)
{
	if (tally->fanout)
		fanout_count_shed(tally->fanout, increment, unix_ns);
}

static int tell_growth(struct tally *tally, uint64_t now_ns, const struct collect_sink *sink)
{
	struct collector *collector = tally->options.collector;
	const bool is_over = collector_window_is_over(collector);

	if (!is_over && now_ns < tally->growth_ns)
		return 0;
	tally->growth_ns = now_ns + GROWTH_NS;
	flows_hand_on_growth(tally->flows);
	return is_over ? collector_end_window(collector, sink)
		       : collector_take_alarms(collector, sink);
}

int tally_round(
	struct tally *tally, uint64_t now_ns, uint64_t unix_ns, const struct collect_sink *sink)
{
	tally->unix_ns = unix_ns;
	flows_update(tally->flows, now_ns);
	flows_expire(tally->flows, now_ns);
	return tally->fanout ? tell_growth(tally, now_ns, sink) : 0;
}

void tally_end_flows(struct tally *tally, uint64_t unix_ns)
{
	tally->unix_ns = unix_ns;
	flows_end(tally->flows);
}

bool tally_is_empty(const struct tally *tally)
{
	return flows_count(tally->flows) == 0 && (!tally->fanout || fanout_is_empty(tally->fanout));
}

void tally_get_stats(const struct tally *tally, struct tally_stats *ret_stats)
{
	*ret_stats = tally->stats;
	ret_stats->flows = flows_count(tally->flows);
	ret_stats->untold = flows_untold(tally->flows);
}
