/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

/*
 * Version 2 of the protocol in a world of its own: agents, a server with its store, and a network,
 * in one thread on virtual time. One seed decides everything that happens, so a failure replays
 * exactly. The ends are the real ones of src/wire; what is simulated is what surrounds them.
 *
 *   world.c    time, weather, misfortunes       network.c  datagrams, addresses
 *   agent.c    pushes events, dies, moves       server.c   opens sessions, processes, dies
 *   journal.c  what outlives an agent         store.c    transactions, backups
 *   control.c  connections of the control channel: in order, late, half-open, broken
 *   ledger.c   what must hold: the fate of every event that was accepted
 *   seal.c     a seal that notices each changed bit, and key phases
 */

#include "base/siphash.h"
#include "wire/v2_control_agent.h"
#include "wire/v2_control_server.h"
#include "wire/v2_lease.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#define SIM_AGENTS_MAX       8
#define SIM_PACKETS_MAX      512 /* in the network at once; more are dropped */
#define SIM_DATAGRAM_MAX     1472
#define SIM_TRAIN_MAX        (8 * SIM_DATAGRAM_MAX)
#define SIM_INCARNATIONS_MAX 24  /* of one agent */
#define SIM_EVENTS_MAX       800 /* in one lane of one incarnation */
#define SIM_KEYS             5
#define SIM_PUSH_MAX         40U
#define SIM_ADDRESSES_MAX    128
#define SIM_SCHEMAS          2
#define SIM_SESSIONS_MAX     512 /* whose keys are looked at for repeats */
#define SIM_MS               1000000ULL
#define SIM_NUMBERS_MAX      8192 /* packets of a session that are looked at for replays */
#define SIM_NEVER            UINT64_MAX

/* Chances are in a thousand. */
struct sim_weather {
	unsigned int loss, burst, twice, late, corrupt, stray;
	uint64_t delay_ns, jitter_ns, late_ns;
	uint64_t byte_ns; /* what a byte occupies the link for; 0: none */
	uint64_t queue_ns;
	uint16_t mtu; /* larger datagrams vanish */
	bool partitioned;
};

/* What a seed may do to its world. */
struct sim_plan {
	unsigned int agents;
	unsigned int kill_agent, kill_server, move, jump; /* at each misfortune */
	unsigned int kill_point;  /* at each persistence point of the server */
	bool journal;             /* agents have one, and go on where they were killed */
	unsigned int agent_point; /* killed at each point between two steps of an agent's */
	unsigned int without;     /* a life that has no journal, and leaves it as it was */
	unsigned int spoilt;      /* the journal is of no use to the next life */
	unsigned int lazy;        /* what is due for the journal waits for the next time */
	size_t journal_capacity;
	unsigned int commit_fails;
	unsigned int back_up;  /* at each misfortune */
	unsigned int put_back; /* at each death of the server */
	unsigned int spoof;    /* a datagram also comes, first, from a victim's address */
	unsigned int slow;     /* a batch takes up to slow_ns */
	unsigned int batches;  /* of a lane, at once */
	unsigned int
		cut; /* a control connection breaks, at one end or at both, with or without a word */
	unsigned int expel;  /* the server ends an agent's session and connections */
	unsigned int forget; /* the server ends an agent's session, and says nothing */
	unsigned int set;    /* the settings change */
	struct v2_lease_config lease;
	uint64_t ping_ns;
	unsigned int greed;   /* events a push */
	unsigned int no_room; /* the agent gives up events of a push itself */
	/* A train that the agent's system does not take, or only in part for a while. */
	unsigned int no_buffers, blocked;
	uint16_t interface_mtu; /* of the agents: larger datagrams do not leave */
	uint64_t key_packets;   /* of a generation */
	uint64_t slow_ns, commit_ns, push_ns, heal_ns, end_ns;
	size_t capacity[V2_LANES], window[V2_LANES];
	uint32_t packets;
	uint16_t mtu; /* of the healed network */
};

struct sim_packet {
	uint64_t at_ns;
	uint64_t order; /* among those of one instant */
	uint64_t from, to;
	unsigned int agent;
	uint16_t size;
	bool to_server;
	bool intact; /* it is what was sent, and came to whom it was sent */
	uint8_t bytes[SIM_DATAGRAM_MAX];
};

struct sim_seal {
	struct siphash_key key; /* of the session */
	bool server;
	uint64_t every; /* packets a key generation */
	uint64_t generation;
	struct v2_phases phases;
	/* What a seal must never see: a number sealed twice under one key, one opened twice. */
	uint64_t sealed, opened[SIM_NUMBERS_MAX / 64];
	bool nonce_reused, replayed;
};

/* What the agents know of an incarnation. */
struct sim_incarnation {
	uint64_t boot, epoch;
	uint64_t count[V2_LANES]; /* events that came to be */
	uint64_t key_count[V2_LANES][SIM_KEYS];
	bool shed[V2_LANES][SIM_EVENTS_MAX];
};

/* The fate of an event: one of these in the end, or the open end of its incarnation. */
enum sim_fate {
	SIM_UNKNOWN,
	SIM_PROCESSED,
	SIM_DECLARED,
};

/* What was made of it; it is in the store. */
struct sim_effects {
	bool admitted; /* the server knows of it */
	bool closed;   /* all from `open_from` on is declared as lost */
	uint64_t open_from[V2_LANES];
	uint64_t key_last[V2_LANES][SIM_KEYS];
	uint8_t fate[V2_LANES][SIM_EVENTS_MAX];
};

struct sim_record {
	uint64_t boot;
	uint64_t sequence;
	uint64_t key_count; /* 1, 2 ... among those of its key */
	uint32_t lane, key;
	uint64_t pattern[2]; /* of schema 1 */
};

/* Datagrams one behind the other. */
struct sim_train {
	size_t size, segment;
	uint64_t at_ns;
	uint8_t bytes[SIM_TRAIN_MAX];
};

#define SIM_JOURNAL_MAX 512 /* elements of a lane */

/* An event, or a range of those that were shed. */
struct sim_element {
	uint64_t sequence, count;
	bool range;
	uint16_t schema;
	struct sim_record record;
};

/*
 * What outlives an agent that is killed. Nothing is written here but by one of the steps of journal.c,
 * which are whole or not at all; `copied` alone is the living agent's.
 */
struct sim_journal {
	bool valid;
	uint64_t boot, epoch;
	uint64_t update_sequence;
	struct sim_journal_lane {
		uint64_t tail, head;    /* elements */
		uint64_t end, shed_end; /* sequences: of the last element; below is shed */
		uint64_t copied;        /* elements below are in the sender's lane */
		struct sim_element ring[SIM_JOURNAL_MAX];
	} lanes[V2_LANES_ACKED];
};

struct sim_agent {
	unsigned int index;
	struct v2_sender sender;
	struct sim_journal journal;
	bool journaled; /* in this life */
	struct sim_seal seal;
	uint64_t address;
	int64_t clock_ns; /* its clock less the world's */
	uint64_t push_at_ns;
	uint64_t up_at_ns;           /* it is dead before */
	uint64_t retry_at_ns;        /* no connection is tried before */
	uint64_t hello_at_ns;        /* nor another session asked for */
	uint64_t session_connection; /* on which it was welcomed */
	struct v2_lease lease;
	struct sim_train waiting; /* for the socket to have room again */
	uint64_t generation;      /* of the settings that hold; 0: its own */
	struct sim_incarnation incarnations[SIM_INCARNATIONS_MAX];
	struct sim_effects effects[SIM_INCARNATIONS_MAX];
	unsigned int incarnation_count, current;
};

#define SIM_CONNECTIONS_MAX 6 /* of one agent, with those that one end alone believes in */
#define SIM_MESSAGES_MAX    16
#define SIM_MESSAGE_MAX     512

/* One way of a connection. */
struct sim_pipe {
	unsigned int first, count;
	uint64_t last_at_ns; /* nothing overtakes */
	uint64_t end_at_ns;  /* when the reader hears of the end; SIM_NEVER: not yet, or never */
	struct {
		uint64_t at_ns;
		size_t size;
		uint8_t bytes[SIM_MESSAGE_MAX];
	} messages[SIM_MESSAGES_MAX];
};

/* An end that does not have it any more has forgotten it. */
struct sim_connection {
	uint64_t id;                  /* 0: a free place */
	struct siphash_key key;       /* what both ends, and nobody else, can export */
	bool cut;                     /* nothing comes through any more */
	bool agent_has, server_has;   /* the end exists */
	bool agent_open, server_open; /* its handshake is done */
	uint64_t agent_at_ns, server_at_ns;
	uint64_t agent_opened_ns; /* by the agent's clock */
	uint64_t
		admit_at_ns; /* when the server has decided about a HELLO; SIM_NEVER: nothing to decide */
	struct v2_control_agent at_agent;
	struct v2_control_server at_server;
	struct sim_pipe to_server, to_agent;
};

/* An event, or a range without events, that the server has taken over. */
struct sim_item {
	struct v2_taken taken; /* of one event; its bytes are in `record` */
	struct sim_record record;
};

struct sim_batch {
	uint64_t done_at_ns;
	uint64_t epoch;
	uint64_t before; /* the mark after it */
	unsigned int count;
	struct sim_item items[32];
};

/* What a lane has given out to be processed; commits are in order. */
#define SIM_BATCHES_MAX 4
struct sim_work {
	struct sim_batch batches[SIM_BATCHES_MAX]; /* a ring */
	unsigned int first, count;
	unsigned int writing; /* the first so many are in the store's transaction */
};
#define SIM_UPDATES_MAX 64

struct sim_store {
	bool busy; /* with a transaction */
	uint64_t done_at_ns;
};

struct sim_backup {
	bool valid;
	struct v2_mark marks[SIM_AGENTS_MAX];
	unsigned int counts[SIM_AGENTS_MAX];
	struct sim_effects effects[SIM_AGENTS_MAX][SIM_INCARNATIONS_MAX];
};

/* The server's memory of an agent; the mark alone is in the store and survives. */
struct sim_peer {
	struct v2_receiver receiver;
	struct sim_seal seal;
	struct sim_work work[V2_LANES];
	struct sim_item updates[SIM_UPDATES_MAX]; /* that wait; in this order */
	unsigned int update_count;
	struct v2_mark mark;
	uint64_t session_connection;
	struct v2_lease lease;
};

struct sim_address {
	uint64_t address;
	uint64_t bytes_in, bytes_out; /* as the server saw them */
	bool proven;                  /* something of the server's came to an agent there */
};

struct sim_world {
	uint64_t seed, random, order, now_ns;
	bool verbose, healed;
	struct sim_plan plan;
	struct sim_weather weather;
	uint64_t weather_at_ns, misfortune_at_ns, update_at_ns, link_free_ns;
	unsigned int burst_left;
	bool server_up;
	struct sim_store store;
	uint64_t server_up_at_ns;
	int64_t server_clock_ns;
	struct sim_packet *packets[SIM_PACKETS_MAX]; /* a heap by time; behind it the free ones */
	struct sim_packet storage[SIM_PACKETS_MAX];
	struct sim_agent agents[SIM_AGENTS_MAX];
	struct sim_peer peers[SIM_AGENTS_MAX];
	struct sim_backup backup;
	unsigned int packet_count;
	struct sim_address addresses[SIM_ADDRESSES_MAX];
	unsigned int address_count;
	struct sim_connection connections[SIM_AGENTS_MAX][SIM_CONNECTIONS_MAX];
	uint64_t connection_count;
	bool schema_known[SIM_SCHEMAS]; /* to the server */
	struct v2_settings settings;
	uint64_t settings_good; /* the generation, if the agents can apply them; 0 */
	struct siphash_key session_keys[SIM_SESSIONS_MAX];
	unsigned int session_count;
	uint64_t steps;
	bool forgotten;    /* a session, when all was quiet */
	char failure[256]; /* empty: nothing was violated */
	struct {
		uint64_t events, processed, shed, lost, agent_kills, server_kills, moves, jumps;
		uint64_t commits, failed_commits, refused_commits, put_back, packets, spoofed,
			path_changes, black_holes;
		uint64_t restarts, stale, rolled_back, no_room, forgotten, overlooked, stray,
			too_long, blocked;
		uint64_t connections, cuts, deaths, renewals, leases_over, alone, descriptions,
			sets;
		uint64_t resumed, without, spoilt,
			passed; /* lives; events processed before they came again */
	} stats;
};

/* ---- world.c ---- */

uint64_t sim_random(struct sim_world *world);
uint64_t sim_below(struct sim_world *world, uint64_t bound);
bool sim_chance(struct sim_world *world, unsigned int in_a_thousand);
void sim_fail(struct sim_world *world, const char *fmt, ...) _printf_(2, 3);
void sim_note(const struct sim_world *world, const char *fmt, ...) _printf_(2, 3);
/* Runs one seed. True if all held; world->failure says what did not. */
bool sim_run(struct sim_world *world, uint64_t seed, bool verbose);

/* ---- network.c ---- */

void sim_network_init(struct sim_world *world);
void sim_network_send(struct sim_world *world, const struct sim_packet *packet);
/* The next that is due, which stays valid until the next send; NULL if none is. */
struct sim_packet *sim_network_take(struct sim_world *world);
uint64_t sim_network_next_time(const struct sim_world *world);
struct sim_address *sim_address(struct sim_world *world, uint64_t address);

/* ---- agent.c ---- */

void sim_agent_init(struct sim_world *world, unsigned int index);
void sim_agent_kill(struct sim_world *world, struct sim_agent *agent);
void sim_agent_step(struct sim_world *world, struct sim_agent *agent);
/* Events of one schema, all at once. */
void sim_agent_push(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, uint64_t count);
void sim_agent_receive(struct sim_world *world, struct sim_packet *packet);
/* Its end of a connection is up; an event; its end is gone. */
void sim_agent_opened(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection);
void sim_agent_event(struct sim_world *world, struct sim_agent *agent,
	struct sim_connection *connection, const struct v2_control_event *event);
void sim_agent_lost(struct sim_world *world, struct sim_agent *agent, uint64_t connection);
uint64_t sim_agent_clock(const struct sim_world *world, const struct sim_agent *agent);
uint64_t sim_agent_next_time(struct sim_world *world, struct sim_agent *agent);
struct sim_incarnation *sim_incarnation(struct sim_agent *agent);

/* ---- journal.c ---- */

/* Forgets what it holds, and is of the incarnation from the moment on that it is whole again. */
void sim_journal_clear(struct sim_journal *journal);
void sim_journal_begin(struct sim_journal *journal, uint64_t boot);
/* True if the event is in; it is shed if there is no room. */
bool sim_journal_push(struct sim_journal *journal, unsigned int lane, size_t capacity,
	uint16_t schema, const struct sim_record *record);
void sim_journal_shed(struct sim_journal *journal, unsigned int lane);
/* The next sequence of a lane. */
uint64_t sim_journal_next(const struct sim_journal *journal, unsigned int lane);
/* As far as the lanes have room. */
void sim_journal_copy(struct sim_world *world, struct sim_agent *agent);
/* Of what was copied, what is processed goes. */
void sim_journal_note(struct sim_agent *agent);
bool sim_journal_empty(const struct sim_journal *journal);
/* Another life goes on with it. */
void sim_journal_resume(struct sim_world *world, struct sim_agent *agent);

/* ---- server.c ---- */

void sim_server_start(struct sim_world *world);
void sim_server_kill(struct sim_world *world);
void sim_server_step(struct sim_world *world);
void sim_server_receive(struct sim_world *world, struct sim_packet *packet);
void sim_server_opened(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection);
void sim_server_event(struct sim_world *world, struct sim_agent *agent,
	struct sim_connection *connection, const struct v2_control_event *event);
/* Decides about the HELLO of a connection. */
void sim_server_admit(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection);
void sim_server_lost(struct sim_world *world, struct sim_agent *agent, uint64_t connection);
/* Ends an agent's session, and does not tell. */
void sim_server_forget(struct sim_world *world, struct sim_agent *agent);
/* Ends an agent's session and connections, as when its certificate is revoked. */
void sim_server_expel(struct sim_world *world, struct sim_agent *agent);
void sim_server_change_settings(struct sim_world *world);
uint64_t sim_server_next_time(struct sim_world *world);
/* True if the server dies here: the caller returns at once and touches nothing. */
bool sim_kill_point(struct sim_world *world);
uint64_t sim_server_clock(const struct sim_world *world);

/* ---- store.c ---- */

/* Batch i of those that a lane has given out. */
struct sim_batch *sim_batch(struct sim_work *work, unsigned int i);
/* Begins and ends transactions. The server may be dead afterwards. */
void sim_store_step(struct sim_world *world);
uint64_t sim_store_next_time(struct sim_world *world);
void sim_store_crash(struct sim_world *world);
void sim_store_back_up(struct sim_world *world);

/* ---- control.c ---- */

struct v2_schemas sim_schemas(void);
/* The agent tries to connect. False: there is nobody, or no way. */
bool sim_connect(struct sim_world *world, struct sim_agent *agent);
/* The newest that the agent has; NULL: none. */
struct sim_connection *sim_newest(struct sim_world *world, const struct sim_agent *agent);
unsigned int sim_connection_count(struct sim_world *world, const struct sim_agent *agent);
/* The keys of a session, at either end. */
struct siphash_key sim_session_key(const struct sim_connection *connection, uint64_t session);
void sim_connections_step(struct sim_world *world);
uint64_t sim_connections_next_time(struct sim_world *world);
/* One of the agent's breaks. */
void sim_connections_cut(struct sim_world *world, struct sim_agent *agent);
/* One end has died. */
void sim_agent_connections_die(struct sim_world *world, struct sim_agent *agent);
void sim_server_connections_die(struct sim_world *world);
/* Each agent has a connection and the settings that are to hold, and the server knows it. */
bool sim_connections_settled(struct sim_world *world);

/* ---- ledger.c ---- */

void sim_ledger_accepted(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, bool kept);
/* What one transaction of the store did. */
void sim_ledger_committed(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct sim_batch *batch);
void sim_ledger_closed(
	struct sim_world *world, struct sim_agent *agent, const struct v2_mark *mark);
void sim_ledger_bounds(struct sim_world *world);
void sim_ledger_end(struct sim_world *world);
void sim_ledger_admitted(struct sim_world *world, struct sim_agent *agent, uint64_t boot);
/* All that `lanes` lanes accepted has its fate in the store. */
bool sim_ledger_settled(struct sim_world *world, unsigned int lanes);

/* ---- seal.c ---- */

/* A generation of keys is `every` packets long. */
void sim_seal_init(struct sim_seal *seal, const struct siphash_key *key, bool server,
	uint64_t every, struct v2_seal *ret_seal);
/*
 * The packet, of a peer whose generations are `every` packets long, is of one whose key is gone: it came
 * later than a whole generation, which here may be short, and the real one is longer than the replay window.
 */
bool sim_seal_forgot(const struct sim_seal *seal, uint64_t every, const struct sim_packet *packet);

#endif
