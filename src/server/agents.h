/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_AGENTS_H
#define SERVER_AGENTS_H

/*
 * Protocol version 2's agents behind their sessions: who is admitted (docs/protocol-2.md, 6.2), what
 * becomes of each lane's events, which losses are declared. Whoever runs the sessions hands over what
 * the receiver puts in order, run by run, and is told how far it is processed, durably.
 *
 *   agent_hello()                       for each HELLO; with V2_ADMIT_NEW wait for ops->admitted
 *   agent_offer(), agent_lost()         in order of sequence, for each acknowledged lane
 *   agent_update(), agent_lost()        for updates, which are offered once
 *   ops->processed                      tell it to v2_receiver_commit()
 *   ops->room                           a lane that was not taken whole can go on
 *
 * A new incarnation is admitted when what functions still have of the old one is done; after a few
 * seconds what they have not begun is dropped (and counted, agent->dropped). Then one commit has the
 * end of the old one, each lane lost from where the functions have got it on, and the new epoch. So
 * nothing of a closed incarnation has effect after its end was declared. How often an agent may begin
 * another is limited, since each is a commit, and adds to the list of losses: one that comes too soon
 * waits for its turn, less than the limit's interval, and one that has taken its place waits no longer.
 *
 * One thread (the loop's).
 */

#include "base/loop.h"
#include "base/rate.h"
#include "server/commits.h"
#include "server/stream.h"
#include "wire/v2_control.h"

struct agents;
struct agent;

/* Why events were lost, beside the protocol's causes. */
#define LOSS_NO_ROOM "no-room" /* updates: too much of the lane was not processed yet */

struct agents_ops {
	/* Everything of a lane below `before` is processed, or declared lost, durably. */
	void (*processed)(void *user, struct agent *agent, uint8_t lane, uint64_t before);
	/* What a lane was not offered whole can be offered again, from agent_next() on. */
	void (*room)(void *user, struct agent *agent, uint8_t lane);
	/* A new incarnation is durable: open its session with `mark`. */
	void (*admitted)(void *user, struct agent *agent, const struct v2_mark *mark);
};

struct agents_options {
	unsigned int max;
	size_t window[V2_LANES];  /* events; at least the receiver's */
	struct rate incarnations; /* of an agent; burst 0: 30 at once, and then one in 10 s */
};

struct lane {
	struct stream stream;
	uint64_t declared; /* before the server started, durably: ranges below come again */
	bool blocked;      /* a unit had no room */
	bool refused;      /* the store has it of another incarnation: the database was changed */
	uint64_t events;   /* offered, each once */
	uint64_t unrouted; /* of these, events that no trigger names */
	uint64_t lost;     /* in ranges that were declared since the server started */
};

struct agent {
	struct agents *agents;
	uint32_t switch_id;
	uint64_t boot, epoch; /* durable; epoch 0: it was never met */
	uint64_t since_ns;    /* of this incarnation, UNIX epoch */
	struct lane lanes[V2_LANES];
	uint64_t
		dropped; /* events of closed incarnations that functions had not begun, for each of them */

	uint64_t next_boot; /* an incarnation that waits to be admitted; 0: none */
	uint64_t close_ns; /* monotonic: what is not begun of the old one is dropped from then on */
	bool admitting;    /* its commit is under way */
	bool too_soon;     /* it waits only since there were others before it */
	uint64_t full_at_ns; /* of the bucket of incarnations, base/rate.h */

	void *user; /* of whoever runs the sessions */
};

/*
 * `commits` and `units` are borrowed; `now_ns` gives the UNIX time. 0 or a negative errno. commits->agents
 * must be set to it, and functions' dropped events go to agents_drop().
 */
struct agents_source {
	struct loop *loop;
	struct units *units;
	struct commits *commits;
	const struct agents_ops *ops;
	void *user;
};
int agents_new(const struct agents_options *options, const struct agents_source *source,
	struct agents **ret_agents) _must_check_;
void agents_free(struct agents *agents);
/* How often an agent may have another incarnation from now on. As agents_options has it. */
void agents_limit(struct agents *agents, const struct rate *incarnations);
DEFINE_CLEANUP(struct agents, agents_free)

/* Reads what is kept of all agents and of the units' marks, before the first HELLO. */
int agents_restore(struct agents *agents, struct store *reader) _must_check_;

/* NULL: there are too many, or no memory. */
struct agent *agents_get(struct agents *agents, uint32_t switch_id);
size_t agents_count(const struct agents *agents);
struct agent *agents_at(struct agents *agents, size_t index);
/* Incarnations that came too soon and had to wait for it. */
uint64_t agents_put_off(const struct agents *agents);

/* A switch has, or has had, an incarnation: it proves who it is. Quick. */
bool agents_have_met(const struct agents *agents, uint32_t switch_id);

/* Judges a HELLO. With V2_ADMIT_RESUME `ret_mark` is what WELCOME begins with. */
enum v2_admission agent_hello(
	struct agent *agent, const struct v2_hello *hello, struct v2_mark *ret_mark);

struct agent_run {
	uint32_t event_id; /* a built-in one */
	uint64_t sequence;
	uint64_t count;
	const void *records;
	size_t stride;
	uint64_t time_ns; /* event time, UNIX epoch */
};

/* The sequence from which on a lane is to be offered. */
static inline uint64_t agent_next(const struct agent *agent, uint8_t lane)
{
	return agent->lanes[lane].stream.next;
}

/*
 * Offers events of an acknowledged lane, from agent_next() on. Returns how many were taken by all
 * functions; if that is less than all, ops->room says when to go on.
 */
uint64_t agent_offer(struct agent *agent, uint8_t lane, const struct agent_run *run) _must_check_;

/* Offers updates, behind all that was offered before. What functions have no room for is shed and counted. */
void agent_update(struct agent *agent, const struct agent_run *run);

/*
 * Sequences, from agent_next() on, hold no events. False: so much waits to be declared that the lane has
 * to wait, until ops->room.
 */
struct agent_range {
	uint64_t sequence;
	uint64_t count;
	const char *cause; /* v2_cause_name(); lives for ever */
};
bool agent_lost(struct agent *agent, uint8_t lane, const struct agent_range *range) _must_check_;

/* ---- for commits.c and the server ---- */

/* All below `before` of a lane's stream is processed, and that is durable. */
void agents_processed(struct agents *agents, struct stream *stream, uint64_t before);
/* Commits were collected, or functions were started: there may be room, and something to tell. */
void agents_after_commits(struct agents *agents);
/* As ingest_drop(). */
void agents_drop(
	struct agents *agents, size_t slot, const struct finished_event *event, bool replaced);
void agents_forget_unit(struct agents *agents, size_t slot);

#endif
