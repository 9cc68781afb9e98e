/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_SERVER_CORE_H
#define TESTS_UNIT_SERVER_CORE_H

/*
 * The server without sockets: loop, engine with real workers, committer with a real database, ingest of
 * both versions. One function or two, functions/sum.js of the engine's tests, keyed by source unless said otherwise.
 */

#include "server/agents.h"
#include "server/ingest.h"
#include "tests/unit/test.h"

#define CORE_SWITCH    7
#define CORE_FUNCTIONS 2

extern const char *const core_functions[CORE_FUNCTIONS]; /* their names */

struct core_options {
	const char *path;                        /* of the database */
	const char *handler;                     /* "sum.main" */
	size_t functions;                        /* 0: 1 */
	const char *const *keys[CORE_FUNCTIONS]; /* NULL-terminated names of fields; NULL: srcip */
	size_t queue_max;
	unsigned int workers;
	size_t state_keys;        /* in memory; 0: all */
	size_t window;            /* of each lane */
	struct rate incarnations; /* burst 0: as often as one likes */
};

struct core {
	struct core_options options;
	struct loop *loop;
	struct store *reader;
	struct committer *committer;
	struct switches *switches;
	struct units *units;
	struct engine *engine;
	struct ingest ingest;
	struct commits commits;
	struct agents *agents;
	struct agent *agent; /* CORE_SWITCH */

	/* What the session's side was told. */
	uint64_t processed[V2_LANES];
	unsigned int rooms[V2_LANES];
	struct v2_mark admitted;
	unsigned int admissions;
	/*
	 * Called before a result goes to the committer, on its thread when it has committed, and when that
	 * was collected; may be NULL.
	 */
	void (*before_commit)(struct core *core);
	void (*committed)(void);
	void (*after_commits)(struct core *core);
	void (*on_processed)(struct core *core, uint8_t lane, uint64_t before);
	void (*on_room)(struct core *core, uint8_t lane);
	uint32_t acks[16];
	size_t ack_count;

	uint8_t wanted_lane;
	uint64_t wanted; /* of it */
	struct loop_timer watch;
	bool (*until)(struct core *core);
	uint64_t deadline_ns;
};

void core_open(struct core *core, const struct core_options *options);
/* As a clean stop of the server: what is queued is committed, the rest forgotten. */
void core_close(struct core *core);

/* Fails after 25 s. */
void core_run_until(struct core *core, bool (*until)(struct core *core));
/* Until a lane is processed so far, and no farther. */
void core_run_to(struct core *core, uint8_t lane, uint64_t before);

/* A function is to be replaced by one with another key, as by a deployment. */
void core_rekey(struct core *core, size_t function, const char *const *key);
/* Goes on with that, as at a time. False: nothing is to be replaced any more. */
bool core_settle(struct core *core, uint64_t now_ns);

/* Opens a session of the incarnation `boot`, or says what was answered. */
enum v2_admission core_hello(struct core *core, uint64_t boot, uint64_t epoch, struct v2_mark *ret);

/* Offers `count` port events to a lane, whose `syn` counts from `syn` on. Returns as agent_offer(). */
uint64_t core_offer(struct core *core, uint8_t lane, uint8_t source, uint64_t count, uint32_t syn);

/* The state that is committed; "" if there is none. */
const char *core_state(struct core *core, const char *key, const char *name, char text[static 64]);

struct function_stats core_stats(const struct core *core);

#endif
