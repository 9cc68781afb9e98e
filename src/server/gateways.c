// SPDX-License-Identifier: BSD-2-Clause
#include "server/gateways.h"

#include "base/clock.h"

#define LOOK_NS    (100 * NS_PER_MS)
#define RETIRED_NS (600 * NS_PER_SEC) /* however slowly a client goes on */

int gateways_prepare(struct gateways *gateways, const struct http_settings *settings,
	struct gateway_change *ret_change, char **ret_error)
{
	struct gateway_options options = gateways->options;
	struct gateway_change change = {.changes = settings->listen || gateways->now};
	int r = 0;

	if (settings->listen && gateways->now)
		r = gateway_differs(gateways->now, settings, &change.changes, ret_error);
	if (r == 0 && settings->listen && change.changes) {
		options.settings = settings;
		options.counts = &gateways->counts;
		r = gateway_new(&options, gateways->now, &change.next, ret_error);
	}
	if (r == 0)
		*ret_change = change;
	return r;
}

static void free_retired(struct gateways *gateways, size_t i)
{
	gateway_free(gateways->retired[i]);
	gateways->retired[i] = NULL;
}

/* Connections say nothing when they are gone. */
static void on_timer(struct loop_timer *timer, uint64_t now_ns)
{
	struct gateways *gateways = timer->user;
	bool waits = false;

	for (size_t i = 0; i < ARRAY_SIZE(gateways->retired); i++) {
		if (!gateways->retired[i])
			continue;
		if (gateway_is_done(gateways->retired[i]) ||
			now_ns - gateways->retired_ns[i] > RETIRED_NS)
			free_retired(gateways, i);
		else
			waits = true;
	}
	if (waits)
		loop_arm_timer(gateways->options.loop, timer, now_ns + LOOK_NS);
}

/* Of too many the oldest ends. */
static void retire(struct gateways *gateways, struct gateway *gateway)
{
	uint64_t now_ns = loop_now_ns(gateways->options.loop);
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gateways->retired); i++)
		if (!gateways->retired[i] ||
			(gateways->retired[at] &&
				gateways->retired_ns[i] < gateways->retired_ns[at]))
			at = i;
	free_retired(gateways, at);
	gateway_retire(gateway);
	gateways->retired[at] = gateway;
	gateways->retired_ns[at] = now_ns;
	if (!gateways->timer.fn)
		gateways->timer = (struct loop_timer){.fn = on_timer, .user = gateways};
	loop_arm_timer(gateways->options.loop, &gateways->timer, now_ns + LOOK_NS);
}

void gateways_shift(struct gateways *gateways, const struct gateway_change *change)
{
	if (!change->changes)
		return;
	if (gateways->now)
		retire(gateways, gateways->now);
	gateways->now = change->next;
}

void gateways_drop(const struct gateway_change *change)
{
	gateway_free(change->next);
}

void gateways_done(struct gateways *gateways)
{
	if (gateways->timer.fn)
		loop_disarm_timer(&gateways->timer);
	for (size_t i = 0; i < ARRAY_SIZE(gateways->retired); i++)
		free_retired(gateways, i);
	gateway_free(gateways->now);
	gateways->now = NULL;
}
