/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_SPARE_H
#define ENGINE_SPARE_H

/*
 * Workers that are started before anything needs them: an interpreter in its sandbox that has loaded all
 * but the function. Whoever starts a worker of that kind gets the spare one, and a while later there is
 * another. One of each kind that was lately started, of the kinds used last.
 */

#include "engine/engine.h"
#include "engine/worker.h"

/* What a worker is, but for its function. */
struct worker_kind {
	const struct runtime *runtime;
	uint32_t layers;
	unsigned int memory_mb; /* that its command is told, if that has a word for it; else 0 */
	/* As in struct spawn_options. One that has some is nobody else's: there is no spare one. */
	const char *const *network, *const *environment;
};

struct spare {
	struct spares *spares;
	struct worker_kind kind;
	struct worker *worker;   /* NULL: there is none now */
	struct loop_timer timer; /* then one is started */
	uint64_t used_ns;
	unsigned int failures; /* ends without being used, in a row */
};

struct spares {
	struct worker_pool *pool;
	const char *launcher; /* borrowed */
	unsigned int max;     /* at most SPARES_MAX; 0: there are none */
	struct spare *items[SPARES_MAX];
	unsigned int count;
};

void spares_init(
	struct spares *spares, struct worker_pool *pool, const char *launcher, unsigned int max);
/* The workers are the pool's to end. */
void spares_done(struct spares *spares);

/* What its command is told of the memory, if it has a word for that; else 0. */
unsigned int worker_kind_memory(const struct runtime *runtime, unsigned int memory_mb);

/* Starts a worker of that kind; `name` is shown among processes. 0 or a negative errno. */
int worker_kind_start(const struct spares *spares, const struct worker_kind *kind, const char *name,
	const struct worker_user *user, struct worker **ret_worker) _must_check_;

/*
 * A worker that waits for its function, the caller's from now on; NULL: there is none. In any case there
 * will be one for the next, in a while, as long as that kind is among those used last.
 */
struct worker *spares_take(struct spares *spares, const struct worker_kind *kind);

/* A worker of that kind will be taken some time. */
void spares_expect(struct spares *spares, const struct worker_kind *kind);

/* Ends those of kinds of which `is_used` says false. */
void spares_keep(struct spares *spares,
	bool (*is_used)(const void *user, const struct worker_kind *kind), const void *user);

bool worker_kind_equal(const struct worker_kind *a, const struct worker_kind *b);

#endif
