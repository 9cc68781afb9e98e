// SPDX-License-Identifier: BSD-2-Clause
#include "server/receive_worker_private.h"

#include "base/clock.h"
#include "base/event_clock.h"
#include "server/agents.h"

/* Batches of datagrams taken in one go before the control thread's mail gets its turn. */
#define RECEIVE_ROUNDS 4
#define BLOCKED_NS     NS_PER_MS /* until an answer is tried again that the socket had no room for */
#define NEVER          UINT64_MAX

/* ---- what goes out ---- */

static void arm_due(struct receive_worker *w, uint64_t at_ns)
{
	if (w->due_timer.at_ns == 0 || w->due_timer.at_ns > at_ns)
		loop_arm_timer(w->loop, &w->due_timer, at_ns);
}

static void flush(struct receive_worker *w)
{
	if (!udp_sender_pending(w->sender))
		return;
	if (udp_sender_flush(w->sender, w->options.fd) < 0)
		arm_due(w, w->now_ns + BLOCKED_NS);
	w->stats.answers = udp_sender_stats(w->sender)->datagrams;
	w->stats.answer_failures = udp_sender_stats(w->sender)->no_buffers +
				   udp_sender_stats(w->sender)->refused +
				   udp_sender_stats(w->sender)->too_long;
}

static uint8_t *answer_room(struct receive_worker *w)
{
	uint8_t *room = udp_sender_room(w->sender, V2_MTU_FLOOR);

	if (room)
		return room;
	flush(w);
	return udp_sender_room(w->sender, V2_MTU_FLOOR);
}

static const struct session_path *find_path(const struct session *s, uint64_t digest)
{
	for (size_t i = 0; i < SESSION_PATHS; i++)
		if (s->paths[i].digest == digest)
			return &s->paths[i];
	return NULL;
}

/* Answers what is due now, and remembers what will be. */
static void answer(struct receive_worker *w, struct session *s)
{
	uint64_t address, next_ns;
	uint8_t *room;
	size_t size;

	while ((room = answer_room(w)) != NULL) {
		const struct session_path *path;

		size = v2_receiver_poll(&s->receiver, w->now_ns, &address, room, V2_MTU_FLOOR);
		if (size == 0)
			break;
		path = find_path(s, address);
		if (path)
			udp_sender_add(w->sender, &path->to, &path->from, size, size);
	}
	next_ns = v2_receiver_next_time(&s->receiver);
	if (next_ns == NEVER)
		return;
	arm_due(w, MAX(next_ns, room ? 0 : w->now_ns + BLOCKED_NS));
	if (s->due)
		return;
	s->due = true;
	s->next_due = w->due;
	w->due = s;
}

void receive_on_due(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct receive_worker *w = timer->user;
	struct session *s = w->due, *next;

	w->due = NULL;
	w->now_ns = clock_monotonic_ns();
	for (; s; s = next) {
		next = s->next_due;
		s->due = false;
		answer(w, s);
	}
	flush(w);
}

/* ---- what the control thread gets ---- */

void receive_post(struct receive_worker *w, struct session *s)
{
	mailbox_post(&w->out, s, &s->to_control);
}

/* Hands over what is in order. */
static void fill_feed(struct receive_worker *w, struct session *s, enum v2_lane_id lane)
{
	const struct v2_order *order = &s->receiver.lanes[lane];
	struct feed_run run = {.epoch = s->receiver.epoch, .time_ns = w->event_ns};
	bool any = false;

	while (order->taken < order->next && feed_has_room(&s->feeds[lane]) &&
		v2_receiver_take(&s->receiver, lane, UINT64_MAX, &run.taken)) {
		feed_put(&s->feeds[lane], &run);
		any = true;
	}
	if (any)
		receive_post(w, s);
}

static void fill_feeds(struct receive_worker *w, struct session *s)
{
	for (unsigned int lane = 0; lane < V2_LANES_ACKED; lane++)
		fill_feed(w, s, lane);
}

static bool put_update(struct receive_worker *w, struct session *s, const struct v2_taken *taken)
{
	const struct update update = {
		.session = s,
		.epoch = s->receiver.epoch,
		.sequence = taken->sequence,
		.count = taken->count,
		.cause = taken->cause == V2_CAUSE_NONE ? NULL : v2_cause_name(taken->cause),
		.schema = taken->schema,
		.record_bytes = (uint16_t)taken->stride,
		.time_ns = w->event_ns,
		.records = taken->records,
	};

	if (!update_ring_put(w->updates, &update))
		return false;
	receive_post(w, s);
	return true;
}

/* Says what found no room before. False: that finds none either. */
static bool say_unsaid(struct receive_worker *w, struct session *s)
{
	const struct update unsaid = {
		.session = s,
		.epoch = s->receiver.epoch,
		.sequence = s->unsaid_from,
		.count = s->unsaid_count,
		.cause = LOSS_NO_ROOM,
	};

	if (s->unsaid_count == 0)
		return true;
	if (!update_ring_put(w->updates, &unsaid))
		return false;
	s->unsaid_count = 0;
	receive_post(w, s);
	return true;
}

/* Where there is no room, all that comes is lost until there is, gaps included. */
static void take_updates(struct receive_worker *w, struct session *s)
{
	struct v2_taken taken;

	while (v2_receiver_next_update(&s->receiver, &taken)) {
		if (say_unsaid(w, s) && put_update(w, s, &taken))
			continue;
		if (s->unsaid_count == 0)
			s->unsaid_from = taken.sequence;
		s->unsaid_count += taken.count;
		if (taken.cause == V2_CAUSE_NONE) {
			s->counted.no_room += taken.count;
			w->stats.no_room += taken.count;
		}
	}
	(void)say_unsaid(w, s);
}

static void count_session(struct receive_worker *w, struct session *s)
{
	const struct v2_receiver *receiver = &s->receiver;
	struct session_view *counted = &s->counted;
	uint64_t before[2] = {counted->events[V2_LANE_UPDATE], 0},
		 now[2] = {receiver->updates.events, 0};

	counted->duplicates = receiver->updates.late;
	for (int lane = 0; lane < V2_LANES_ACKED; lane++) {
		before[1] += counted->events[lane];
		now[1] += receiver->lanes[lane].events;
		counted->events[lane] = receiver->lanes[lane].events;
		counted->shed[lane] = receiver->lanes[lane].shed;
		counted->duplicates += receiver->lanes[lane].duplicates;
	}
	counted->events[V2_LANE_UPDATE] = receiver->updates.events;
	counted->shed[V2_LANE_UPDATE] = receiver->updates.shed;
	counted->lost = receiver->updates.lost;
	counted->number = receiver->session;
	counted->answers = receiver->stats.answers;
	counted->path_changes = receiver->stats.path_changes;
	counted->validated = receiver->path.validated;
	for (int class = 0; class < 2; class ++)
		w->stats.events[class] += now[class] - before[class];
}

static void publish_session(struct receive_worker *w, struct session *s)
{
	const struct session_path *path = find_path(s, s->receiver.path.address);

	count_session(w, s);
	if (path)
		s->counted.address = path->to;
	snapshot_put(&s->snapshot, s->view, &s->counted, sizeof(s->counted));
}

void receive_settle(struct receive_worker *w, struct session *s)
{
	fill_feeds(w, s);
	answer(w, s);
	publish_session(w, s);
}

static void settle_touched(struct receive_worker *w)
{
	struct session *s = w->touched, *next;

	w->touched = NULL;
	for (; s; s = next) {
		next = s->next_touched;
		s->touched = false;
		receive_settle(w, s);
	}
}

void receive_finish_round(struct receive_worker *w)
{
	flush(w);
	mailbox_ring(&w->out);
	snapshot_put(&w->snapshot, w->view, &w->stats, sizeof(w->stats));
}

/* ---- what comes in ---- */

static void touch(struct receive_worker *w, struct session *s)
{
	if (s->touched)
		return;
	s->touched = true;
	s->next_touched = w->touched;
	w->touched = s;
}

static uint64_t digest_of(struct receive_worker *w, const struct endpoint *from)
{
	if (w->from != from)
		w->from_digest = endpoint_digest(from, &w->address_key) | 1;
	w->from = from;
	return w->from_digest;
}

/* An address that an authentic datagram came from takes the place of one that is of no more use. */
static void note_path(struct session *s, const struct datagram *datagram, uint64_t digest)
{
	const struct v2_receiver *receiver = &s->receiver;
	size_t i = 0;

	if (find_path(s, digest))
		return;
	while (i < SESSION_PATHS - 1 && s->paths[i].digest != 0 &&
		(s->paths[i].digest == receiver->path.address ||
			s->paths[i].digest == receiver->previous.address))
		i++;
	s->paths[i] = (struct session_path){
		.digest = digest, .to = *datagram->from, .from = *datagram->at};
}

void receive_close_session(struct receive_worker *w, struct session *s)
{
	w->stats.sessions--;
	v2_receiver_close(&s->receiver);
	if (s->aead)
		v2_aead_free(TAKE_PTR(s->aead));
}

/* The agent is authentic and broken. */
static void break_session(
	struct receive_worker *w, struct session *s, uint64_t number, enum v2_error error)
{
	receive_close_session(w, s);
	atomic_store(&s->broken_error, error);
	atomic_store(&s->broken, number);
	receive_post(w, s);
}

static void receive_sealed(
	struct receive_worker *w, struct session *s, const struct datagram *datagram)
{
	uint64_t digest = digest_of(w, datagram->from), number = s->receiver.session;
	enum v2_error error = v2_receiver_receive(
		&s->receiver, w->now_ns, digest, datagram->bytes, datagram->size);

	touch(w, s);
	w->stats.errors[error]++;
	if (error != V2_OK) {
		s->counted.refused++;
		if (v2_error_action(error) == V2_ACTION_CLOSE)
			break_session(w, s, number, error);
		return;
	}
	s->counted.datagrams++;
	s->counted.bytes += datagram->size;
	s->counted.heard_ns = w->wall_ns;
	s->counted.datagram_bytes = MAX(s->counted.datagram_bytes, (uint32_t)datagram->size);
	note_path(s, datagram, digest);
	take_updates(w, s);
	if (v2_receiver_pressing(&s->receiver))
		answer(w, s);
}

static struct session *find_session(const struct receive_worker *w, uint64_t number)
{
	size_t slot = number >> NUMBER_SLOT_SHIFT & 0xffff;
	struct session *s = slot < w->options.sessions_max ? w->table[slot] : NULL;

	return s && s->receiver.session == number ? s : NULL;
}

/* Of datagrams that say nothing of any agent; what a network does by itself is no news. */
static void refuse(struct receive_worker *w, const struct datagram *datagram, enum v2_error error)
{
	char text[ENDPOINT_TEXT_MAX];

	w->stats.errors[error]++;
	if (error != V2_UNKNOWN_SESSION)
		log_message_limited(&w->refused_limit, LOG_LEVEL_WARNING,
			"datagram refused cause=%s from=%s", v2_error_name(error),
			endpoint_render(datagram->from, text));
}

static void refuse_version1(struct receive_worker *w, const struct datagram *datagram)
{
	char text[ENDPOINT_TEXT_MAX];

	w->stats.version1++;
	log_message_limited(&w->version1_limit, LOG_LEVEL_WARNING,
		"version 1 is off: datagram refused from=%s (give that agent --protocol 2 and a "
		"certificate, or set \"version1\": true)",
		endpoint_render(datagram->from, text));
}

static void receive_one(struct receive_worker *w, const struct datagram *datagram)
{
	struct v2_header header;
	struct session *s;
	enum v2_error error;

	w->stats.datagrams++;
	w->stats.bytes += datagram->size;
	if (w->options.drop_rate > 0 && random_stream_unit(&w->random) < w->options.drop_rate) {
		w->stats.simulated_drops++;
		return;
	}
	if (datagram->size > 0 && datagram->bytes[0] == 1) {
		refuse_version1(w, datagram);
		return;
	}
	error = v2_get_header(datagram->bytes, datagram->size, &header);
	s = error == V2_OK ? find_session(w, header.session) : NULL;
	if (s)
		receive_sealed(w, s, datagram);
	else
		refuse(w, datagram, error == V2_OK ? V2_UNKNOWN_SESSION : error);
}

void receive_on_datagrams(struct loop_io *io, uint32_t events _unused_)
{
	struct receive_worker *w = io->user;

	for (int round = 0; round < RECEIVE_ROUNDS; round++) {
		int n = udp_receive(w->receiver, io->fd);
		struct datagram datagram;

		if (n < 0) {
			w->stats.receive_failures++;
			log_message_limited(&w->receive_limit, LOG_LEVEL_WARNING,
				"cannot receive error=\"%s\"", strerror(-n));
		}
		if (n <= 0)
			break;
		w->now_ns = clock_monotonic_ns();
		w->wall_ns = clock_realtime_ns();
		w->event_ns = event_clock_ns();
		w->from = NULL;
		while (udp_receiver_next(w->receiver, &datagram))
			receive_one(w, &datagram);
		settle_touched(w);
		mailbox_ring(&w->out);
	}
	receive_finish_round(w);
}
