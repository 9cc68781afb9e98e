/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_ENGINE_WORLD_H
#define TESTS_UNIT_ENGINE_WORLD_H

/*
 * A world around the real engine, with real workers in a real loop: of the runtime that the variable
 * TESTED_RUNTIME names, "nodejs" if it is not set. Only the store is replaced,
 * by arrays, through engine_ops; commits come back a little later, as they would.
 */

#include "engine/engine.h"
#include "tests/unit/test.h"

#define ROWS_MAX   4096
#define EVENTS_MAX 65536
#define TEST_NS    (120 * NS_PER_SEC)

enum order {
	ORDER_NONE,
	ORDER_EXIT,
	ORDER_THROW,
	ORDER_HANG,
	ORDER_LOOP,
	ORDER_GARBAGE,
	ORDER_THROW_LATE,
	ORDER_MEMORY
};

struct row {
	char key[32], name[32], value[256];
	bool used;
};

struct world {
	struct loop *loop;
	struct engine *engine;
	struct function *function;
	struct row rows[ROWS_MAX];
	struct result *result; /* under commit */
	struct loop_timer commit_timer, watch_timer;
	bool (*until)(struct world *world);
	bool timed_out;
	uint64_t commit_ns; /* how long a commit takes */
	int commit_errors;  /* so many commits are refused */
	unsigned int commits, refusals, loads;

	bool droppable;                /* the events pushed from now on */
	uint32_t epoch;                /* of the events pushed; 0: version 1 */
	uint32_t finished[EVENTS_MAX]; /* sequence of each, in order of commit */
	size_t finished_count;
	uint64_t done_to[PARTITIONS]; /* of each partition, what was finished last */
	struct {
		uint32_t sequence;
		unsigned int attempts;
		char reason[128], data[1024];
	} letters[64];
	size_t letter_count;
	struct {
		char id[48], title[64], severity[16], srcip[64], dstip[64], data[128];
		int srcport, dstport, protocol;
	} alerts[64];
	size_t alert_count;
	struct {
		char text[256], reason[128]; /* "(none)" */
	} replies[256];                      /* to events, in order of commit */
	size_t printed; /* bytes that functions printed, without ends of lines */
	size_t largest;
	size_t want; /* events, for `until` */
};

const char *value_of(struct world *world, const char *key, const char *name);
/* As if it had expired. */
void forget_value(struct world *world, const char *key, const char *name);
const char *tested_runtime(void);
/* What is the engine's alone is tried with the runtime that starts soonest. */
void skip_unless_native(void);
bool is_node(void);
struct function_options options(const char *handler);
void world_init(struct world *world);
/* With so many spare workers, at most. */
void world_init_spares(struct world *world, unsigned int spares);
/* On a system that has no more than `level` says to isolate functions. */
void world_init_with(struct world *world, const struct isolation_level *level);
void world_add(struct world *world, const struct function_options *function_options);
void world_done(struct world *world);
void run_until(struct world *world, bool (*until)(struct world *world));
bool all_finished(struct world *world);
bool is_ready(struct world *world);
/* From 10.0.0.`source`. Returns whether it was taken. */
bool push_from(
	struct world *world, uint8_t source, uint32_t sequence, uint32_t syn, enum order order);
bool push(struct world *world, uint32_t sequence, uint32_t syn, enum order order);
void push_many(struct world *world, uint32_t from, uint32_t count);
void push_order(struct world *world, uint32_t sequence, enum order order);
void assert_in_order(const struct world *world);

#endif
