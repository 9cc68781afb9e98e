// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exactly-once as an equality. An agent of version 2 that is made here sends events of many sources in two
 * lanes, with ranges that it shed. The server's core, in a process of its own, is killed at random: at
 * points of a result's way (before its commit, after it, when the sender is about to be told), or at any
 * time from outside; so are its workers, whose number changes meanwhile. Now and then the store refuses
 * commits for a while, and the agent is started again. One function's key changes, while the server runs, which may end at
 * any point of that, and while it does not. What is not processed then is sent again from where the server says. In the end:
 *
 * - each source's count is the number of its events, with both functions, and they came in order. Of an incarnation whose
 *   agent was started again while the server was down, those count that the marks said were done;
 * - each shed range is declared once;
 * - the server never took back what it had told.
 *
 *   test_server_exactly_once [--seconds N] [--seed N]
 */
#include "base/clock.h"
#include "base/log.h"
#include "event/key.h"
#include "event/render.h"
#include "store/streams.h"
#include "tests/unit/seed.h"
#include "tests/unit/server/core.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOURCES         24 /* of each lane */
#define EVENTS_A_KILL   100
#define EVENTS_A_CHANGE 600 /* of a key */
#define DSTPORTS        30
#define LANE_EVENTS     6000 /* of an incarnation; sequences */
#define SHED_EVERY      97   /* sequences; the first SHED of them hold no events */
#define SHED            4
#define EPOCHS_MAX      64
#define RUN             50
#define LIFE_MS         900 /* of the server, at most */

static const uint8_t lanes[] = {V2_LANE_PORT, V2_LANE_LAST};
#define LANES ARRAY_SIZE(lanes)

/* What outlives the server: the agent's memory, and the plan of the server's end. */
struct shared {
	uint64_t boot, epoch;
	uint64_t told[V2_LANES];
	unsigned int seed;
	int point;          /* where it ends; POINT_NONE: it is killed from outside */
	unsigned int count; /* how often it comes by there before */
	size_t key;         /* of the function whose key changes, in `keys` */
	uint64_t refused;   /* commits */
	uint64_t replaced;  /* functions */
	bool failed;
};

enum {
	POINT_NONE,
	POINT_BEFORE_COMMIT,
	POINT_AFTER_COMMIT,
	POINT_COLLECTED,
	POINT_TOLD,
	POINT_RETIRED,  /* a function shall have another key */
	POINT_REPLACED, /* and has it */
	POINTS
};

/* The first function has the first one always. */
static const char *const keys[][3] = {{"srcip"}, {"dstport"}, {"srcip", "dstport"}, {NULL}};
#define KEYS    ARRAY_SIZE(keys)
#define REKEYED 1 /* the function whose key changes */

static struct shared *shared;
static char dir[64], path[96];

static _Noreturn void fail_now(const char *what)
{
	fprintf(stderr, "exactly_once: %s\n", what);
	shared->failed = true;
	_exit(1);
}

/* ---- the agent's events ---- */

static bool is_shed(uint64_t sequence)
{
	return sequence % SHED_EVERY < SHED;
}

/* Any spread will do, but it must be the same again. */
static uint64_t spread(uint8_t lane, uint64_t epoch, uint64_t sequence)
{
	return (sequence + epoch * 1000003 + lane) * 0x9e3779b97f4a7c15ULL;
}

static uint8_t source_of(uint8_t lane, uint64_t epoch, uint64_t sequence)
{
	return (uint8_t)(lane * 64 + (spread(lane, epoch, sequence) >> 40) % SOURCES);
}

static uint16_t port_of(uint8_t lane, uint64_t epoch, uint64_t sequence)
{
	return (uint16_t)(1 + (spread(lane, epoch, sequence) >> 20) % DSTPORTS);
}

static void fill(struct port_event *record, uint8_t lane, uint64_t epoch, uint64_t sequence)
{
	*record = (struct port_event){.dstport = port_of(lane, epoch, sequence),
		.syn = (uint32_t)(epoch * LANE_EVENTS + sequence + 1)};
	if (ip_parse("10.0.0.0", &record->srcip) < 0)
		fail_now("no address");
	record->srcip.bytes[15] = source_of(lane, epoch, sequence);
}

/* Offers what comes next. False: the lane has to wait, or is through. */
static bool offer_some(struct core *core, uint8_t lane)
{
	static struct port_event records[RUN];
	uint64_t next = agent_next(core->agent, lane);
	struct agent_run run = {EVENT_PORT, next, 0, records, sizeof(records[0]), NS_PER_SEC};

	if (next >= LANE_EVENTS)
		return false;
	if (is_shed(next)) {
		const struct agent_range range = {
			next, SHED - next % SHED_EVERY, v2_cause_name(V2_CAUSE_SPOOL_FULL)};

		return agent_lost(core->agent, lane, &range);
	}
	for (; run.count < RUN && next + run.count < LANE_EVENTS && !is_shed(next + run.count);
		run.count++)
		fill(&records[run.count], lane, shared->epoch, next + run.count);
	return agent_offer(core->agent, lane, &run) == run.count;
}

/* ---- the server's life ---- */

static void pass(int point)
{
	if (shared->point == point && shared->count-- == 0)
		raise(SIGKILL);
}

static void before_commit(struct core *core _unused_)
{
	pass(POINT_BEFORE_COMMIT);
}

/* On the committing thread: the loop does not know it yet. */
static void committed(void)
{
	pass(POINT_AFTER_COMMIT);
}

static void after_commits(struct core *core)
{
	static uint64_t known;

	shared->refused += core->commits.known - known;
	known = core->commits.known;
	pass(POINT_COLLECTED);
}

static void on_processed(struct core *core _unused_, uint8_t lane, uint64_t before)
{
	if (before > LANE_EVENTS)
		fail_now("more was processed than there is");
	pass(POINT_TOLD);
	shared->told[lane] = before;
}

static void on_room(struct core *core, uint8_t lane)
{
	while (offer_some(core, lane))
		;
}

static bool is_through(const struct core *core)
{
	for (size_t i = 0; i < LANES; i++)
		if (core->processed[lanes[i]] < LANE_EVENTS)
			return false;
	return true;
}

/* Now and then files must not grow for a while: the store refuses commits. */
static void starve(void)
{
	static unsigned int left;
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		fail_now("getrlimit");
	if (left > 0 && --left == 0)
		limit.rlim_cur = limit.rlim_max;
	else if (left == 0 && rand_r(&shared->seed) % 100 == 0) {
		left = 1 + (unsigned int)rand_r(&shared->seed) % 40;
		limit.rlim_cur = 4096;
	} else {
		return;
	}
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		fail_now("setrlimit");
}

/* So that work goes on: what makes workers start again happens a few times at once, and then once for so many events. */
struct budget {
	uint64_t each; /* events */
	uint64_t spent, begun_at;
};

/*
 * Whether a worker may be killed, say, and then it is. On a slow machine that would else happen faster than they start.
 */
static bool budget_spend(struct budget *budget, const struct core *core)
{
	uint64_t done = 0;

	for (size_t i = 0; i < LANES; i++)
		done += core->processed[lanes[i]];
	if (budget->spent == 0)
		budget->begun_at = done;
	if (budget->spent >= 3 + (done - budget->begun_at) / budget->each)
		return false;
	budget->spent++;
	return true;
}

/* Now and then a function gets another key, and a bit later or earlier it has it. */
static void change_key(struct core *core)
{
	static struct budget changes = {.each = EVENTS_A_CHANGE};
	const bool hurry = rand_r(&shared->seed) % 10 == 0;
	const struct function *before = core->units->units[REKEYED].function;

	if (rand_r(&shared->seed) % 100 == 0 && budget_spend(&changes, core)) {
		shared->key = (unsigned int)rand_r(&shared->seed) % KEYS;
		core_rekey(core, REKEYED, keys[shared->key]);
		pass(POINT_RETIRED);
	}
	core_settle(core, clock_monotonic_ns() + (hurry ? 60 * NS_PER_SEC : 0));
	if (core->units->units[REKEYED].function == before)
		return;
	shared->replaced++;
	pass(POINT_REPLACED);
}

/* Each millisecond: goes on offering, and disturbs workers and store. */
static bool live(struct core *core)
{
	static struct budget kills = {.each = EVENTS_A_KILL};
	struct function *function;
	int pid;

	change_key(core);
	function = core->units->units[(unsigned int)rand_r(&shared->seed) % 2].function;
	pid = function_worker_pid(function, (unsigned int)rand_r(&shared->seed) % 4);
	for (size_t i = 0; i < LANES; i++)
		if (rand_r(&shared->seed) % 3 == 0)
			offer_some(core, lanes[i]);
	if (pid > 0 && rand_r(&shared->seed) % 200 == 0 && budget_spend(&kills, core))
		kill(pid, SIGKILL);
	if (rand_r(&shared->seed) % 100 == 0)
		function_set_workers(function, 1 + (unsigned int)rand_r(&shared->seed) % 4);
	starve();
	return is_through(core);
}

static void resume(struct core *core)
{
	struct v2_mark mark;

	switch (core_hello(core, shared->boot, shared->epoch, &mark)) {
	case V2_ADMIT_NEW:
		if (shared->epoch != 0)
			fail_now("an incarnation was forgotten");
		shared->epoch = mark.epoch;
		break;
	case V2_ADMIT_RESUME:
		/* It may have been admitted just before the end. */
		if (shared->epoch != 0 && shared->epoch != mark.epoch)
			fail_now("the epoch is another one");
		shared->epoch = mark.epoch;
		break;
	default:
		fail_now("refused");
	}
	for (size_t i = 0; i < LANES; i++)
		if (mark.before[lanes[i]] < shared->told[lanes[i]])
			fail_now("what was told is taken back");
}

/* Exits with 0 when all is processed. */
static _Noreturn void server(void)
{
	const struct core_options options = {.path = path,
		.handler = "sum.rising",
		.functions = CORE_FUNCTIONS,
		.keys = {[REKEYED] = keys[shared->key]},
		.queue_max = 300,
		.workers = 1 + (unsigned int)rand_r(&shared->seed) % 4,
		.state_keys = 16U << (unsigned int)rand_r(&shared->seed) % 4,
		.window = 1024};
	static struct core core;

	core_open(&core, &options);
	core.before_commit = before_commit;
	core.after_commits = after_commits;
	core.on_processed = on_processed;
	core.on_room = on_room;
	core.committed = committed;
	resume(&core);
	core_run_until(&core, live);
	core_close(&core);
	_exit(0);
}

/* ---- the world around it ---- */

/* A worker that was just being started when the server was killed has the lock for a moment more. */
static void await_lock(void)
{
	char lock[112];
	int fd;

	snprintf(lock, sizeof(lock), "%s-lock", path);
	fd = open(lock, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* there was no server yet */
	if (flock(fd, LOCK_EX) < 0)
		fail_now("flock");
	close(fd);
}

/* Lets a server live and end. True: it was through. */
static bool run_server(void)
{
	pid_t pid;
	int status;

	shared->seed = (unsigned int)rand();
	shared->point = rand() % POINTS;
	shared->count = (unsigned int)rand() % (shared->point >= POINT_RETIRED ? 3 : 30);
	if (rand() % 2 == 0)
		shared->key = (unsigned int)rand() % KEYS;
	pid = fork();
	if (pid == 0)
		server();
	if (shared->point == POINT_NONE) {
		usleep((useconds_t)(rand() % (LIFE_MS * 1000)));
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) < 0 || shared->failed)
		return false;
	await_lock();
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		shared->failed = true;
	return WIFEXITED(status);
}

/* What the store says of the incarnation that ends now. */
struct end {
	uint64_t before;                      /* below, all are done */
	uint64_t positions[KEYS][PARTITIONS]; /* below, a partition's are, by any key */
	uint64_t shed;                        /* below, shed ranges are declared */
};

static struct end ends[V2_LANES][EPOCHS_MAX][CORE_FUNCTIONS];

static int note_agent(void *user _unused_, const struct agent_row *agent)
{
	for (size_t i = 0; i < LANES * CORE_FUNCTIONS; i++) {
		uint8_t lane = lanes[i / CORE_FUNCTIONS];
		struct end *end = &ends[lane][agent->epoch][i % CORE_FUNCTIONS];

		end->shed = MAX(agent->before[lane], agent->declared[lane]);
		end->before = agent->before[lane];
	}
	return 0;
}

static size_t number_of(const char *function)
{
	return strcmp(function, core_functions[1]) == 0;
}

static size_t key_number(const char *names)
{
	static const char *const texts[KEYS] = {"srcip", "dstport", "srcip,dstport", ""};

	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(texts[i], names) == 0)
			return i;
	fail_now("a mark is by a key that no function had");
}

static int note_mark(void *user _unused_, const char *function, const struct mark *mark)
{
	struct end *end = &ends[mark->stream & 3][mark->incarnation[0]][number_of(function)];

	memcpy(end->positions[key_number(mark->key)], mark->positions, sizeof(mark->positions));
	return 0;
}

static void note_end(void)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_free_ char *error = NULL;

	/* Writing, so that what is only in the -wal file is seen. */
	if (store_open(path, 0, &store, &error) < 0 ||
		streams_each_agent(store, note_agent, NULL) != 0 ||
		store_each_mark(store, NULL, note_mark, NULL) != 0)
		fail_now(error ? error : "cannot read the marks");
}

static void start_agent(void)
{
	if (shared->boot != 0)
		note_end();
	shared->boot = 1 + (uint64_t)rand();
	shared->epoch = 0;
	memset(shared->told, 0, sizeof(shared->told));
}

/* ---- judging ---- */

struct ledger {
	uint64_t shed[V2_LANES][EPOCHS_MAX]; /* declared */
	uint64_t counts[256], wanted[256];   /* of one function */
	unsigned int odd;
};

static int take_loss(void *user, uint64_t row _unused_, const struct loss *loss)
{
	struct ledger *ledger = user;
	uint8_t lane = loss->stream & 3;

	if (loss->epoch >= EPOCHS_MAX)
		return -E2BIG;
	if (strcmp(loss->cause, "restart") != 0)
		ledger->shed[lane][loss->epoch] += loss->count;
	return 0;
}

static int take_state(void *user, const struct state_row *row)
{
	struct ledger *ledger = user;

	if (strncmp(row->name, "10.0.0.", strlen("10.0.0.")) == 0)
		ledger->counts[atoi(row->name + strlen("10.0.0."))] +=
			strtoull(row->value, NULL, 10);
	ledger->odd += strcmp(row->name, "odd") == 0;
	return 0;
}

/* The partition, of an event's key as text. */
static unsigned int partition_by(size_t key, uint8_t source, uint16_t port)
{
	char texts[KEYS][32] = {{""}};

	snprintf(texts[0], sizeof(texts[0]), "10.0.0.%u", source);
	snprintf(texts[1], sizeof(texts[1]), "%u", port);
	snprintf(texts[2], sizeof(texts[2]), "10.0.0.%u|%u", source, port);
	return key_partition(key_hash_text(texts[key]));
}

static bool is_done(const struct end *end, uint8_t source, uint16_t port, uint64_t sequence)
{
	for (size_t key = 0; key < KEYS; key++)
		if (sequence < end->positions[key][partition_by(key, source, port)])
			return true;
	return sequence < end->before;
}

static bool judge_lane(struct ledger *ledger, size_t function, uint8_t lane, uint64_t epoch)
{
	const struct end *end = &ends[lane][epoch][function];
	bool all = epoch == shared->epoch;
	uint64_t shed = 0;

	for (uint64_t sequence = 0; sequence < LANE_EVENTS; sequence++) {
		uint8_t source = source_of(lane, epoch, sequence);

		if (is_shed(sequence))
			shed += all || sequence < end->shed;
		else if (all || is_done(end, source, port_of(lane, epoch, sequence), sequence))
			ledger->wanted[source]++;
	}
	if (ledger->shed[lane][epoch] == shed)
		return true;
	fprintf(stderr, "lane %u of epoch %llu: %llu shed, %llu declared\n", lane,
		(unsigned long long)epoch, (unsigned long long)shed,
		(unsigned long long)ledger->shed[lane][epoch]);
	return false;
}

static bool judge_function(struct store *store, size_t function)
{
	static struct ledger ledger;
	bool good = true;

	ledger = (struct ledger){0};
	if (streams_each_loss(store, 0, 1U << 20, take_loss, &ledger) != 0 ||
		store_each_state(store, core_functions[function], take_state, &ledger) != 0)
		return false;
	for (uint64_t epoch = 1; epoch <= shared->epoch; epoch++)
		for (size_t i = 0; i < LANES; i++)
			good &= judge_lane(&ledger, function, lanes[i], epoch);
	for (size_t i = 0; i < ARRAY_SIZE(ledger.counts); i++) {
		if (ledger.counts[i] == ledger.wanted[i])
			continue;
		fprintf(stderr, "%s 10.0.0.%zu: %llu events, counted %llu\n",
			core_functions[function], i, (unsigned long long)ledger.wanted[i],
			(unsigned long long)ledger.counts[i]);
		good = false;
	}
	if (ledger.odd > 0)
		fprintf(stderr, "%u sources' events came out of order\n", ledger.odd);
	return good && ledger.odd == 0;
}

static bool judge(void)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	bool good = true;

	if (store_open(path, STORE_READ_ONLY, &store, &error) < 0) {
		fprintf(stderr, "%s\n", error);
		return false;
	}
	for (size_t i = 0; i < CORE_FUNCTIONS; i++)
		good &= judge_function(store, i);
	return good;
}

static int remove_entry(const char *entry, const struct stat *st _unused_, int type _unused_,
	struct FTW *ftw _unused_)
{
	return remove(entry);
}

static int run(double seconds)
{
	uint64_t until = clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
	unsigned int lives = 0, agents = 1;
	bool through = false;

	start_agent();
	while (!shared->failed && !(through && clock_monotonic_ns() > until)) {
		bool restart = through || rand() % 12 == 0;

		if (restart && clock_monotonic_ns() < until && agents < EPOCHS_MAX - 2) {
			start_agent();
			agents++;
		}
		through = run_server();
		lives++;
	}
	if (shared->failed || !judge())
		return EXIT_FAILURE;
	printf("%u lives of the server, %u of the agent; %llu functions were replaced, %llu "
	       "commits refused\n",
		lives, agents, (unsigned long long)shared->replaced,
		(unsigned long long)shared->refused);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'}, {0}};
	unsigned int seed = seed_take();
	double seconds = 10;
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'r')
			seed = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("--seed %u\n", seed);
	srand(seed);
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	signal(SIGXFSZ, SIG_IGN);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(dir, "/tmp/netlambda-once.XXXXXX");
	if (shared == MAP_FAILED || !mkdtemp(dir))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/store.db", dir);
	status = run(seconds);
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return status;
}
