// SPDX-License-Identifier: BSD-2-Clause
/* netlambda-agent --unpin: the end of what an agent with --pin left. */
#include "agent/agent.h"
#include "agent/attach.h"
#include "agent/journal_pinned.h"
#include "agent/leftovers.h"
#include "agent/pins.h"
#include "agent/preflight.h"
#include "agent/uplink_v2.h"
#include "base/log.h"
#include "event/schema.h"

#include <inttypes.h>
#include <string.h>

/* What nobody will send. */
struct lost {
	uint64_t packets, port_records, alarms;
	uint64_t events; /* of the journal: may have been sent, some of them */
	struct pinned_journal journal;
};

static void on_flow(void *user, const struct flow_event *increment)
{
	struct lost *lost = user;

	lost->packets += increment->count;
}

static void on_port(void *user, const struct port_event *event _unused_)
{
	struct lost *lost = user;

	lost->port_records++;
}

static void on_source(void *user, const struct source_event *event _unused_)
{
	struct lost *lost = user;

	lost->alarms++;
}

static void on_target(void *user, const struct target_event *event _unused_)
{
	struct lost *lost = user;

	lost->alarms++;
}

static uint64_t next_port(void *user)
{
	const struct lost *lost = user;

	return journal_next_sequence(lost->journal.journal, V2_LANE_PORT) + lost->port_records;
}

static uint64_t next_alarm(void *user)
{
	const struct lost *lost = user;

	return journal_next_sequence(lost->journal.journal, V2_LANE_URGENT) + lost->alarms;
}

/* As it is: nothing is gone on with. */
static int open_journal(const struct pins *pins, struct lost *lost)
{
	struct journal_options options = {.capacity = 1, .boot = 1};
	int r = uplink_v2_layout(&options.layout);

	if (r == 0)
		r = pinned_journal_find(pins, &options, &lost->journal);
	for (int kind = 0; kind < JOURNAL_KINDS; kind++)
		lost->events += lost->journal.past.waiting[kind] + lost->journal.past.lost[kind];
	return r;
}

static int count_lost(struct pins *pins, struct lost *lost)
{
	struct collect_sink sink = {.flow = on_flow,
		.port = on_port,
		.source = on_source,
		.target = on_target,
		.user = lost};
	_cleanup_(leftovers_closep) struct leftovers *left = NULL;
	struct collector_unknown unknown = {0};
	int r = leftovers_open(pins, NULL, &left);

	if (r < 0)
		return r;
	if (open_journal(pins, lost) == 0) {
		const uint64_t journal = journal_identity(lost->journal.journal);

		sink.port_sequence = (struct drain_sequence){journal, next_port};
		sink.alarm_sequence = (struct drain_sequence){journal, next_alarm};
	}
	leftovers_settle(left, &sink, &unknown);
	lost->port_records += unknown.ports;
	r = leftovers_collect(left, &sink);
	pinned_journal_close(&lost->journal);
	return r;
}

int agent_unpin(const char *directory)
{
	_cleanup_(pins_closep) struct pins *pins = NULL;
	_cleanup_free_ char *error = NULL;
	struct lost lost = {0};
	unsigned int interfaces;
	int r;

	preflight_route_libbpf();
	r = preflight_capabilities(&error);
	if (r == 0)
		r = schema_init();
	if (r == 0)
		r = pins_open(directory, PINS_ANYONE, &pins, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r;
	}
	interfaces = pins_detach(pins);
	attach_wait_unused();
	r = count_lost(pins, &lost);
	if (r < 0)
		log_warning("what was not collected cannot be counted reason=\"%s\"", strerror(-r));
	pins_remove_all(pins);
	log_info("unpinned directory=%s interfaces=%u lost_packets=%" PRIu64
		 " lost_port_records=%" PRIu64 " lost_alarms=%" PRIu64
		 " lost_journal_events_at_most=%" PRIu64,
		directory, interfaces, lost.packets, lost.port_records, lost.alarms, lost.events);
	return 0;
}
