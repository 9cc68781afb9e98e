// SPDX-License-Identifier: BSD-2-Clause
/* The rules of scaling, with a queue and workers that are only figures, on a clock that is only a number. */
#include "base/clock.h"
#include "engine/scaler.h"
#include "tests/unit/test.h"

#define STEP_NS  (10 * NS_PER_MS)
#define START_NS (200 * NS_PER_MS) /* until a new worker is up */
#define AGES     (1U << 14)        /* steps that the oldest event may wait */

struct model {
	struct scaler scaler;
	uint64_t now_ns, next_look_ns;
	double rate, speed;      /* events a second that come, and that a worker does */
	double arrived[AGES];    /* in each step, of what waits */
	uint64_t oldest, newest; /* steps */
	double queued;
	uint64_t busy_ns;
	unsigned int partitions; /* that events are spread over */
	bool store_is_slow;      /* workers have nothing to do: what they did waits */
	unsigned int up;
	uint64_t up_at_ns; /* when those that start are up */
	unsigned int changes, most;
};

static void model_init(struct model *model, unsigned int min, unsigned int max)
{
	*model = (struct model){.now_ns = 1000 * NS_PER_SEC, .speed = 1000, .partitions = 16};
	model->up = min;
	scaler_init(
		&model->scaler, &(struct scaler_bounds){min, max, SCALER_IDLE_NS}, model->now_ns);
}

static void arrive(struct model *model)
{
	double events = model->rate * STEP_NS / NS_PER_SEC;

	assert_true(model->newest - model->oldest < AGES);
	model->arrived[model->newest++ % AGES] = events;
	model->queued += events;
}

static void work(struct model *model)
{
	double room = model->store_is_slow ? 0 : model->up * model->speed * STEP_NS / NS_PER_SEC;

	while (room > 1e-9 && model->oldest < model->newest) {
		double *first = &model->arrived[model->oldest % AGES];
		double done = MIN(*first, room);

		*first -= done;
		room -= done;
		model->queued -= done;
		model->busy_ns += (uint64_t)(done / model->speed * NS_PER_SEC);
		if (*first > 1e-9)
			break;
		model->oldest++;
	}
	if (model->queued < 1e-6)
		model->queued = 0;
}

static void look(struct model *model)
{
	const struct scaler_load load = {
		.now_ns = model->now_ns,
		.queued = (size_t)(model->queued + 0.999),
		.partitions = MIN(model->partitions, (unsigned int)(model->queued + 0.999)),
		.waited_ns = model->queued > 0 ? (model->newest - model->oldest) * STEP_NS : 0,
		.busy_ns = model->busy_ns,
		.up = model->up,
	};
	unsigned int before = model->scaler.workers, workers = scaler_look(&model->scaler, &load);

	assert_in_range(workers, model->scaler.bounds.min, model->scaler.bounds.max);
	model->changes += workers != before;
	model->most = MAX(model->most, workers);
	if (workers > before)
		model->up_at_ns = model->now_ns + START_NS;
	model->up = MIN(model->up, workers);
	model->next_look_ns = scaler_next_ns(&model->scaler, &load);
}

static void run(struct model *model, unsigned int seconds)
{
	uint64_t end = model->now_ns + seconds * NS_PER_SEC;

	for (; model->now_ns < end; model->now_ns += STEP_NS) {
		if (model->rate > 0)
			arrive(model);
		if (model->up < model->scaler.workers && model->now_ns >= model->up_at_ns)
			model->up = model->scaler.workers;
		work(model);
		/* The engine looks soon after something came to an empty queue. */
		if (model->queued > 0 &&
			(model->next_look_ns == 0 ||
				model->next_look_ns > model->now_ns + SCALER_LOOK_NS))
			model->next_look_ns =
				model->now_ns + (model->scaler.workers > 0 ? SCALER_LOOK_NS : 0);
		if (model->next_look_ns != 0 && model->next_look_ns <= model->now_ns)
			look(model);
	}
}

static void a_load_gets_the_workers_that_it_needs_and_keeps_them(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	model.rate = 3300;
	run(&model, 15);
	assert_true(model.queued < 100);
	assert_in_range(model.scaler.workers, 4, 8);
	run(&model, 60);
	assert_in_range(model.scaler.workers, 4, 6); /* 3.3 of them are busy */
	model.changes = 0;
	run(&model, 300);
	assert_int_equal(model.changes, 0);
}

static void no_steady_load_makes_it_waver(void **state _unused_)
{
	for (double rate = 20; rate < 20000; rate *= 1.03) {
		struct model model;

		model_init(&model, 0, 16);
		model.rate = rate;
		run(&model, 120);
		model.changes = 0;
		run(&model, 120);
		assert_in_range(model.changes, 0, 1);
		/* With little to spare, what waited at first takes minutes. */
		assert_true(rate > 0.95 * 16 * 1000 || model.queued < rate);
	}
}

static void what_is_not_needed_goes(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	model.rate = 9000;
	run(&model, 60);
	assert_true(model.scaler.workers >= 9);
	model.rate = 100;
	run(&model, 10);
	assert_true(model.scaler.workers >= 9); /* it may come back */
	run(&model, 60);
	assert_int_equal(model.scaler.workers, 1);
	model.rate = 0;
	run(&model, 300);
	assert_int_equal(model.scaler.workers, 1);
	assert_int_equal(model.next_look_ns, 0);
}

static void an_idle_function_has_no_worker_and_gets_one_at_once(void **state _unused_)
{
	struct model model;

	model_init(&model, 0, 4);
	run(&model, 10);
	assert_int_equal(model.changes, 0);
	model.rate = 100;
	run(&model, 1);
	assert_int_equal(model.scaler.workers, 1);
	assert_true(model.queued < 10);
	model.rate = 0;
	run(&model, 59);
	assert_int_equal(model.scaler.workers, 1);
	run(&model, 4);
	assert_int_equal(model.scaler.workers, 0);
	assert_int_equal(model.next_look_ns, 0);
}

static void load_that_comes_and_goes_does_not_make_workers_come_and_go(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	for (int i = 0; i < 30; i++) {
		model.rate = i % 2 == 0 ? 6000 : 0;
		run(&model, 7);
	}
	assert_in_range(model.changes, 1, 6);
}

static void there_are_no_more_workers_than_have_something_to_do(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	model.partitions = 3;
	model.rate = 10000;
	run(&model, 30);
	assert_int_equal(model.most, 3);
}

static void what_waits_for_the_store_gets_no_workers(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	model.store_is_slow = true;
	model.rate = 1000;
	run(&model, 30);
	assert_int_equal(model.most, 1);
}

static void a_short_burst_gets_no_workers(void **state _unused_)
{
	struct model model;

	model_init(&model, 1, 16);
	for (int i = 0; i < 60; i++) {
		model.rate = 0;
		run(&model, 1);
		model.newest++;
		model.arrived[(model.newest - 1) % AGES] = 200; /* a fifth of a second's work */
		model.queued += 200;
	}
	assert_int_equal(model.most, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_gets_the_workers_that_it_needs_and_keeps_them),
		cmocka_unit_test(no_steady_load_makes_it_waver),
		cmocka_unit_test(what_is_not_needed_goes),
		cmocka_unit_test(an_idle_function_has_no_worker_and_gets_one_at_once),
		cmocka_unit_test(load_that_comes_and_goes_does_not_make_workers_come_and_go),
		cmocka_unit_test(there_are_no_more_workers_than_have_something_to_do),
		cmocka_unit_test(what_waits_for_the_store_gets_no_workers),
		cmocka_unit_test(a_short_burst_gets_no_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
