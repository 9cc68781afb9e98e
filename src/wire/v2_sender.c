// SPDX-License-Identifier: BSD-2-Clause
/* Lanes and sessions. */
#include "wire/v2_sender_private.h"

#include <errno.h>
#include <stdlib.h>

#define SILENCE_NS     1000000000ULL /* after which another session is wanted, at least */
#define SILENCE_MAX_NS 5000000000ULL /* at most: a clock that jumped may have spoilt the RTT */

int v2_sender_init(struct v2_sender *sender, const struct v2_sender_config *config, uint64_t boot)
{
	struct v2_sender made = {.config = *config, .boot = boot, .loss_at_ns = V2_NEVER};
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

void v2_sender_advance(struct v2_sender *s, uint64_t now_ns)
{
	s->now_ns = MAX(s->now_ns, now_ns);
}

bool v2_sender_owes(const struct v2_sender *s)
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
	return v2_sender_owes(sender) && now_ns > sender->heard_ns + MIN(silence, SILENCE_MAX_NS);
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
	v2_sender_advance(sender, now_ns);
	sender->epoch = welcome->epoch;
	sender->session = welcome->session;
	sender->seal = *seal;
	sender->replay = (struct v2_replay){0};
	sender->grease = sender->config.random(sender->config.random_user);
	sender->next_packet = sender->oldest = sender->acked_end = sender->open_from = 0;
	v2_bits_clear_all(&sender->open);
	sender->loss_at_ns = V2_NEVER;
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
