// SPDX-License-Identifier: BSD-2-Clause
#include "bench/function_rig.h"

#include "base/clock.h"
#include "base/loop.h"
#include "bench/report.h"
#include "engine/engine.h"
#include "store/committer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOURCES    1000
#define RUN        64    /* events that come together, as in a datagram */
#define QUEUE_MAX  65536 /* the default of a function's manifest */
#define SAMPLES    (1U << 20)
#define STALL_NS   (20 * NS_PER_SEC)
#define EVENT_TIME 1763884800000000000ULL
#define PERIOD_NS  (200 * NS_PER_MS) /* of a port event */

#define SPARE_LOOK_NS (200 * NS_PER_MS)

struct rig {
	struct loop *loop;
	struct engine *engine;
	struct function *function;
	struct committer *committer;
	struct loop_timer push_timer, stall_timer, spare_timer;
	uint64_t spare_cpu_ns;
	struct commit_request request; /* the engine hands over one at a time */
	struct result *result;
	char dir[64];
	char path[96];

	uint64_t started_ns, first_result_ns;
	uint64_t pushed, finished, want; /* of all loads */
	uint64_t seen;                   /* `finished` when the stall timer last looked */
	uint32_t random;
	int error;

	/* The load that runs. */
	uint64_t load_start_ns, load_first; /* `pushed` at its start */
	double rate;
	double *samples;
	unsigned int sample_count;
	struct latency called; /* as the function says */
	uint64_t end_ns;
};

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Of all workers. */
static uint64_t worker_cpu_ns(const struct rig *rig)
{
	uint64_t sum = 0;
	clockid_t clock;
	int pid;

	for (unsigned int i = 0; (pid = function_worker_pid(rig->function, i)) != 0; i++)
		if (clock_getcpuclockid(pid, &clock) == 0)
			sum += cpu_ns(clock);
	return sum;
}

/* Pages that no other process shares: what one more worker costs. */
static double worker_mb(const struct rig *rig)
{
	double kb = 0, more;
	char path[64], line[128];
	FILE *file;

	snprintf(
		path, sizeof(path), "/proc/%d/smaps_rollup", function_worker_pid(rig->function, 0));
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Clean: %lf", &more) == 1 ||
			sscanf(line, "Private_Dirty: %lf", &more) == 1)
			kb += more;
	fclose(file);
	return kb / 1024;
}

/* ---- events ---- */

/* Numerical Recipes' generator; the upper bits are good enough to choose a source. */
static uint32_t next_random(struct rig *rig)
{
	rig->random = rig->random * 1664525U + 1013904223U;
	return rig->random >> 8;
}

/* When event `i` of the load is due; as fast as it goes: when it is taken. */
static uint64_t due_ns(const struct rig *rig, uint64_t i)
{
	return rig->load_start_ns + (uint64_t)((double)i * 1e9 / rig->rate);
}

static struct port_event make_record(struct rig *rig, uint64_t number, uint64_t due)
{
	uint32_t source = next_random(rig) % SOURCES;
	struct port_event record = {
		.dstip = {{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}},
		.dstport = 80,
		.protocol = 6,
		.first = EVENT_TIME + due - PERIOD_NS,
		.last = EVENT_TIME + due,
		.syn = 1,
		.udp = (uint32_t)(due / NS_PER_US),
		.rst = number + 1 == rig->want, /* the last one: the function sums up */
	};

	record.srcip.bytes[10] = record.srcip.bytes[11] = 0xff;
	record.srcip.bytes[12] = 10;
	memcpy(record.srcip.bytes + 13, &source, 3);
	return record;
}

/* Some of those that are due. False: there is no more, or no room. */
static bool push_run(struct rig *rig, uint64_t now)
{
	struct port_event records[RUN];
	struct event_run run = {
		.event_id = EVENT_PORT,
		.switch_id = 1,
		.time_ns = EVENT_TIME + now,
		.records = records,
		.stride = sizeof(records[0]),
	};
	uint32_t random = rig->random;
	size_t taken;

	while (run.count < RUN && rig->pushed + run.count < rig->want) {
		uint64_t due = rig->rate > 0
				       ? due_ns(rig, rig->pushed - rig->load_first + run.count)
				       : now;

		if (due > now)
			break;
		/* A run has one time: that of the first, which waited for longest. */
		if (run.count == 0)
			run.time_ns = EVENT_TIME + due;
		records[run.count] = make_record(rig, rig->pushed + run.count, due);
		run.count++;
	}
	taken = run.count > 0 ? function_push(rig->function, &run) : 0;
	rig->pushed += taken;
	if (taken == run.count)
		return run.count == RUN;
	/* The rest is made again. */
	rig->random = random;
	for (size_t i = 0; i < taken; i++)
		next_random(rig);
	return false;
}

static void on_push(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct rig *rig = timer->user;
	uint64_t now = clock_monotonic_ns();

	while (push_run(rig, now))
		;
	if (rig->pushed < rig->want)
		loop_arm_timer(rig->loop, timer, now + NS_PER_MS);
}

/* ---- what the server does with outcomes ---- */

static void commit(void *user, struct result *result)
{
	struct rig *rig = user;

	if (rig->first_result_ns == 0)
		rig->first_result_ns = clock_monotonic_ns();
	rig->result = result;
	rig->request = (struct commit_request){.outcome = result->outcome};
	committer_submit(rig->committer, &rig->request);
}

static void sample(struct rig *rig, const struct result *result)
{
	uint64_t now = clock_monotonic_ns();
	struct result_iterator iterator;
	struct finished_event event;

	result_iterate(result, &iterator);
	while (rig->rate > 0 && result_next(&iterator, &event))
		if (rig->sample_count < SAMPLES)
			rig->samples[rig->sample_count++] =
				(double)(now - (event.time_ns - EVENT_TIME)) / 1e3;
}

static void take_report(struct rig *rig, const struct outcome *outcome)
{
	struct latency *called = &rig->called;

	for (size_t i = 0; i < outcome->alert_count; i++)
		if (sscanf(outcome->alerts[i].data, "{\"p50\":%lf,\"p99\":%lf,\"p999\":%lf}",
			    &called->p50_us, &called->p99_us, &called->p999_us) != 3)
			rig->error = -EBADMSG;
}

static void on_committed(void *user)
{
	struct rig *rig = user;
	struct commit_request *request = committer_collect(rig->committer);
	struct result *result = TAKE_PTR(rig->result);

	if (!request) {
		rig->result = result;
		return;
	}
	rig->error = request->error;
	if (result->outcome.dead_letter_count > 0)
		rig->error = -EBADMSG;
	sample(rig, result);
	take_report(rig, &result->outcome);
	rig->finished += result->event_count;
	engine_committed(result, request->error);
	if (rig->finished == rig->want || rig->error < 0) {
		rig->end_ns = clock_monotonic_ns();
		loop_stop(rig->loop);
	} else if (rig->rate <= 0) {
		on_push(&rig->push_timer, 0);
	}
}

static void on_commit_thread_done(void *user)
{
	struct rig *rig = user;

	loop_wake(rig->loop);
}

static int load_state(void *user _unused_, const struct state_range *range _unused_,
	state_row_fn row _unused_, void *arg _unused_)
{
	return 0;
}

static void on_stall(struct loop_timer *timer, uint64_t now_ns)
{
	struct rig *rig = timer->user;

	if (rig->finished == rig->seen) {
		rig->error = -ETIMEDOUT;
		loop_stop(rig->loop);
	}
	rig->seen = rig->finished;
	loop_arm_timer(rig->loop, timer, now_ns + STALL_NS);
}

/* ---- loads ---- */

static int run_events(struct rig *rig, uint64_t events, double rate)
{
	int r;

	rig->rate = rate;
	rig->sample_count = 0;
	rig->load_first = rig->pushed;
	rig->want += events;
	rig->load_start_ns = clock_monotonic_ns();
	loop_arm_timer(rig->loop, &rig->stall_timer, rig->load_start_ns + STALL_NS);
	on_push(&rig->push_timer, 0);
	r = loop_run(rig->loop);
	return r < 0 ? r : rig->error;
}

int rig_load(struct rig *rig, uint64_t events, double rate, struct load *ret_load)
{
	uint64_t worker = worker_cpu_ns(rig), server = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t engine = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	struct committer_stats before, after;
	int r;

	committer_get_stats(rig->committer, &before);
	r = run_events(rig, events, rate);
	if (r < 0) {
		fprintf(stderr, "function: the load ended with %llu of %llu events: %s\n",
			(unsigned long long)rig->finished, (unsigned long long)rig->want,
			strerror(-r));
		return r;
	}
	committer_get_stats(rig->committer, &after);
	*ret_load = (struct load){
		.events = events,
		.seconds = (double)(rig->end_ns - rig->load_start_ns) / 1e9,
		.worker_cpu_ns = (double)(worker_cpu_ns(rig) - worker) / (double)events,
		.server_cpu_ns =
			(double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - server) / (double)events,
		.engine_cpu_ns =
			(double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - engine) / (double)events,
		.called = rig->called,
		.commits = after.commits - before.commits,
		.commit_ms = (double)(after.busy_ns - before.busy_ns) / 1e6 /
			     (double)MAX(after.commits - before.commits, 1U),
		.worker_mb = worker_mb(rig),
	};
	if (rig->sample_count > 0)
		ret_load->committed = (struct latency){
			report_percentile(rig->samples, rig->sample_count, 0.5),
			report_percentile(rig->samples, rig->sample_count, 0.99),
			report_percentile(rig->samples, rig->sample_count, 0.999),
		};
	return 0;
}

static int add_row(void *user, const struct state_row *row)
{
	*(uint64_t *)user += strtoull(row->value, NULL, 10);
	return 0;
}

int rig_sum(struct rig *rig, uint64_t *ret_sum)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	uint64_t sum = 0;
	int r;

	r = store_open(rig->path, STORE_READ_ONLY, &store, &error);
	if (r == 0)
		r = store_each_state(store, "bench", add_row, &sum);
	if (r < 0)
		fprintf(stderr, "function: %s\n", error ? error : strerror(-r));
	else
		*ret_sum = sum;
	return r;
}

/* ---- making it ---- */

static int open_store(struct rig *rig)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	snprintf(rig->dir, sizeof(rig->dir), "/var/tmp/netlambda-bench.XXXXXX");
	if (!mkdtemp(rig->dir)) {
		rig->dir[0] = '\0';
		return -errno;
	}
	snprintf(rig->path, sizeof(rig->path), "%s/store.db", rig->dir);
	r = store_open(rig->path, 0, &store, &error);
	if (r < 0) {
		fprintf(stderr, "function: %s\n", error ? error : strerror(-r));
		return r;
	}
	r = committer_new(store, on_commit_thread_done, rig, &rig->committer);
	if (r == 0)
		store = NULL; /* the committer's now */
	return r;
}

static int start_function(struct rig *rig, const struct rig_options *options)
{
	static const struct engine_ops ops = {.commit = commit, .load_state = load_state};
	static const char *const key[] = {"srcip", NULL};
	const struct engine_options engine_options = {
		.runtime_dir = BENCH_RUNTIME,
		.spares = options->spare,
	};
	const struct function_options function_options = {
		.name = "bench",
		.runtime = options->runtime,
		.handler = options->handler,
		.dir = strcmp(options->runtime, "native") == 0 ? BENCH_NATIVE : BENCH_FUNCTIONS,
		.key = key,
		.timeout_ns = 10 * NS_PER_SEC,
		.attempts = 3,
		.batch_max = options->batch_max,
		.queue_max = QUEUE_MAX,
		.state_keys = 100000, /* as a function has it that does not say */
		.min = options->spare ? 0 : options->workers,
		.max = options->workers,
		.isolation = options->isolation,
		.config = options->config,
		.network = options->network,
	};
	_cleanup_free_ char *error = NULL;
	int r;

	r = engine_new(rig->loop, &engine_options, &ops, rig, &rig->engine);
	rig->started_ns = clock_monotonic_ns();
	if (r == 0)
		r = engine_add(rig->engine, &function_options, &rig->function, &error);
	if (r < 0 && error)
		fprintf(stderr, "function: %s\n", error);
	return r;
}

/* Until it is up and does nothing any more. */
static void on_spare(struct loop_timer *timer, uint64_t now_ns)
{
	struct rig *rig = timer->user;
	int pid = engine_spare_pid(rig->engine, 0);
	uint64_t before = rig->spare_cpu_ns;
	clockid_t clock;

	if (pid > 0 && clock_getcpuclockid(pid, &clock) == 0)
		rig->spare_cpu_ns = cpu_ns(clock);
	if (rig->spare_cpu_ns > 0 && rig->spare_cpu_ns == before)
		loop_stop(rig->loop);
	else
		loop_arm_timer(rig->loop, timer, now_ns + SPARE_LOOK_NS);
}

static int await_spare(struct rig *rig)
{
	int r;

	rig->spare_timer = (struct loop_timer){.fn = on_spare, .user = rig};
	loop_arm_timer(rig->loop, &rig->spare_timer, clock_monotonic_ns());
	r = loop_run(rig->loop);
	rig->started_ns = clock_monotonic_ns();
	return r;
}

int rig_new(const struct rig_options *options, struct rig **ret_rig, uint64_t *ret_start_ns)
{
	_cleanup_(rig_freep) struct rig *rig = calloc(1, sizeof(*rig));
	int r;

	if (!rig)
		return -ENOMEM;
	rig->push_timer = (struct loop_timer){.fn = on_push, .user = rig};
	rig->stall_timer = (struct loop_timer){.fn = on_stall, .user = rig};
	rig->samples = calloc(SAMPLES, sizeof(rig->samples[0]));
	if (!rig->samples)
		return -ENOMEM;
	r = loop_new(&rig->loop);
	if (r == 0) {
		loop_on_wake(rig->loop, on_committed, rig);
		r = open_store(rig);
	}
	if (r == 0)
		r = start_function(rig, options);
	if (r == 0 && options->spare)
		r = await_spare(rig);
	if (r == 0)
		r = run_events(rig, 1, 0);
	if (r < 0) {
		fprintf(stderr, "function: %s does not start: %s\n", options->handler,
			strerror(-r));
		return r;
	}
	*ret_start_ns = rig->first_result_ns - rig->started_ns;
	*ret_rig = TAKE_PTR(rig);
	return 0;
}

static void remove_store(const struct rig *rig)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", rig->path, suffixes[i]);
		unlink(path);
	}
	rmdir(rig->dir);
}

void rig_free(struct rig *rig)
{
	if (!rig)
		return;
	if (rig->committer)
		committer_stop(rig->committer);
	engine_free(rig->engine);
	committer_free(rig->committer);
	if (rig->dir[0])
		remove_store(rig);
	loop_free(rig->loop);
	free(rig->samples);
	free(rig);
}
