// SPDX-License-Identifier: BSD-2-Clause
/* netlambda-agent --unpin: the end of what an agent with --pin left. */
#include "agent/agent.h"
#include "agent/attach.h"
#include "agent/leftovers.h"
#include "agent/pins.h"
#include "agent/preflight.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>

/* What nobody will send. */
struct lost {
	uint64_t packets, port_records, alarms;
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

static int count_lost(struct pins *pins, struct lost *lost)
{
	const struct collect_sink sink = {.flow = on_flow,
		.port = on_port,
		.source = on_source,
		.target = on_target,
		.user = lost};
	_cleanup_(leftovers_closep) struct leftovers *left = NULL;
	int r = leftovers_open(pins, NULL, &left);

	return r < 0 ? r : leftovers_collect(left, &sink);
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
		 " lost_port_records=%" PRIu64 " lost_alarms=%" PRIu64,
		directory, interfaces, lost.packets, lost.port_records, lost.alarms);
	return 0;
}
