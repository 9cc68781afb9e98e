// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_sender.h"

#include <errno.h>
#include <stdlib.h>

#define NEVER            UINT64_MAX
#define SILENCE_NS       1000000000ULL /* after which another session is wanted, at least */
#define SILENCE_MAX_NS   5000000000ULL /* at most: a clock that jumped may have spoilt the RTT */
#define BACKOFF_MAX_NS   1000000000ULL /* between probes */
#define KEEP_ALIVE_NS    5000000000ULL /* of silence, then a PING */
#define COLLAPSE_AFTER   3             /* probe timeouts in a row */
#define PROBES           2             /* packets a probe timeout sends */
#define PACKET_THRESHOLD 3             /* RFC 9002 6.1.1 */

/* MMIX's generator (Knuth): what it makes need not be secret. */
static uint8_t grease(struct v2_sender *s)
{
	s->grease = s->grease * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint8_t)(s->grease >> 56);
}

int v2_sender_init(struct v2_sender *sender, const struct v2_sender_config *config, uint64_t boot)
{
	struct v2_sender made = {.config = *config, .boot = boot, .loss_at_ns = NEVER};
	int r = 0;

	if (boot == 0 || config->packets < 64 || (config->packets & (config->packets - 1)) != 0 ||
		config->datagram_max < V2_MTU_FLOOR || config->datagram_max > V2_DATAGRAM_MAX)
		return -EINVAL;
	for (int i = 0; i < V2_LANES && r == 0; i++)
		r = v2_spool_init(&made.lanes[i], config->capacity[i], config->record_max);
	made.record_min = config->record_max;
	for (int i = 0; i < config->schemas.count; i++)
		made.record_min = MIN(made.record_min, config->schemas.list[i].record_bytes);
	if (r == 0)
		r = v2_bits_init(&made.open, config->packets);
	if (r == 0) {
		made.sent = calloc(config->packets, sizeof(*made.sent));
		r = made.sent ? 0 : -ENOMEM;
	}
	if (r < 0) {
		v2_sender_done(&made);
		return r;
	}
	*sender = made;
	return 0;
}

void v2_sender_done(struct v2_sender *sender)
{
	for (int i = 0; i < V2_LANES; i++)
		v2_spool_done(&sender->lanes[i]);
	v2_bits_done(&sender->open);
	free(sender->sent);
	*sender = (struct v2_sender){0};
}

int v2_sender_resume(struct v2_sender *sender, const struct v2_life *life)
{
	if (life->boot == 0 || sender->session != 0)
		return -EINVAL;
	for (int i = 0; i < V2_LANES; i++)
		if (life->first[i] > life->sent_end[i] || life->sent_end[i] > V2_SEQUENCE_MAX ||
			sender->lanes[i].next_sequence > 0)
			return -EINVAL;
	sender->boot = life->boot;
	sender->epoch = life->epoch;
	for (int i = 0; i < V2_LANES; i++)
		v2_spool_resume(&sender->lanes[i], life->first[i], life->sent_end[i]);
	return 0;
}

uint64_t v2_sender_push(struct v2_sender *sender, enum v2_lane_id lane, uint16_t schema,
	const void *records, uint64_t count)
{
	return v2_spool_push(&sender->lanes[lane], (uint8_t)schema, records,
		sender->config.schemas.list[schema].record_bytes, count);
}

uint64_t v2_sender_room(const struct v2_sender *sender, enum v2_lane_id lane)
{
	return v2_spool_room(&sender->lanes[lane]);
}

void v2_sender_shed(struct v2_sender *sender, enum v2_lane_id lane, uint64_t count)
{
	v2_spool_shed(&sender->lanes[lane], count);
}

bool v2_sender_idle(const struct v2_sender *sender)
{
	for (int i = 0; i < V2_LANES_ACKED; i++)
		if (!v2_spool_empty(&sender->lanes[i]))
			return false;
	return true;
}

static void advance(struct v2_sender *s, uint64_t now_ns)
{
	s->now_ns = MAX(s->now_ns, now_ns);
}

static struct v2_sent *sent_at(const struct v2_sender *s, uint64_t packet)
{
	return &s->sent[packet & (s->config.packets - 1)];
}

/* Something was sent whose receipt or processing is not yet confirmed. */
static bool owed(const struct v2_sender *s)
{
	if (s->oldest < s->next_packet)
		return true;
	for (int i = 0; i < V2_LANES_ACKED; i++)
		if (s->lanes[i].head < s->lanes[i].unsent)
			return true;
	return false;
}

/* ---- sessions ---- */

bool v2_sender_wants_session(const struct v2_sender *sender, uint64_t now_ns)
{
	uint64_t silence = MAX(SILENCE_NS, 4 * v2_congestion_probe_timeout(&sender->congestion));

	if (sender->session == 0)
		return true;
	return owed(sender) && now_ns > sender->heard_ns + MIN(silence, SILENCE_MAX_NS);
}

void v2_sender_hello(const struct v2_sender *sender, struct v2_hello *ret_hello)
{
	*ret_hello = (struct v2_hello){
		.version_min = V2_VERSION,
		.version_max = V2_VERSION,
		.boot = sender->boot,
		.epoch = sender->epoch,
		.datagram_max = sender->config.datagram_max,
		.schemas = sender->config.schemas,
	};
}

static enum v2_error check_marks(const struct v2_sender *s, const struct v2_welcome *welcome)
{
	if (s->epoch != 0 && welcome->epoch != s->epoch)
		return V2_ROLLED_BACK;
	for (int i = 0; i < V2_LANES; i++) {
		if (welcome->before[i] > s->lanes[i].sent_end)
			return V2_ROLLED_BACK;
		if (i < V2_LANES_ACKED && welcome->before[i] < s->lanes[i].processed)
			return V2_ROLLED_BACK;
	}
	return V2_OK;
}

static void reset_path(struct v2_sender *s, uint16_t datagram_max)
{
	uint32_t ceiling = MIN(s->config.datagram_max, datagram_max);

	v2_congestion_init(&s->congestion, (uint64_t)s->config.packets * ceiling);
	v2_mtu_init(&s->mtu, ceiling);
}

enum v2_error v2_sender_open(struct v2_sender *sender, const struct v2_welcome *welcome,
	const struct v2_seal *seal, uint64_t now_ns)
{
	enum v2_error error = check_marks(sender, welcome);

	if (error != V2_OK) {
		sender->stats.errors[error]++;
		return error;
	}
	advance(sender, now_ns);
	sender->epoch = welcome->epoch;
	sender->session = welcome->session;
	sender->seal = *seal;
	sender->replay = (struct v2_replay){0};
	sender->grease = sender->config.random(sender->config.random_user);
	sender->next_packet = sender->oldest = sender->acked_end = sender->open_from = 0;
	v2_bits_clear_all(&sender->open);
	sender->loss_at_ns = NEVER;
	sender->backoff = sender->probes = 0;
	sender->respond = false;
	sender->heard_ns = sender->eliciting_ns = sender->now_ns;
	reset_path(sender, welcome->datagram_max);
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		v2_spool_processed(&sender->lanes[i], welcome->before[i]);
		v2_spool_rewind(&sender->lanes[i]);
		sender->limit[i] = welcome->limit[i];
	}
	sender->limit[V2_LANE_UPDATE] = V2_SEQUENCE_MAX;
	sender->stats.sessions++;
	return V2_OK;
}

void v2_sender_close(struct v2_sender *sender)
{
	sender->session = 0;
}

void v2_sender_restart(struct v2_sender *sender, uint64_t boot)
{
	for (int i = 0; i < V2_LANES; i++) {
		struct v2_spool *lane = &sender->lanes[i];

		sender->stats.abandoned += lane->tail - lane->head + lane->shed_count;
		v2_spool_reset(lane);
	}
	v2_sender_close(sender);
	sender->oldest = sender->next_packet = sender->acked_end = 0;
	sender->boot = boot;
	sender->epoch = 0;
	sender->stats.restarts++;
}

/* ---- what was lost ---- */

static void requeue(struct v2_sender *s, struct v2_sent *sent)
{
	for (int i = 0; i < sent->ref_count && !sent->requeued; i++)
		v2_spool_lost(&s->lanes[sent->lane[i]], sent->first[i], sent->count[i]);
	sent->requeued = true;
}

static void settle_oldest(struct v2_sender *s)
{
	for (;; s->oldest++) {
		/* Lost ones may still be acknowledged, but nothing waits for them. */
		s->oldest = v2_bits_find(&s->open, s->oldest, s->next_packet, true);
		if (s->oldest == s->next_packet || sent_at(s, s->oldest)->state == V2_SENT_FLYING)
			return;
	}
}

static void mtu_back_to_floor(struct v2_sender *s)
{
	v2_mtu_fall(&s->mtu, s->now_ns);
	s->stats.black_holes++;
}

static struct v2_mtu_news mtu_news(const struct v2_sent *sent, uint64_t packet)
{
	return (struct v2_mtu_news){
		.packet = packet, .bytes = sent->bytes, .probe = sent->mtu_probe};
}

static void lose(struct v2_sender *s, uint64_t packet)
{
	struct v2_sent *sent = sent_at(s, packet);
	struct v2_mtu_news news = mtu_news(sent, packet);

	sent->state = V2_SENT_LOST;
	s->stats.lost++;
	requeue(s, sent);
	v2_congestion_lost(&s->congestion, sent->bytes, !sent->mtu_probe);
	if (v2_mtu_lost(&s->mtu, &news))
		mtu_back_to_floor(s);
}

/* RFC 9002 6.1: what was sent well before a packet that arrived. */
static void detect_losses(struct v2_sender *s)
{
	uint64_t delay = v2_congestion_loss_delay(&s->congestion);
	uint64_t end = MAX(s->acked_end, 1) - 1, p = s->oldest;

	s->loss_at_ns = NEVER;
	for (; (p = v2_bits_find(&s->open, p, end, true)) < end; p++) {
		const struct v2_sent *sent = sent_at(s, p);

		if (sent->state != V2_SENT_FLYING)
			continue;
		if (end - p < PACKET_THRESHOLD && sent->at_ns + delay > s->now_ns) {
			s->loss_at_ns = sent->at_ns + delay;
			break;
		}
		lose(s, p);
	}
	settle_oldest(s);
}

static uint64_t probe_at(const struct v2_sender *s)
{
	uint64_t timeout = v2_congestion_probe_timeout(&s->congestion) << MIN(s->backoff, 10U);

	if (s->session == 0)
		return NEVER;
	/* Otherwise a session that the server forgot would only be noticed with the next event. */
	if (!owed(s))
		return s->eliciting_ns + KEEP_ALIVE_NS;
	return s->eliciting_ns + MIN(timeout, BACKOFF_MAX_NS);
}

/* What flew longest is sent again; the packet itself is not lost before there is evidence. */
static void probe(struct v2_sender *s)
{
	s->probes = owed(s) ? PROBES : 1;
	s->backoff += owed(s);
	s->eliciting_ns = s->now_ns;
	s->stats.probes++;
	for (uint64_t p = s->oldest, n = 0; p < s->next_packet && n < PROBES; p++)
		if (sent_at(s, p)->state == V2_SENT_FLYING && !sent_at(s, p)->requeued) {
			requeue(s, sent_at(s, p));
			n++;
		}
	if (s->backoff < COLLAPSE_AFTER)
		return;
	if (s->backoff == COLLAPSE_AFTER)
		v2_congestion_collapse(&s->congestion);
	if (s->mtu.size > V2_MTU_FLOOR)
		mtu_back_to_floor(s);
}

static void run_timers(struct v2_sender *s)
{
	if (s->now_ns >= s->loss_at_ns)
		detect_losses(s);
	if (s->now_ns >= probe_at(s))
		probe(s);
}

/* ---- what arrives ---- */

static void acknowledge(struct v2_sender *s, uint64_t packet)
{
	struct v2_sent *sent = sent_at(s, packet);
	struct v2_mtu_news news = mtu_news(sent, packet);

	if (sent->state == V2_SENT_FLYING)
		v2_congestion_acked(&s->congestion, sent->bytes);
	else
		s->stats.spurious++;
	sent->state = V2_SENT_ACKED;
	for (int i = 0; i < sent->ref_count; i++)
		v2_spool_received(&s->lanes[sent->lane[i]], sent->first[i], sent->count[i]);
	v2_mtu_acked(&s->mtu, &news);
}

/* True if a packet of the range was not acknowledged before. */
static bool acknowledge_range(struct v2_sender *s, const struct v2_range *range)
{
	uint64_t p = MAX(range->first, s->open_from), end = range->last + 1;
	bool fresh = false;

	while ((p = v2_bits_find(&s->open, p, end, true)) < end) {
		uint64_t stop = v2_bits_find(&s->open, p, end, false);

		v2_bits_clear(&s->open, p, stop);
		for (; p < stop; p++)
			acknowledge(s, p);
		fresh = true;
	}
	return fresh;
}

static void sample_rtt(struct v2_sender *s, const struct v2_sent *sent, uint32_t delay_us)
{
	uint64_t rtt = s->now_ns - sent->at_ns, delay = delay_us * 1000ULL;

	/* A clock that stood still measured nothing. */
	if (rtt == 0)
		return;
	delay = MIN(delay, V2_ACK_DELAY_NS);
	v2_congestion_sample(&s->congestion, rtt > delay ? rtt - delay : rtt, s->now_ns);
}

static bool acknowledge_all(struct v2_sender *s, const struct v2_frame *frame)
{
	struct v2_range ranges[V2_ACK_RANGES];
	bool fresh = false;

	v2_get_ranges(frame, ranges);
	s->open_from = MAX(s->open_from, s->next_packet - MIN(s->next_packet, s->config.packets));
	s->open_from = v2_bits_find(&s->open, s->open_from, s->next_packet, true);
	for (int i = 0; i < frame->ack.count; i++)
		fresh |= acknowledge_range(s, &ranges[i]);
	return fresh;
}

static enum v2_error handle_ack(struct v2_sender *s, const struct v2_frame *frame)
{
	uint64_t largest = frame->ack.largest;
	bool newest;

	if (largest >= s->next_packet)
		return V2_ACK_UNSENT;
	newest = s->next_packet - largest <= s->config.packets &&
		 sent_at(s, largest)->state == V2_SENT_FLYING;
	if (acknowledge_all(s, frame))
		s->backoff = 0;
	if (newest)
		sample_rtt(s, sent_at(s, largest), frame->ack.delay_us);
	s->acked_end = MAX(s->acked_end, largest + 1);
	detect_losses(s);
	v2_congestion_round(&s->congestion, largest, s->next_packet);
	return V2_OK;
}

static enum v2_error handle_processed(struct v2_sender *s, const struct v2_frame *frame)
{
	int lane = frame->processed.lane;

	if (frame->processed.before > s->lanes[lane].sent_end)
		return V2_ACK_UNSENT;
	if (frame->processed.before > s->lanes[lane].processed)
		s->backoff = 0;
	v2_spool_processed(&s->lanes[lane], frame->processed.before);
	s->limit[lane] = MAX(s->limit[lane], frame->processed.limit);
	return V2_OK;
}

static enum v2_error handle_frame(struct v2_sender *s, const struct v2_frame *frame)
{
	switch (frame->type) {
	case V2_FRAME_ACK:
		return handle_ack(s, frame);
	case V2_FRAME_PROCESSED:
		return handle_processed(s, frame);
	case V2_FRAME_PATH_CHALLENGE:
		s->respond = true;
		s->challenge = frame->path;
		return V2_OK;
	default:
		return V2_OK;
	}
}

static enum v2_error handle_text(struct v2_sender *s, const uint8_t *text, size_t size)
{
	enum v2_error error = v2_check_frames(text, size, &s->config.schemas, V2_TO_AGENT);
	struct cursor c;

	cursor_read_init(&c, text, size);
	while (error == V2_OK && cursor_left(&c) > 0) {
		struct v2_frame frame;

		error = v2_next_frame(&c, &s->config.schemas, &frame);
		if (error == V2_OK)
			error = handle_frame(s, &frame);
	}
	return error;
}

static enum v2_error open_datagram(struct v2_sender *s, uint8_t *bytes, size_t size)
{
	struct v2_header header;
	enum v2_error error = v2_get_header(bytes, size, &header);
	size_t text = size - V2_HEADER_BYTES - V2_TAG_BYTES;

	if (error != V2_OK)
		return error;
	if (s->session == 0 || header.session != s->session)
		return V2_UNKNOWN_SESSION;
	switch (v2_replay_check(&s->replay, header.packet)) {
	case V2_REPLAY_SEEN:
		return V2_REPLAYED;
	case V2_REPLAY_OLD:
		return V2_TOO_OLD;
	case V2_REPLAY_FRESH:
		break;
	}
	if (s->seal.open(s->seal.user, header.phase, header.packet, bytes, bytes + V2_HEADER_BYTES,
		    text) < 0)
		return V2_UNSEALED;
	v2_replay_mark(&s->replay, header.packet);
	s->heard_ns = s->now_ns;
	return handle_text(s, bytes + V2_HEADER_BYTES, text);
}

enum v2_error v2_sender_receive(
	struct v2_sender *sender, uint64_t now_ns, uint8_t *bytes, size_t size)
{
	enum v2_error error;

	advance(sender, now_ns);
	error = open_datagram(sender, bytes, size);
	sender->stats.errors[error]++;
	if (v2_error_action(error) == V2_ACTION_CLOSE)
		v2_sender_close(sender);
	return error;
}

/* ---- what leaves ---- */

/* What a lane has to send, up to `max` events of one frame. */
static bool next_run(struct v2_sender *s, int lane, uint64_t max, struct v2_run *ret_run)
{
	v2_spool_settle(&s->lanes[lane]);
	/* A range takes one place of the server's window, whatever its length. */
	return v2_spool_next(&s->lanes[lane], s->limit[lane], max, ret_run);
}

static bool data_ready(struct v2_sender *s)
{
	struct v2_run run;

	for (int i = 0; i < V2_LANES; i++)
		if (next_run(s, i, 1, &run))
			return true;
	return false;
}

/* Writes a frame of the run, or of as much as fits. False: nothing fits. */
static bool put_run(struct v2_sender *s, struct cursor *c, int lane, struct v2_run *run)
{
	struct v2_frame frame;
	uint8_t *records;
	uint16_t size;

	if (run->schema == V2_KIND_RANGE) {
		if (cursor_left(c) < V2_SHED_BYTES)
			return false;
		frame.shed.lane = (uint8_t)lane;
		frame.shed.cause = (uint8_t)run->span.cause;
		frame.shed.sequence = run->sequence;
		frame.shed.count = run->span.count;
		v2_put_shed(c, &frame, grease(s));
		return true;
	}
	size = s->config.schemas.list[run->schema].record_bytes;
	if (cursor_left(c) < V2_EVENTS_BYTES + (size_t)size)
		return false;
	run->count = MIN(run->count, (cursor_left(c) - V2_EVENTS_BYTES) / size);
	frame.events.lane = (uint8_t)lane;
	frame.events.schema = run->schema;
	frame.events.count = (uint16_t)run->count;
	frame.events.record_bytes = size;
	frame.events.sequence = run->sequence;
	frame.events.records = NULL;
	v2_put_events(c, &frame, grease(s));
	records = cursor_put(c, run->count * size);
	v2_places_get(&s->lanes[lane].places, run->first, records, size, run->count);
	return true;
}

static void mark_sent(struct v2_sender *s, struct v2_sent *sent, int lane, const struct v2_run *run)
{
	struct v2_spool *spool = &s->lanes[lane];

	s->stats.events += run->count;
	if (run->first < spool->unsent)
		s->stats.events_again += run->count;
	v2_spool_sent(spool, run);
	if (lane == V2_LANE_UPDATE) {
		v2_spool_forget_sent(spool);
		return;
	}
	sent->lane[sent->ref_count] = (uint8_t)lane;
	sent->first[sent->ref_count] = run->first;
	sent->count[sent->ref_count] = (uint16_t)run->count;
	sent->ref_count++;
}

/* True while another record, if only a small one, may fit. */
static bool has_room(const struct v2_sender *s, const struct cursor *c, const struct v2_sent *sent)
{
	return sent->ref_count < V2_REFS &&
	       cursor_left(c) >= V2_EVENTS_BYTES + (size_t)s->record_min;
}

/* Puts what waits, most urgent lane first. True if something was put. */
static bool put_data(struct v2_sender *s, struct cursor *c, struct v2_sent *sent)
{
	bool put = false;
	struct v2_run run;

	for (int lane = 0; lane < V2_LANES; lane++)
		while (has_room(s, c, sent) &&
			next_run(s, lane, cursor_left(c) / s->record_min, &run)) {
			if (!put_run(s, c, lane, &run))
				break;
			mark_sent(s, sent, lane, &run);
			put = true;
		}
	return put;
}

/* A place to remember the next packet in; the oldest is given up if there is none. */
static struct v2_sent *claim(struct v2_sender *s)
{
	struct v2_sent *sent;

	if (s->next_packet - s->oldest == s->config.packets) {
		lose(s, s->oldest);
		settle_oldest(s);
	}
	sent = sent_at(s, s->next_packet);
	*sent = (struct v2_sent){.at_ns = s->now_ns};
	v2_bits_clear(&s->open, s->next_packet, s->next_packet + 1);
	return sent;
}

/* Seals what the cursor holds behind a header's room. Returns the datagram's size. */
static size_t finish(struct v2_sender *s, struct cursor *c, struct v2_sent *sent, bool elicits)
{
	uint64_t packet = s->next_packet;
	struct v2_header header = {
		.phase = s->seal.phase(s->seal.user, packet),
		.grease = grease(s) & 0x0f,
		.session = s->session,
		.packet = packet,
	};
	struct cursor h;

	cursor_write_init(&h, c->out, V2_HEADER_BYTES);
	v2_put_header(&h, &header);
	if (s->seal.seal(s->seal.user, packet, c->out, c->out + V2_HEADER_BYTES,
		    c->pos - V2_HEADER_BYTES) < 0) {
		/* Without keys that seal there is no session; all is sent again in the next one. */
		v2_sender_close(s);
		return 0;
	}
	s->next_packet++;
	s->stats.packets++;
	sent->bytes = (uint16_t)(c->pos + V2_TAG_BYTES);
	if (elicits) {
		/* The server begins to owe an answer now. */
		if (s->oldest == packet && s->backoff == 0)
			s->heard_ns = MAX(s->heard_ns, s->now_ns);
		sent->state = V2_SENT_FLYING;
		v2_bits_set(&s->open, packet, packet + 1);
		s->eliciting_ns = s->now_ns;
		v2_congestion_sent(&s->congestion, sent->bytes, s->now_ns);
	}
	settle_oldest(s);
	return sent->bytes;
}

static void begin(struct cursor *c, uint8_t *bytes, size_t size)
{
	cursor_write_init(c, bytes, size - V2_TAG_BYTES);
	cursor_put(c, V2_HEADER_BYTES);
}

/* Not before something came back: the first packets shall not be those that a path drops. */
static bool mtu_probe_due(const struct v2_sender *s)
{
	return s->congestion.sampled && v2_mtu_probe_due(&s->mtu, s->now_ns);
}

static size_t send_mtu_probe(struct v2_sender *s, uint8_t *bytes)
{
	struct v2_sent *sent = claim(s);
	struct cursor c;

	sent->mtu_probe = true;
	begin(&c, bytes, v2_mtu_probe(&s->mtu));
	v2_put_ping(&c, grease(s));
	v2_put_padding(&c, V2_FRAME_PADDING | (grease(s) & 0x7f), cursor_left(&c));
	return finish(s, &c, sent, true);
}

static bool window_open(struct v2_sender *s)
{
	return s->next_packet - s->oldest < s->config.packets &&
	       v2_congestion_fits(&s->congestion, s->mtu.size);
}

static bool may_send(struct v2_sender *s)
{
	return s->probes > 0 || (s->now_ns >= s->congestion.pace_at_ns && window_open(s));
}

static size_t send_packet(struct v2_sender *s, uint8_t *bytes, size_t size, bool with_data)
{
	struct v2_sent *sent = claim(s);
	struct cursor c;
	bool elicits;

	begin(&c, bytes, size);
	if (s->respond)
		v2_put_path(&c, V2_FRAME_PATH_RESPONSE, s->challenge, grease(s));
	s->respond = false;
	elicits = with_data && put_data(s, &c, sent);
	if (!elicits && s->probes > 0) {
		v2_put_ping(&c, grease(s));
		elicits = true;
	}
	if (elicits && s->probes > 0)
		s->probes--;
	return finish(s, &c, sent, elicits);
}

/* The datagrams of a train have one size: what is left is padded, if there is more to send. */
static size_t send_next_of_train(struct v2_sender *s, uint8_t *bytes, size_t size)
{
	struct v2_sent *sent = claim(s);
	struct cursor c;

	begin(&c, bytes, size);
	put_data(s, &c, sent);
	if (cursor_left(&c) >= V2_FRAME_BYTES && data_ready(s))
		v2_put_padding(&c, V2_FRAME_PADDING | (grease(s) & 0x7f), cursor_left(&c));
	return finish(s, &c, sent, true);
}

/* More of the same after a datagram that is not much smaller than the path allows. */
static size_t lengthen_train(struct v2_sender *s, uint8_t *bytes, size_t size, size_t segment)
{
	size_t total = segment, last = segment;

	if (segment < s->mtu.size - s->mtu.size / 4)
		return total;
	for (int i = 1; i < V2_TRAIN && last == segment && total + segment <= size; i++) {
		if (s->session == 0 || !data_ready(s) || !may_send(s))
			break;
		s->probes -= s->probes > 0;
		last = send_next_of_train(s, bytes + total, segment);
		total += last;
	}
	return total;
}

size_t v2_sender_poll(
	struct v2_sender *sender, uint64_t now_ns, uint8_t *bytes, size_t size, size_t *ret_segment)
{
	size_t first;
	bool data;

	advance(sender, now_ns);
	if (sender->session == 0 || size < sender->config.datagram_max)
		return 0;
	run_timers(sender);
	data = data_ready(sender) && may_send(sender);
	if (data || sender->probes > 0 || sender->respond)
		first = send_packet(sender, bytes, sender->mtu.size, data);
	else if (mtu_probe_due(sender))
		first = send_mtu_probe(sender, bytes);
	else
		return 0;
	if (first == 0)
		return 0;
	*ret_segment = first;
	return data ? lengthen_train(sender, bytes, size, first) : first;
}

void v2_sender_too_long(struct v2_sender *sender, uint32_t bytes)
{
	if (bytes > 0 && sender->session != 0)
		v2_mtu_refused(&sender->mtu, bytes);
}

uint64_t v2_sender_next_time(struct v2_sender *sender, uint64_t now_ns)
{
	uint64_t at;

	advance(sender, now_ns);
	if (sender->session == 0)
		return NEVER;
	if (sender->respond || sender->probes > 0 || mtu_probe_due(sender))
		return sender->now_ns;
	at = MIN(sender->loss_at_ns, probe_at(sender));
	if (data_ready(sender) && window_open(sender))
		at = MIN(at, sender->congestion.pace_at_ns);
	return MAX(at, sender->now_ns);
}
