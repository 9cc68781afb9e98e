// SPDX-License-Identifier: BSD-2-Clause
#include "engine/spare.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Not at once: what was just started has the processor first, and often is not alone. */
#define DELAY_NS     NS_PER_SEC
#define DELAY_MAX_NS (60 * NS_PER_SEC) /* doubles up to that with each that ends unused */

/* ---- kinds ---- */

unsigned int worker_kind_memory(const struct runtime *runtime, unsigned int memory_mb)
{
	for (size_t i = 0; runtime->command[i]; i++)
		if (strstr(runtime->command[i], RUNTIME_HALF_MEMORY))
			return memory_mb;
	return 0;
}

static bool has_words(const char *const *words)
{
	return words && words[0];
}

/* Without a root of its own, the sandbox is not made before its function is known. */
static bool may_be_spare(const struct worker_kind *kind)
{
	return kind->layers & LAYER_BIT(LAYER_ROOT) && !has_words(kind->network) &&
	       !has_words(kind->environment);
}

bool worker_kind_equal(const struct worker_kind *a, const struct worker_kind *b)
{
	return a->runtime == b->runtime && a->layers == b->layers && a->memory_mb == b->memory_mb;
}

int worker_kind_start(const struct spares *spares, const struct worker_kind *kind, const char *name,
	const struct worker_user *user, struct worker **ret_worker)
{
	const struct runtime *runtime = kind->runtime;
	const char *argv[RUNTIME_WORDS_MAX + 2];
	char sized[RUNTIME_SIZED_MAX];
	size_t argc = 0;

	for (; runtime->command[argc]; argc++)
		argv[argc] = runtime_sized_word(runtime->command[argc], kind->memory_mb, sized);
	argv[argc++] = name; /* for ps(1) */
	argv[argc] = NULL;
	return worker_start(spares->pool,
		&(struct spawn_options){
			.launcher = spares->launcher,
			.name = name,
			.layers = kind->layers,
			.program = argv[0],
			.argv = argv,
			.paths = (const char *const *)runtime->paths,
			.network = kind->network,
			.environment = kind->environment,
		},
		user, ret_worker);
}

/* ---- one spare ---- */

static void spare_start_later(struct spare *spare)
{
	uint64_t delay = MIN((uint64_t)DELAY_NS << MIN(spare->failures, 10U), DELAY_MAX_NS);

	loop_arm_timer(spare->spares->pool->loop, &spare->timer, clock_monotonic_ns() + delay);
}

/* There is nothing that it should say. */
static int on_frame(void *user _unused_, const struct pipe_frame *frame _unused_)
{
	return -EPROTO;
}

static void on_ended(void *user, enum worker_end end _unused_, const char *reason)
{
	struct spare *spare = user;

	spare->worker = NULL;
	spare->failures++;
	log_limited(LOG_LEVEL_WARNING, "spare worker lost runtime=%s: %s",
		spare->kind.runtime->name, reason);
	spare_start_later(spare);
}

static const struct worker_ops spare_ops = {.frame = on_frame, .ended = on_ended};

static void on_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct spare *spare = timer->user;
	const struct worker_user user = {&spare_ops, spare};

	if (spare->worker)
		return;
	if (worker_kind_start(spare->spares, &spare->kind, "spare", &user, &spare->worker) == 0)
		return;
	spare->failures++;
	spare_start_later(spare);
}

static void spare_free(struct spare *spare)
{
	loop_disarm_timer(&spare->timer);
	if (spare->worker)
		worker_retire(spare->worker);
	free(spare);
}

/* ---- all of them ---- */

void spares_init(
	struct spares *spares, struct worker_pool *pool, const char *launcher, unsigned int max)
{
	*spares = (struct spares){
		.pool = pool,
		.launcher = launcher,
		.max = MIN(max, SPARES_MAX),
	};
}

void spares_done(struct spares *spares)
{
	while (spares->count > 0)
		spare_free(spares->items[--spares->count]);
}

static void forget(struct spares *spares, unsigned int number)
{
	spare_free(spares->items[number]);
	spares->items[number] = spares->items[--spares->count];
}

static void make_room(struct spares *spares)
{
	unsigned int oldest = 0;

	if (spares->count < spares->max)
		return;
	for (unsigned int i = 1; i < spares->count; i++)
		if (spares->items[i]->used_ns < spares->items[oldest]->used_ns)
			oldest = i;
	forget(spares, oldest);
}

/* NULL: there are to be none, or no memory. */
static struct spare *find_or_add(struct spares *spares, const struct worker_kind *kind)
{
	struct spare *spare;

	if (spares->max == 0 || !may_be_spare(kind))
		return NULL;
	for (unsigned int i = 0; i < spares->count; i++)
		if (worker_kind_equal(&spares->items[i]->kind, kind))
			return spares->items[i];
	spare = calloc(1, sizeof(*spare));
	if (!spare)
		return NULL;
	make_room(spares);
	*spare = (struct spare){.spares = spares, .kind = *kind};
	spare->kind.network = spare->kind.environment = NULL;
	spare->timer = (struct loop_timer){.fn = on_timer, .user = spare};
	spares->items[spares->count++] = spare;
	return spare;
}

void spares_expect(struct spares *spares, const struct worker_kind *kind)
{
	struct spare *spare = find_or_add(spares, kind);

	if (!spare)
		return;
	spare->used_ns = clock_monotonic_ns();
	if (!spare->worker)
		spare_start_later(spare);
}

struct worker *spares_take(struct spares *spares, const struct worker_kind *kind)
{
	struct worker *worker = NULL;

	for (unsigned int i = 0; i < spares->count && may_be_spare(kind); i++)
		if (spares->items[i]->worker && worker_kind_equal(&spares->items[i]->kind, kind)) {
			spares->items[i]->failures = 0;
			worker = TAKE_PTR(spares->items[i]->worker);
		}
	spares_expect(spares, kind);
	return worker;
}

void spares_keep(struct spares *spares,
	bool (*is_used)(const void *user, const struct worker_kind *kind), const void *user)
{
	for (unsigned int i = spares->count; i > 0; i--)
		if (!is_used(user, &spares->items[i - 1]->kind))
			forget(spares, i - 1);
}
