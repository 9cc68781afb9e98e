// SPDX-License-Identifier: BSD-2-Clause
/*
 * Version 2 end to end: agents' uplinks, each a process, send as fast as they may over the loopback
 * interface to a real netlambda-server, sealed, with certificates that are made here. No function takes
 * the events, so what is measured is the link: agent, receive workers, control thread.
 *
 * Agents, workers and control thread have to share the processors that there are, so the rate alone says
 * little of how receiving grows with workers. How busy the busiest worker is at that rate says more: it
 * would be full at the rate divided by that, and agents beyond wait for another worker.
 */
#include "agent/uplink_v2.h"
#include "base/clock.h"
#include "base/fd.h"
#include "bench/report.h"
#include "event/schema.h"
#include "netlambda/event.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENTS_MAX  4
#define WORKERS_MAX 2
#define RUNS_MAX    101
#define SECONDS_MAX 60
#define PORT        15005
#define FILL_NS     (500 * NS_PER_US)
#define SPOOL       65536
#define START_NS    (10 * NS_PER_SEC)
#define WARM_NS     NS_PER_SEC
#define BODY_MAX    (1U << 20)

enum { ACKED_1_1, ACKED_2_1, ACKED_2_2, UPDATES_1_1, UPDATES_2_1, UPDATES_2_2, CASES };

static const struct {
	const char *name;
	enum spool_class class;
	unsigned int agents, workers;
	const char *beside;
} cases[CASES] = {
	[ACKED_1_1] = {"acked-1-1", SPOOL_PORT, 1, 1, NULL},
	[ACKED_2_1] = {"acked-2-1", SPOOL_PORT, 2, 1, "acked-1-1"},
	[ACKED_2_2] = {"acked-2-2", SPOOL_PORT, 2, 2, "acked-2-1"},
	[UPDATES_1_1] = {"updates-1-1", SPOOL_FLOW, 1, 1, NULL},
	[UPDATES_2_1] = {"updates-2-1", SPOOL_FLOW, 2, 1, "updates-1-1"},
	[UPDATES_2_2] = {"updates-2-2", SPOOL_FLOW, 2, 2, "updates-2-1"},
};

enum { RATE, AGENT_CPU, SERVER_CPU, WORKER_CPU, BUSIEST, FULL, METRICS };

static const struct {
	const char *name, *unit;
} metrics[METRICS] = {
	[RATE] = {"events", "events/s"},
	[AGENT_CPU] = {"cpu of the agents", "ns/event"},
	[SERVER_CPU] = {"cpu of the server", "ns/event"},
	[WORKER_CPU] = {"of this, receive workers", "ns/event"},
	[BUSIEST] = {"busiest receive worker", "% of a core"},
	[FULL] = {"it would be full at", "events/s"},
};

struct bench {
	char build[PATH_MAX - 64], directory[32];
	double seconds;
	unsigned int runs;
	_Atomic uint64_t *done; /* events of each agent; shared with it */
	pid_t server, agents[AGENTS_MAX];
	double values[CASES][METRICS][RUNS_MAX];
};

static void pause_ns(uint64_t ns)
{
	const struct timespec time = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	nanosleep(&time, NULL);
}

/* ---- processes ---- */

/* Runs a program of this build in the bench's directory. Its pid or a negative errno. */
static pid_t start(const struct bench *bench, const char *program, const char *const *argv)
{
	char path[PATH_MAX];
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/src/%s", bench->build, program);
	if (chdir(bench->directory) == 0 && freopen("log", "a", stdout) &&
		dup2(STDOUT_FILENO, STDERR_FILENO) >= 0)
		execv(path, (char *const *)argv);
	_exit(127);
}

static int run(const struct bench *bench, const char *program, const char *const *argv)
{
	pid_t pid = start(bench, program, argv);
	int status;

	if (pid < 0)
		return pid;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EIO;
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static uint64_t cpu_ns(pid_t pid)
{
	struct timespec time = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_nsec;
}

/* ---- certificates ---- */

static int issue(const struct bench *bench, const char *kind, const char *name, const char *to)
{
	const char *argv[] = {
		"netlambda", "pki", "issue", kind, name, "--dir", "ca", "--to", to, NULL};

	return run(bench, "cli/netlambda", argv);
}

static int make_certificates(const struct bench *bench)
{
	const char *init[] = {"netlambda", "pki", "init", "--dir", "ca", NULL};
	int r = run(bench, "cli/netlambda", init);

	if (r == 0)
		r = issue(bench, "server", "127.0.0.1", "server.pem");
	for (unsigned int i = 1; i <= AGENTS_MAX && r == 0; i++) {
		char id[8], path[32];

		snprintf(id, sizeof(id), "%u", i);
		snprintf(path, sizeof(path), "switch-%u.pem", i);
		r = issue(bench, "switch", id, path);
	}
	return r;
}

/* ---- an agent ---- */

struct sender {
	struct loop *loop;
	struct spool *spool;
	struct uplink *uplink;
	enum spool_class class;
	struct loop_timer timer;
	uint8_t record[EVENT_RECORD_MAX];
	_Atomic uint64_t *done;
};

static void on_fill(struct loop_timer *timer, uint64_t now_ns)
{
	struct sender *sender = timer->user;
	struct uplink_stats stats;

	while (spool_has_room(sender->spool, sender->class))
		spool_push(sender->spool, sender->class, sender->record);
	uplink_pump(sender->uplink);
	uplink_get_stats(sender->uplink, &stats);
	atomic_store(sender->done, stats.sent[sender->class]);
	loop_arm_timer(sender->loop, timer, now_ns + FILL_NS);
}

static int send_events(const struct bench *bench, unsigned int index, enum spool_class class)
{
	static struct sender sender;
	char path[64], *error = NULL;
	struct endpoint_list server;
	struct uplink_v2_options options = {
		.server = &server, .files = {.credentials = path}, .lane_events = SPOOL};
	int r;

	snprintf(path, sizeof(path), "%s/switch-%u.pem", bench->directory, index + 1);
	sender.class = class;
	sender.done = &bench->done[index];
	sender.timer = (struct loop_timer){.fn = on_fill, .user = &sender};
	r = endpoint_resolve("127.0.0.1", PORT, &server, &error);
	if (r == 0)
		r = loop_new(&sender.loop);
	if (r == 0)
		r = spool_new(SPOOL, NULL, NULL, &sender.spool);
	if (r == 0)
		r = uplink_v2_new(sender.loop, sender.spool, &options, &sender.uplink, &error);
	if (r == 0) {
		loop_arm_timer(sender.loop, &sender.timer, loop_now_ns(sender.loop));
		r = loop_run(sender.loop);
	}
	fprintf(stderr, "daemons: agent %u: %s\n", index + 1, error ? error : strerror(-r));
	return r;
}

static pid_t start_agent(const struct bench *bench, unsigned int index, enum spool_class class)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	atomic_store(&bench->done[index], 0);
	(void)!send_events(bench, index, class);
	_exit(EXIT_FAILURE);
}

/* ---- the server ---- */

static int write_config(const struct bench *bench, unsigned int workers)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/server.json", bench->directory);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fprintf(file,
		"{\"listen\": \"127.0.0.1:%d\", \"api\": \"%s/api\", \"store\": \"%s/db\","
		" \"tls\": {\"credentials\": \"%s/server.pem\"}, \"receive_workers\": %u,"
		" \"triggers\": {}}\n",
		PORT, bench->directory, bench->directory, bench->directory, workers);
	return fclose(file) == 0 ? 0 : -EIO;
}

static int ask(const struct bench *bench, char *body, size_t size)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/api", bench->directory);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		write(fd, request, sizeof(request) - 1) != (ssize_t)(sizeof(request) - 1))
		return -errno;
	while ((n = read(fd, body + used, size - 1 - used)) > 0)
		used += (size_t)n;
	body[used] = '\0';
	return used > 0 ? 0 : -EIO;
}

static int start_server(struct bench *bench, unsigned int workers)
{
	static char body[BODY_MAX];
	const char *argv[] = {"netlambda-server", "--config", "server.json", NULL};
	uint64_t end_ns = clock_monotonic_ns() + START_NS;
	int r = write_config(bench, workers);

	if (r == 0)
		bench->server = start(bench, "server/netlambda-server", argv);
	while (r == 0 && ask(bench, body, sizeof(body)) < 0) {
		pause_ns(20 * NS_PER_MS);
		if (clock_monotonic_ns() > end_ns)
			r = -ETIMEDOUT;
	}
	return r;
}

/* A family's samples, at most `max`, in their order. */
static void read_family(const char *body, const char *name, double *samples, size_t max)
{
	const size_t len = strlen(name);
	size_t count = 0;

	for (const char *line = body; line && count < max; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && (line[len] == '{' || line[len] == ' '))
			samples[count++] = strtod(strchr(line + len, ' '), NULL);
		if (*line == '\0')
			break;
	}
}

static double sum(const double *samples, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += samples[i];
	return sum;
}

/* ---- a run ---- */

struct reading {
	double events[2]; /* by class */
	double agents_s, server_s, workers_s[WORKERS_MAX], at_s;
};

static int read_all(const struct bench *bench, struct reading *ret_reading)
{
	static char body[BODY_MAX];
	int r = ask(bench, body, sizeof(body));

	*ret_reading = (struct reading){
		.server_s = (double)cpu_ns(bench->server) / 1e9,
		.at_s = (double)clock_monotonic_ns() / 1e9,
	};
	for (unsigned int i = 0; i < AGENTS_MAX && bench->agents[i] > 0; i++)
		ret_reading->agents_s += (double)cpu_ns(bench->agents[i]) / 1e9;
	read_family(body, "netlambda_events_total", ret_reading->events, 2);
	read_family(
		body, "netlambda_link_worker_seconds_total", ret_reading->workers_s, WORKERS_MAX);
	return r;
}

static int wait_for_events(const struct bench *bench, unsigned int agents)
{
	uint64_t end_ns = clock_monotonic_ns() + START_NS;

	for (unsigned int i = 0; i < agents; i++)
		while (atomic_load(&bench->done[i]) == 0) {
			pause_ns(10 * NS_PER_MS);
			if (clock_monotonic_ns() > end_ns)
				return -ETIMEDOUT;
		}
	return 0;
}

static int note_values(struct bench *bench, size_t which, unsigned int run,
	const struct reading *before, const struct reading *after)
{
	const double seconds = after->at_s - before->at_s;
	const double events = sum(after->events, 2) - sum(before->events, 2);
	double values[METRICS] = {
		[RATE] = events / seconds,
		[AGENT_CPU] = (after->agents_s - before->agents_s) * 1e9 / events,
		[SERVER_CPU] = (after->server_s - before->server_s) * 1e9 / events,
	};

	if (events <= 0)
		return -ENODATA;
	for (int i = 0; i < WORKERS_MAX; i++) {
		double busy_s = after->workers_s[i] - before->workers_s[i];

		values[WORKER_CPU] += busy_s * 1e9 / events;
		values[BUSIEST] = MAX(values[BUSIEST], busy_s / seconds * 100);
	}
	values[FULL] = values[RATE] * 100 / values[BUSIEST];
	for (int metric = 0; metric < METRICS; metric++)
		bench->values[which][metric][run] = values[metric];
	return 0;
}

static int measure(struct bench *bench, size_t which, unsigned int run)
{
	struct reading before = {0}, after = {0};
	int r;

	pause_ns(WARM_NS);
	r = read_all(bench, &before);
	pause_ns((uint64_t)(bench->seconds * 1e9));
	if (r == 0)
		r = read_all(bench, &after);
	return r < 0 ? r : note_values(bench, which, run, &before, &after);
}

static int run_once(struct bench *bench, size_t which, unsigned int run)
{
	int r = start_server(bench, cases[which].workers);

	for (unsigned int i = 0; i < cases[which].agents && r == 0; i++) {
		bench->agents[i] = start_agent(bench, i, cases[which].class);
		r = bench->agents[i] < 0 ? bench->agents[i] : 0;
	}
	if (r == 0)
		r = wait_for_events(bench, cases[which].agents);
	if (r == 0)
		r = measure(bench, which, run);
	for (unsigned int i = 0; i < AGENTS_MAX; i++)
		end(&bench->agents[i]);
	end(&bench->server);
	return r;
}

/* The cases of one run follow each other, so that what slows the machine slows all of them. */
static int run_all(struct bench *bench)
{
	for (unsigned int run = 0; run < bench->runs; run++)
		for (size_t which = 0; which < CASES; which++) {
			int r = run_once(bench, which, run);

			if (r < 0) {
				fprintf(stderr, "daemons: %s: %s; see %s/log\n", cases[which].name,
					strerror(-r), bench->directory);
				return r;
			}
		}
	return 0;
}

/* Two workers take nearly twice what one does, or something is in their way that they share. */
static bool is_scaling_met(const struct bench *bench)
{
	return report_median(bench->values[UPDATES_2_2][FULL], bench->runs) >=
	       1.6 * report_median(bench->values[UPDATES_2_1][FULL], bench->runs);
}

static void add_row(const struct bench *bench, struct report *report, size_t which, int metric)
{
	struct report_row row = {
		.name = cases[which].name,
		.metric = metrics[metric].name,
		.unit = metrics[metric].unit,
		.values = bench->values[which][metric],
		.runs = bench->runs,
		.beside = cases[which].beside,
	};

	if (metric == FULL && which == UPDATES_2_2) {
		row.goal = "at least 1.6 times one worker's";
		row.met = is_scaling_met(bench);
	}
	report_add(report, &row);
}

static void add_rows(const struct bench *bench, struct report *report)
{
	for (size_t which = 0; which < CASES; which++)
		for (int metric = 0; metric < METRICS; metric++)
			/* Acknowledged events wait for the database: their workers are hardly busy. */
			if (metric != FULL || cases[which].class == SPOOL_FLOW)
				add_row(bench, report, which, metric);
}

/* ---- the command line ---- */

static int find_build(struct bench *bench)
{
	ssize_t len = readlink("/proc/self/exe", bench->build, sizeof(bench->build) - 1);

	if (len < 0)
		return -errno;
	bench->build[len] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(bench->build, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	return 0;
}

static int prepare(struct bench *bench)
{
	int r = find_build(bench);

	snprintf(bench->directory, sizeof(bench->directory), "/tmp/nlbench-XXXXXX");
	if (r == 0 && !mkdtemp(bench->directory))
		r = -errno;
	if (r < 0)
		return r;
	bench->done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench->done == MAP_FAILED)
		return -errno;
	r = schema_init();
	return r < 0 ? r : make_certificates(bench);
}

static void clean(const struct bench *bench)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", bench->directory);
	(void)!system(command);
}

int main(int argc, char **argv)
{
	static struct bench bench = {.seconds = 3, .runs = 3};
	_cleanup_(report_freep) struct report *report = report_new("daemons");
	const char *json = NULL;
	int r;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--runs") == 0)
			bench.runs = MIN((unsigned int)strtoul(argv[i + 1], NULL, 10), RUNS_MAX);
		else if (strcmp(argv[i], "--seconds") == 0)
			bench.seconds = MIN(strtod(argv[i + 1], NULL), SECONDS_MAX);
		else if (strcmp(argv[i], "--json") == 0)
			json = argv[i + 1];
		else
			argc = 0;
	}
	if (argc % 2 == 0 || bench.runs == 0 || bench.seconds <= 0) {
		fprintf(stderr, "usage: daemons [--runs N] [--seconds S] [--json FILE]\n");
		return 2;
	}
	r = prepare(&bench);
	if (r < 0)
		fprintf(stderr, "daemons: %s\n", strerror(-r));
	if (r == 0)
		r = run_all(&bench);
	if (r < 0)
		return EXIT_FAILURE;
	add_rows(&bench, report);
	clean(&bench);
	return report_write(report, json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
