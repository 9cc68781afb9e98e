// SPDX-License-Identifier: BSD-2-Clause
/* Lanes into datagrams, and datagrams into trains. */
#include "wire/v2_sender_private.h"

/* MMIX's generator (Knuth): what it makes need not be secret. */
static uint8_t grease(struct v2_sender *s)
{
	s->grease = s->grease * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint8_t)(s->grease >> 56);
}

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
		v2_sender_lose(s, s->oldest);
		v2_sender_settle(s);
	}
	sent = v2_sender_sent(s, s->next_packet);
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
	v2_sender_settle(s);
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

	v2_sender_advance(sender, now_ns);
	if (sender->session == 0 || size < sender->config.datagram_max)
		return 0;
	v2_sender_run_timers(sender);
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

	v2_sender_advance(sender, now_ns);
	if (sender->session == 0)
		return V2_NEVER;
	if (sender->respond || sender->probes > 0 || mtu_probe_due(sender))
		return sender->now_ns;
	at = MIN(sender->loss_at_ns, v2_sender_probe_at(sender));
	if (data_ready(sender) && window_open(sender))
		at = MIN(at, sender->congestion.pace_at_ns);
	return MAX(at, sender->now_ns);
}
