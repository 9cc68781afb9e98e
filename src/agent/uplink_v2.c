// SPDX-License-Identifier: BSD-2-Clause
/* Events into lanes, and lanes into datagrams. */
#include "agent/uplink_v2.h"

#include "agent/uplink_v2_private.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ANSWERS 16 /* taken with one system call */
/*
 * In a lane that is acknowledged: a server's window and as much again. What waits longer does so in the
 * spool, of which this is a copy.
 */
#define LANE_EVENTS   32768
#define PACKETS       16384 /* that may be outstanding: 10 Gb/s x 10 ms */
#define TRAINS_A_TURN 16    /* then other sources get theirs */
#define PEER_AGAIN_NS NS_PER_SEC

/* ---- from the spool into the lanes ---- */

/*
 * Runs and ranges one by one, as far as the lane has room: so they have the same ends for the next agent,
 * if this one is killed. What waits behind them is in the spool.
 */
static void drain_lane(struct uplink_v2 *u, enum v2_lane_id lane)
{
	struct spool_run run;
	uint64_t room;

	while ((room = v2_sender_room(&u->sender, lane)) > 0 &&
		spool_peek_lane(u->spool, lane, room, &run)) {
		if (run.is_shed)
			v2_sender_shed(&u->sender, lane, run.count);
		else
			(void)v2_sender_push(
				&u->sender, lane, uplink_schema(run.class), run.records, run.count);
		spool_take(u->spool, lane, run.count);
	}
}

static void push_updates(
	struct uplink_v2 *u, enum spool_class class, const void *records, uint64_t count)
{
	const struct v2_spool *lane = &u->sender.lanes[V2_LANE_UPDATE];
	uint64_t taken =
		v2_sender_push(&u->sender, V2_LANE_UPDATE, uplink_schema(class), records, count);

	class_tally_add(&u->updates, class, taken, lane->next_sequence);
}

/* As far as there is room: where there is none the spool sheds. */
static void drain_updates(struct uplink_v2 *u, enum spool_class class)
{
	const void *records;
	size_t count;

	while ((count = spool_peek_run(u->spool, class, &records)) > 0) {
		count = MIN(count, v2_sender_room(&u->sender, V2_LANE_UPDATE));
		if (count == 0)
			return;
		push_updates(u, class, records, count);
		spool_pop_run(u->spool, class, count);
	}
}

static void declare_shed(struct uplink_v2 *u, enum spool_class class)
{
	uint64_t shed = spool_shed(u->spool, class);

	v2_sender_shed(&u->sender, V2_LANE_UPDATE, shed - u->shed_told[class]);
	u->shed_told[class] = shed;
}

static void drain_all(struct uplink_v2 *u)
{
	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++)
		drain_lane(u, lane);
	for (enum spool_class class = SPOOL_ACKED; class < SPOOL_CLASSES; class ++)
		drain_updates(u, class);
	for (enum spool_class class = SPOOL_ACKED; class < SPOOL_CLASSES; class ++)
		declare_shed(u, class);
}

/* Of updates it is settled that they were sent, of the others that they were processed. */
static void settle(struct uplink_v2 *u)
{
	const struct v2_spool *lanes = u->sender.lanes;

	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++)
		spool_processed(u->spool, lane, lanes[lane].processed, u->stats.sent);
	class_tally_settle(&u->updates, lanes[V2_LANE_UPDATE].unsent_sequence, u->stats.sent);
}

/* Before what was written leaves: should we be killed, the next agent knows that it may have. */
static void note_leaving(struct uplink_v2 *u)
{
	struct journal *journal = spool_journal(u->spool);
	const struct v2_spool *lanes = u->sender.lanes;

	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++)
		journal_note_sent(journal, lane, lanes[lane].sent_end);
	journal_note_update_sequence(journal, lanes[V2_LANE_UPDATE].next_sequence);
}

uint64_t uplink_restart(struct uplink_v2 *uplink)
{
	uint64_t boot = random_stream_next(&uplink->random), lost[SPOOL_CLASSES] = {0}, sum = 0;

	settle(uplink);
	spool_restart(uplink->spool, boot ? boot : 1, lost);
	class_tally_clear(&uplink->updates, lost);
	v2_sender_restart(&uplink->sender, journal_boot(spool_journal(uplink->spool)));
	for (enum spool_class class = 0; class < SPOOL_CLASSES; class ++) {
		uplink->stats.lost[class] += lost[class];
		sum += lost[class];
	}
	uplink->abandoned += sum;
	return sum;
}

/* ---- datagrams out ---- */

static void wait_for_room(struct uplink_v2 *u, bool blocked)
{
	if (u->blocked == blocked || !u->io.loop)
		return;
	if (loop_set_io(&u->io, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0)
		u->blocked = blocked;
}

static void flush(struct uplink_v2 *u)
{
	const struct udp_sender_stats *stats = udp_sender_stats(u->out);
	int error;

	note_leaving(u);
	wait_for_room(u, udp_sender_flush(u->out, u->io.fd) == -EAGAIN);
	v2_sender_too_long(&u->sender, (uint32_t)udp_sender_too_long(u->out));
	if (udp_sender_gso_failed(u->out, &error))
		log_info("datagrams leave one by one, trains are refused error=\"%s\"",
			strerror(error));
	if (stats->refused > u->refused) {
		log_limited(LOG_LEVEL_WARNING, "cannot send reason=\"%s\"",
			strerror(stats->refused_errno));
		uplink_datagrams_anew(u);
	}
	u->refused = stats->refused;
}

/* True if it could have gone on. */
static bool send_trains(struct uplink_v2 *u)
{
	for (int i = 0; i < TRAINS_A_TURN; i++) {
		uint8_t *room = udp_sender_room(u->out, UDP_SEND_MAX);
		size_t size, segment;

		if (!room) {
			flush(u);
			room = udp_sender_room(u->out, UDP_SEND_MAX);
		}
		if (!room || u->blocked)
			return false;
		size = v2_sender_poll(
			&u->sender, clock_monotonic_ns(), room, UDP_SEND_MAX, &segment);
		if (size == 0)
			return false;
		udp_sender_add(u->out, NULL, NULL, size, segment);
	}
	return true;
}

void uplink_drive(struct uplink_v2 *uplink)
{
	uint64_t now = clock_monotonic_ns(), next_ns;
	bool more = false;

	if (uplink->io.loop && !uplink->blocked) {
		more = send_trains(uplink);
		flush(uplink);
	}
	settle(uplink);
	next_ns = more ? now : v2_sender_next_time(&uplink->sender, now);
	/* What cannot be sent is due at all times; the socket says when to go on. */
	if (!uplink->io.loop || uplink->blocked || next_ns == UINT64_MAX)
		loop_disarm_timer(&uplink->send_timer);
	else
		loop_arm_timer(uplink->loop, &uplink->send_timer, next_ns);
}

static void on_send_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct uplink_v2 *u = timer->user;

	drain_all(u);
	uplink_drive(u);
	uplink_tell_done(&u->base);
}

/* ---- datagrams in ---- */

static void take_answer(struct uplink_v2 *u, const struct datagram *datagram, uint64_t now)
{
	enum v2_error error = v2_sender_receive(&u->sender, now, datagram->bytes, datagram->size);

	if (error == V2_OK)
		uplink_control_heard(u);
	else if (v2_error_action(error) == V2_ACTION_CLOSE)
		uplink_control_broken(u, error);
}

static void on_readable(struct loop_io *io, uint32_t events)
{
	struct uplink_v2 *u = io->user;
	struct datagram datagram;

	if (events & EPOLLOUT)
		flush(u);
	/* An error here is an ICMP message's; it is cleared by having been read. */
	(void)!udp_receive(u->receiver, io->fd);
	while (udp_receiver_next(u->receiver, &datagram))
		take_answer(u, &datagram, clock_monotonic_ns());
	uplink_pump(&u->base);
}

/* ---- the socket ---- */

static int *socket_for(struct uplink_v2 *u, const struct endpoint *address)
{
	return &u->fds[address->address.ss_family == AF_INET6];
}

static int set_peer(struct uplink_v2 *u, int fd)
{
	int r = udp_set_peer(fd, &u->peer);

	u->peer_set_ns = clock_monotonic_ns();
	if (r < 0)
		log_limited(LOG_LEVEL_WARNING, "cannot reach the server over UDP reason=\"%s\"",
			strerror(-r));
	return r;
}

int uplink_datagrams_to(struct uplink_v2 *uplink, const struct endpoint *address)
{
	int fd = *socket_for(uplink, address);

	if (fd < 0)
		return -EAFNOSUPPORT;
	loop_remove_io(&uplink->io);
	uplink->blocked = false;
	uplink->peer = *address;
	/* A socket without a peer refuses all datagrams, and with that comes uplink_datagrams_anew(). */
	(void)!set_peer(uplink, fd);
	return loop_add_io(uplink->loop, &uplink->io, fd, EPOLLIN);
}

void uplink_datagrams_anew(struct uplink_v2 *uplink)
{
	if (uplink->io.loop && clock_monotonic_ns() >= uplink->peer_set_ns + PEER_AGAIN_NS)
		(void)!set_peer(uplink, uplink->io.fd);
}

/* ---- the whole ---- */

static struct uplink_v2 *of(const struct uplink *base)
{
	return container_of(base, struct uplink_v2, base);
}

static void v2_free(struct uplink *base)
{
	struct uplink_v2 *u = of(base);

	uplink_control_close(u);
	loop_disarm_timer(&u->send_timer);
	loop_remove_io(&u->io);
	for (size_t i = 0; i < ARRAY_SIZE(u->fds); i++)
		if (u->fds[i] >= 0)
			close(u->fds[i]);
	udp_receiver_free(u->receiver);
	udp_sender_free(u->out);
	v2_sender_done(&u->sender);
	free(u);
}

static void v2_pump(struct uplink *base)
{
	struct uplink_v2 *u = of(base);

	drain_all(u);
	uplink_drive(u);
	/* What was processed made room. */
	drain_all(u);
	uplink_tell_done(base);
}

static bool v2_is_done(const struct uplink *base)
{
	const struct uplink_v2 *u = of(base);

	return spool_is_empty(u->spool) && v2_sender_idle(&u->sender) &&
	       v2_spool_empty(&u->sender.lanes[V2_LANE_UPDATE]) && !udp_sender_pending(u->out);
}

static uint64_t v2_outstanding(const struct uplink *base, enum spool_class class)
{
	return class_tally_outstanding(&of(base)->updates, class);
}

static void v2_get_stats(const struct uplink *base, struct uplink_stats *ret_stats)
{
	const struct uplink_v2 *u = of(base);
	const struct v2_sender *sender = &u->sender;
	const struct udp_sender_stats *out = udp_sender_stats(u->out);
	struct uplink_session *session = &ret_stats->session;

	*ret_stats = u->stats;
	ret_stats->datagrams = out->datagrams;
	ret_stats->send_errors = out->no_buffers + out->refused;
	ret_stats->resends = sender->stats.events_again;
	ret_stats->rtt_ns = sender->congestion.sampled ? sender->congestion.rtt_ns : 0;
	ret_stats->has_session = true;
	session->open = sender->session != 0;
	session->epoch = sender->epoch;
	session->sessions = sender->stats.sessions;
	session->restarts = sender->stats.restarts;
	session->abandoned = u->abandoned;
	session->packets_lost = sender->stats.lost;
	session->spurious = sender->stats.spurious;
	session->probe_timeouts = sender->stats.probes;
	session->black_holes = sender->stats.black_holes;
	session->datagram_bytes = sender->mtu.size;
	session->window_bytes = sender->congestion.window;
	session->flying_bytes = sender->congestion.flying;
	for (int error = V2_OK + 1; error < V2_ERROR_COUNT; error++)
		session->refused += sender->stats.errors[error];
	for (int lane = 0; lane < V2_LANES; lane++) {
		const struct v2_spool *spool = &sender->lanes[lane];

		session->lanes[lane].waiting = spool->next_sequence - spool->head_sequence;
		session->lanes[lane].processed = spool->processed;
		session->lanes[lane].shed = spool->shed_total;
	}
	uplink_control_get_stats(u, session);
}

static const struct uplink_ops v2_ops = {
	.free = v2_free,
	.pump = v2_pump,
	.is_done = v2_is_done,
	.outstanding = v2_outstanding,
	.get_stats = v2_get_stats,
};

static int open_sockets(struct uplink_v2 *u)
{
	for (size_t i = 0; i < u->server.count; i++) {
		int *fd = socket_for(u, &u->server.endpoints[i]);

		if (*fd < 0)
			*fd = udp_open(u->server.endpoints[i].address.ss_family);
		if (*fd < 0 && u->server.count == 1)
			return *fd;
	}
	return 0;
}

/* The incarnation is the journal's, whoever began it. */
static int resume(struct uplink_v2 *u)
{
	const struct journal *journal = spool_journal(u->spool);
	struct v2_life life = {.boot = journal_boot(journal), .epoch = journal_epoch(journal)};

	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++) {
		life.first[lane] = journal_processed(journal, lane);
		life.sent_end[lane] = journal_sent(journal, lane);
	}
	life.first[V2_LANE_UPDATE] = life.sent_end[V2_LANE_UPDATE] =
		journal_update_sequence(journal);
	return v2_sender_resume(&u->sender, &life);
}

static int init_sender(struct uplink_v2 *u, size_t lane_events)
{
	struct v2_sender_config config = {
		.packets = PACKETS,
		.datagram_max = V2_DATAGRAM_MAX,
		.random = random_stream_draw,
		.random_user = &u->random,
	};
	int r = uplink_schemas(&config.schemas);

	if (r < 0)
		return r;
	for (uint16_t i = 0; i < config.schemas.count; i++)
		config.record_max = MAX(config.record_max, config.schemas.list[i].record_bytes);
	for (int lane = 0; lane < V2_LANES; lane++)
		config.capacity[lane] =
			lane == V2_LANE_UPDATE ? lane_events : MIN(lane_events, LANE_EVENTS);
	r = v2_sender_init(&u->sender, &config, journal_boot(spool_journal(u->spool)));
	return r < 0 ? r : resume(u);
}

int uplink_v2_new(struct loop *loop, struct spool *spool, const struct uplink_v2_options *options,
	struct uplink **ret_uplink, char **ret_error)
{
	struct uplink_v2 *u = calloc(1, sizeof(*u));
	_cleanup_(uplink_freep) struct uplink *base = u ? &u->base : NULL;
	int r;

	if (!u)
		return -ENOMEM;
	u->base.ops = &v2_ops;
	u->fds[0] = u->fds[1] = -1;
	u->loop = loop;
	u->spool = spool;
	u->server = *options->server;
	u->send_timer = (struct loop_timer){.fn = on_send_timer, .user = u};
	u->io = (struct loop_io){.fn = on_readable, .user = u};
	r = random_stream_init(&u->random);
	if (r == 0)
		r = init_sender(u, options->lane_events);
	if (r == 0)
		r = udp_receiver_new(ANSWERS, &u->receiver);
	if (r == 0)
		r = udp_sender_new(4 * UDP_SEND_MAX, &u->out);
	if (r == 0)
		r = open_sockets(u);
	if (r == 0)
		r = uplink_control_open(u, options, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "cannot reach the server: %s", strerror(-r));
	*ret_uplink = TAKE_PTR(base);
	return 0;
}
