// SPDX-License-Identifier: BSD-2-Clause
#include "agent/uplink_v1.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/udp_receiver.h"
#include "wire/v1.h"

#include <errno.h>
#include <string.h>

/* Unacknowledged datagrams: so many at once, then a pause, about 64,000 a second. */
#define BURST    64
#define PAUSE_NS NS_PER_MS

#define ANSWERS 4 /* taken with one system call */

#define SILENCE_NS (2 * NS_PER_SEC) /* without an answer, until that is worth a line */

static const enum spool_class unacknowledged[] = {SPOOL_INTERFACE, SPOOL_FLOW};

/* Events of each class in one datagram. */
struct load {
	uint16_t events[SPOOL_CLASSES];
};

struct uplink_v1 {
	struct uplink base;
	struct loop *loop;
	struct spool *spool;
	uint32_t switch_id;
	int fd;
	struct loop_io io;
	struct udp_receiver *receiver;

	struct v1_sender sender; /* the acknowledged side */
	struct loop_timer resend_timer;
	bool resent;
	bool silent; /* and that has been said */

	struct v1_builder builder; /* the other side; not empty: the socket would not take it yet */
	struct load builder_load;
	struct loop_timer pause_timer;

	struct uplink_stats stats;
};

/* ---- the socket ---- */

/*
 * Returns 0; -EAGAIN: the socket is full, try again later; another negative errno: the network will
 * not take it now. ECONNREFUSED is the ICMP answer to an earlier datagram, and this one was not
 * sent: so once more.
 */
static int uplink_send(struct uplink_v1 *uplink, const struct v1_builder *builder)
{
	ssize_t n = send(uplink->fd, builder->bytes, builder->size, MSG_DONTWAIT);

	if (n < 0 && errno == ECONNREFUSED)
		n = send(uplink->fd, builder->bytes, builder->size, MSG_DONTWAIT);
	if (n >= 0) {
		uplink->stats.datagrams++;
		return 0;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return -EAGAIN;
	uplink->stats.send_errors++;
	log_limited(LOG_LEVEL_WARNING, "cannot send reason=\"%s\"", strerror(errno));
	return -errno;
}

/* Moves events into the builder, until either is exhausted. */
static void fill_unacknowledged(
	struct uplink_v1 *uplink, struct v1_builder *builder, struct load *load)
{
	for (size_t i = 0; i < ARRAY_SIZE(unacknowledged); i++) {
		enum spool_class class = unacknowledged[i];
		uint32_t event_id = spool_class_event_id(class);
		const void *record;

		while ((record = spool_peek(uplink->spool, class)) != NULL) {
			if (v1_builder_add(builder, event_id, record, false) < 0)
				return;
			spool_pop(uplink->spool, class);
			load->events[class]++;
		}
	}
}

/* Likewise, and they stay in the spool until they are answered. Ranges cannot be told. */
static bool fill_lane(struct uplink_v1 *uplink, struct v1_builder *builder, enum v2_lane_id lane)
{
	struct spool_run run;

	while (spool_peek_lane(uplink->spool, lane, 1, &run)) {
		if (!run.is_shed && v1_builder_add(builder, spool_class_event_id(run.class),
					    run.records, true) < 0)
			return false;
		spool_take(uplink->spool, lane, run.count);
	}
	return true;
}

/* Before it leaves: should we be killed, the next agent knows that it may have. */
static void fill_acknowledged(struct uplink_v1 *uplink, struct v1_builder *builder)
{
	struct journal *journal = spool_journal(uplink->spool);

	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED && fill_lane(uplink, builder, lane);
		lane++)
		;
	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++)
		journal_note_sent(journal, lane, journal_taken(journal, lane));
}

/* Counts the datagram's events to `counters`: sent or lost. */
static void load_finished(struct load *load, uint64_t counters[static SPOOL_CLASSES])
{
	for (int i = 0; i < SPOOL_CLASSES; i++)
		counters[i] += load->events[i];
	*load = (struct load){0};
}

/* ---- not acknowledged ---- */

static bool send_unacknowledged(struct uplink_v1 *uplink)
{
	struct v1_builder *builder = &uplink->builder;
	int r;

	if (builder->event_count == 0)
		fill_unacknowledged(uplink, builder, &uplink->builder_load);
	if (builder->event_count == 0)
		return false;
	r = uplink_send(uplink, builder);
	if (r == -EAGAIN)
		return false;
	load_finished(&uplink->builder_load, r < 0 ? uplink->stats.lost : uplink->stats.sent);
	/* Sequences number what wants an answer. */
	v1_builder_start(builder, uplink->switch_id, 0);
	return true;
}

static bool has_unacknowledged(const struct uplink_v1 *uplink)
{
	return uplink->builder.event_count > 0 || spool_peek(uplink->spool, SPOOL_INTERFACE) ||
	       spool_peek(uplink->spool, SPOOL_FLOW);
}

static void pump_unacknowledged(struct uplink_v1 *uplink)
{
	if (uplink->pause_timer.at_ns != 0)
		return;
	for (int i = 0; i < BURST && send_unacknowledged(uplink); i++)
		;
	if (has_unacknowledged(uplink))
		loop_arm_timer(uplink->loop, &uplink->pause_timer, clock_monotonic_ns() + PAUSE_NS);
}

/* ---- acknowledged ---- */

static void pump_acknowledged(struct uplink_v1 *uplink)
{
	struct v1_builder *builder;

	if (!v1_sender_idle(&uplink->sender))
		return;
	builder = v1_sender_begin(&uplink->sender);
	fill_acknowledged(uplink, builder);
	if (builder->event_count == 0) {
		spool_processed_all(uplink->spool, uplink->stats.sent);
		return;
	}
	v1_sender_commit(&uplink->sender, clock_monotonic_ns());
	uplink->resent = false;
	/* If it does not go out now, the timer sends it. */
	(void)uplink_send(uplink, builder);
	loop_arm_timer(uplink->loop, &uplink->resend_timer, uplink->sender.resend_at_ns);
}

static void note_silence(struct uplink_v1 *uplink, uint64_t now_ns)
{
	if (uplink->silent || now_ns - uplink->sender.sent_ns < SILENCE_NS)
		return;
	uplink->silent = true;
	log_warning("the server does not answer, events are kept spooled_port=%zu "
		    "spooled_flow_end=%zu",
		spool_count(uplink->spool, SPOOL_PORT), spool_count(uplink->spool, SPOOL_FLOW_END));
}

static void note_answer(struct uplink_v1 *uplink, uint64_t now_ns)
{
	if (!uplink->resent)
		uplink->stats.rtt_ns = now_ns - uplink->sender.sent_ns;
	if (uplink->silent)
		log_info("the server answers again after_ms=%llu",
			(unsigned long long)((now_ns - uplink->sender.sent_ns) / NS_PER_MS));
	uplink->silent = false;
}

static void take_answer(struct uplink_v1 *uplink, const struct datagram *datagram, uint64_t now_ns)
{
	uint64_t stale_before = uplink->sender.stale_acks;

	if (v1_sender_acknowledge(&uplink->sender, datagram->bytes, datagram->size)) {
		loop_disarm_timer(&uplink->resend_timer);
		spool_processed_all(uplink->spool, uplink->stats.sent);
		note_answer(uplink, now_ns);
	} else if (uplink->sender.stale_acks == stale_before) {
		uplink->stats.strange++;
		log_limited(LOG_LEVEL_WARNING,
			"the server sent something that is no acknowledgement bytes=%zu",
			datagram->size);
	}
}

static void on_readable(struct loop_io *io, uint32_t events _unused_)
{
	struct uplink_v1 *uplink = io->user;
	struct datagram datagram;

	/* An error here is an ICMP message's; it is cleared by having been read. */
	(void)!udp_receive(uplink->receiver, uplink->fd);
	while (udp_receiver_next(uplink->receiver, &datagram))
		take_answer(uplink, &datagram, clock_monotonic_ns());
	uplink_pump(&uplink->base);
}

static void on_resend(struct loop_timer *timer, uint64_t now_ns)
{
	struct uplink_v1 *uplink = timer->user;

	if (v1_sender_resend_due(&uplink->sender, now_ns)) {
		(void)uplink_send(uplink, &uplink->sender.builder);
		uplink->resent = true;
		note_silence(uplink, now_ns);
	}
	if (!v1_sender_idle(&uplink->sender))
		loop_arm_timer(uplink->loop, timer, uplink->sender.resend_at_ns);
}

static void on_pause_over(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct uplink_v1 *uplink = timer->user;

	uplink_pump(&uplink->base);
}

/* ---- the whole ---- */

static struct uplink_v1 *of(const struct uplink *base)
{
	return container_of(base, struct uplink_v1, base);
}

static void v1_free(struct uplink *base)
{
	struct uplink_v1 *uplink = of(base);

	loop_disarm_timer(&uplink->resend_timer);
	loop_disarm_timer(&uplink->pause_timer);
	loop_remove_io(&uplink->io);
	if (uplink->fd >= 0)
		close(uplink->fd);
	udp_receiver_free(uplink->receiver);
	free(uplink);
}

static void v1_pump(struct uplink *base)
{
	struct uplink_v1 *uplink = of(base);

	pump_acknowledged(uplink);
	pump_unacknowledged(uplink);
	uplink_tell_done(base);
}

static bool v1_is_done(const struct uplink *base)
{
	const struct uplink_v1 *uplink = of(base);

	return spool_is_empty(uplink->spool) && v1_sender_idle(&uplink->sender) &&
	       !has_unacknowledged(uplink);
}

static uint64_t v1_outstanding(const struct uplink *base, enum spool_class class)
{
	const struct uplink_v1 *uplink = of(base);

	return uplink->builder_load.events[class];
}

static void v1_get_stats(const struct uplink *base, struct uplink_stats *ret_stats)
{
	const struct uplink_v1 *uplink = of(base);

	*ret_stats = uplink->stats;
	ret_stats->resends = uplink->sender.resends;
	ret_stats->stale_acks = uplink->sender.stale_acks;
	ret_stats->clamped = uplink->sender.builder.clamped + uplink->builder.clamped;
}

static const struct uplink_ops v1_ops = {
	.free = v1_free,
	.pump = v1_pump,
	.is_done = v1_is_done,
	.outstanding = v1_outstanding,
	.get_stats = v1_get_stats,
};

int uplink_v1_new(struct loop *loop, struct spool *spool, const struct uplink_v1_options *options,
	struct uplink **ret_uplink)
{
	struct uplink_v1 *uplink = calloc(1, sizeof(*uplink));
	_cleanup_(uplink_freep) struct uplink *base = uplink ? &uplink->base : NULL;
	int r;

	if (!uplink)
		return -ENOMEM;
	uplink->base.ops = &v1_ops;
	uplink->fd = -1;
	uplink->loop = loop;
	uplink->spool = spool;
	uplink->switch_id = options->switch_id;
	uplink->resend_timer = (struct loop_timer){.fn = on_resend, .user = uplink};
	uplink->pause_timer = (struct loop_timer){.fn = on_pause_over, .user = uplink};
	uplink->io = (struct loop_io){.fn = on_readable, .user = uplink};
	v1_sender_init(&uplink->sender, options->switch_id, options->resend_ns);
	v1_builder_start(&uplink->builder, options->switch_id, 0);
	r = udp_receiver_new(ANSWERS, &uplink->receiver);
	if (r < 0)
		return r;
	r = udp_connect(&options->server);
	if (r < 0)
		return r;
	uplink->fd = r;
	r = loop_add_io(loop, &uplink->io, uplink->fd, EPOLLIN);
	if (r < 0)
		return r;
	*ret_uplink = TAKE_PTR(base);
	return 0;
}
