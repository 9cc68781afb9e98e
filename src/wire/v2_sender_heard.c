// SPDX-License-Identifier: BSD-2-Clause
/* What the server says, and what follows when it says nothing. */
#include "wire/v2_sender_private.h"

#define BACKOFF_MAX_NS   1000000000ULL /* between probes */
#define KEEP_ALIVE_NS    5000000000ULL /* of silence, then a PING */
#define COLLAPSE_AFTER   3             /* probe timeouts in a row */
#define PROBES           2             /* packets a probe timeout sends */
#define PACKET_THRESHOLD 3             /* RFC 9002 6.1.1 */

/* ---- what was lost ---- */

static void requeue(struct v2_sender *s, struct v2_sent *sent)
{
	for (int i = 0; i < sent->ref_count && !sent->requeued; i++)
		v2_spool_lost(&s->lanes[sent->lane[i]], sent->first[i], sent->count[i]);
	sent->requeued = true;
}

void v2_sender_settle(struct v2_sender *s)
{
	for (;; s->oldest++) {
		/* Lost ones may still be acknowledged, but nothing waits for them. */
		s->oldest = v2_bits_find(&s->open, s->oldest, s->next_packet, true);
		if (s->oldest == s->next_packet ||
			v2_sender_sent(s, s->oldest)->state == V2_SENT_FLYING)
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

void v2_sender_lose(struct v2_sender *s, uint64_t packet)
{
	struct v2_sent *sent = v2_sender_sent(s, packet);
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

	s->loss_at_ns = V2_NEVER;
	for (; (p = v2_bits_find(&s->open, p, end, true)) < end; p++) {
		const struct v2_sent *sent = v2_sender_sent(s, p);

		if (sent->state != V2_SENT_FLYING)
			continue;
		if (end - p < PACKET_THRESHOLD && sent->at_ns + delay > s->now_ns) {
			s->loss_at_ns = sent->at_ns + delay;
			break;
		}
		v2_sender_lose(s, p);
	}
	v2_sender_settle(s);
}

uint64_t v2_sender_probe_at(const struct v2_sender *s)
{
	uint64_t timeout = v2_congestion_probe_timeout(&s->congestion) << MIN(s->backoff, 10U);

	if (s->session == 0)
		return V2_NEVER;
	/* Otherwise a session that the server forgot would only be noticed with the next event. */
	if (!v2_sender_owes(s))
		return s->eliciting_ns + KEEP_ALIVE_NS;
	return s->eliciting_ns + MIN(timeout, BACKOFF_MAX_NS);
}

/* What flew longest is sent again; the packet itself is not lost before there is evidence. */
static void probe(struct v2_sender *s)
{
	s->probes = v2_sender_owes(s) ? PROBES : 1;
	s->backoff += v2_sender_owes(s);
	s->eliciting_ns = s->now_ns;
	s->stats.probes++;
	for (uint64_t p = s->oldest, n = 0; p < s->next_packet && n < PROBES; p++)
		if (v2_sender_sent(s, p)->state == V2_SENT_FLYING &&
			!v2_sender_sent(s, p)->requeued) {
			requeue(s, v2_sender_sent(s, p));
			n++;
		}
	if (s->backoff < COLLAPSE_AFTER)
		return;
	if (s->backoff == COLLAPSE_AFTER)
		v2_congestion_collapse(&s->congestion);
	if (s->mtu.size > V2_MTU_FLOOR)
		mtu_back_to_floor(s);
}

void v2_sender_run_timers(struct v2_sender *s)
{
	if (s->now_ns >= s->loss_at_ns)
		detect_losses(s);
	if (s->now_ns >= v2_sender_probe_at(s))
		probe(s);
}

/* ---- what arrives ---- */

static void acknowledge(struct v2_sender *s, uint64_t packet)
{
	struct v2_sent *sent = v2_sender_sent(s, packet);
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
		 v2_sender_sent(s, largest)->state == V2_SENT_FLYING;
	if (acknowledge_all(s, frame))
		s->backoff = 0;
	if (newest)
		sample_rtt(s, v2_sender_sent(s, largest), frame->ack.delay_us);
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

	v2_sender_advance(sender, now_ns);
	error = open_datagram(sender, bytes, size);
	sender->stats.errors[error]++;
	if (v2_error_action(error) == V2_ACTION_CLOSE)
		v2_sender_close(sender);
	return error;
}
