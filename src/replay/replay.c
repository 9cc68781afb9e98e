// SPDX-License-Identifier: BSD-2-Clause
#include "replay/replay.h"

#include "agent/preflight.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/loop.h"
#include "replay/backend.h"
#include "replay/capture.h"
#include "replay/courier.h"
#include "replay/probe.h"
#include "replay/progress.h"
#include "replay/report.h"
#include "replay/requests.h"
#include "replay/scratch.h"
#include "replay/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUMP_FRAMES 4096 /* or periods without one, between looks at signals and functions */
#define REQUESTS_NS                                                                                \
	(1767225600 * NS_PER_SEC) /* when they come if there is no packet: 2026 begins */

struct replay {
	const struct replay_options *options;
	struct scratch scratch;
	struct capture *capture;
	struct loop *loop;
	struct backend *backend;
	struct probe *probe;
	struct courier *courier;
	struct progress progress;
	uint64_t
		period_end_ns; /* UNIX epoch, of the period that packets now fall into; 0 = none yet */
	unsigned int unpumped; /* frames */
	json_t *requests, *responses;
	char *damage; /* of the capture */
	char *error;
};

/* ---- signals ---- */

/*
 * The signal that ends the replay early; 0 = none yet. All that waits looks here now and then, but
 * reading a pipe: that is interrupted, and where the signal came just before the read, the pipe is at
 * its end, since /dev/null has taken its place.
 */
static volatile sig_atomic_t caught_signal;
static int input_fd = -1, null_fd = -1;

static void on_signal(int signo)
{
	int saved = errno;

	caught_signal = signo;
	(void)dup2(null_fd, input_fd);
	errno = saved;
}

/* Also in the threads that are made while they are blocked: only this one shall be interrupted. */
static int block_signals(bool blocked)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	/* Without SA_RESTART. */
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t set;

	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0)
		return -errno;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaddset(&set, signals[i]);
		if (sigaction(signals[i], &action, NULL) < 0)
			return -errno;
	}
	return -pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* ---- what the parts call ---- */

static void on_reply(void *user, const void *bytes, size_t size)
{
	struct replay *replay = user;

	courier_answer(replay->courier, bytes, size);
}

static void on_waiting(void *user)
{
	struct replay *replay = user;
	const struct capture_counters *counters = capture_counters(replay->capture);
	const struct progress_state state = {
		.packets = counters->packets,
		.capture_ns = counters->last_ns - counters->first_ns,
		.share = capture_progress(replay->capture),
		.alerts = replay->backend ? backend_alerts(replay->backend) : 0,
	};

	if (progress_due(&replay->progress))
		progress_show(&replay->progress, &state);
}

static int on_event(void *user, uint32_t event_id, const void *record, bool wants_ack)
{
	struct replay *replay = user;

	return courier_take(replay->courier, event_id, record, wants_ack);
}

/* ---- the capture's time ---- */

static int pump(struct replay *replay)
{
	replay->unpumped = 0;
	on_waiting(replay);
	return backend_pump(replay->backend);
}

static int deliver(struct replay *replay)
{
	return courier_deliver(replay->courier, replay->backend, replay->period_end_ns);
}

static int end_period(struct replay *replay)
{
	int r = probe_end_period(replay->probe, replay->period_end_ns);

	if (r == 0)
		r = deliver(replay);
	replay->period_end_ns += replay->options->period_ns;
	return r < 0 ? r : pump(replay);
}

/* A period without a packet: flows may end in it. */
static int pass_period(struct replay *replay)
{
	int r = probe_pass_time(replay->probe, replay->period_end_ns);

	if (r == 0)
		r = deliver(replay);
	replay->period_end_ns += replay->options->period_ns;
	if (r == 0 && ++replay->unpumped >= PUMP_FRAMES)
		r = pump(replay);
	return r;
}

/* Ends the periods that are over at `now_ns`. When nothing is left that time alone could end, time is skipped. */
static int advance(struct replay *replay, uint64_t now_ns)
{
	uint64_t period_ns = replay->options->period_ns;
	int r = 0;

	if (replay->period_end_ns == 0)
		replay->period_end_ns = now_ns + period_ns;
	if (now_ns < replay->period_end_ns)
		return 0;
	r = end_period(replay);
	while (r == 0 && now_ns >= replay->period_end_ns && !probe_is_empty(replay->probe))
		r = pass_period(replay);
	if (now_ns >= replay->period_end_ns)
		replay->period_end_ns +=
			(now_ns - replay->period_end_ns) / period_ns * period_ns + period_ns;
	return r;
}

static int replay_frames(struct replay *replay)
{
	struct capture_frame frame;
	int r;

	while ((r = capture_next(replay->capture, &frame, &replay->damage)) > 0) {
		r = advance(replay, frame.time_ns);
		if (r == 0)
			r = probe_receive(replay->probe, &frame);
		if (r == 0 && ++replay->unpumped >= PUMP_FRAMES)
			r = pump(replay);
		if (r < 0)
			return r;
	}
	if (caught_signal)
		return -EINTR;
	return r == -EBADMSG ? 0 : r;
}

/* As an agent that is stopped: the period ends, and all flows. */
static int finish(struct replay *replay)
{
	int r = 0;

	if (replay->period_end_ns > 0) {
		uint64_t end_ns = replay->period_end_ns;

		r = end_period(replay);
		replay->period_end_ns = end_ns;
		if (r == 0)
			r = probe_finish(replay->probe);
		if (r == 0)
			r = deliver(replay);
	}
	return r < 0 ? r : backend_drain(replay->backend);
}

static int request(struct replay *replay)
{
	uint64_t now_ns = replay->period_end_ns > 0 ? replay->period_end_ns : REQUESTS_NS;

	if (!replay->requests)
		return 0;
	return requests_run(replay->requests, replay->backend, now_ns, &replay->responses);
}

/* ---- making it ---- */

/* The database: a new file, for good or for now. */
static int make_store_path(struct replay *replay, char **ret_path)
{
	const char *wanted = replay->options->store;

	if (wanted && access(wanted, F_OK) == 0)
		return error_set(&replay->error, -EEXIST,
			"--store %s: exists; a replay begins with an empty store", wanted);
	if (wanted)
		*ret_path = strdup(wanted);
	else if (asprintf(ret_path, "%s/store.db", replay->scratch.dir) < 0)
		*ret_path = NULL;
	return *ret_path ? 0 : -ENOMEM;
}

static int start_backend(struct replay *replay)
{
	const struct backend_options options = {
		.reply = on_reply,
		.waiting = on_waiting,
		.interrupted = &caught_signal,
		.user = replay,
	};
	struct setup_options setup = {
		.config_path = replay->options->config,
		.functions_dir = replay->options->functions_dir,
		.function_dir = replay->options->function_dir,
		.scratch_dir = replay->scratch.dir,
	};
	_cleanup_free_ char *store = NULL;
	struct config *config = NULL;
	int r;

	r = make_store_path(replay, &store);
	setup.store_path = store;
	if (r == 0)
		r = setup_load(&setup, &config, &replay->error);
	if (r == 0)
		r = backend_new(replay->loop, config, &options, &replay->backend, &replay->error);
	return r;
}

static int start_probe(struct replay *replay)
{
	const struct probe_options options = {
		.flow_idle_ns = replay->options->flow_idle_ns,
		.flow_max = replay->options->flow_max,
		.port_max = replay->options->port_max,
		.inside = replay->options->inside,
		.fanout = replay->options->fanout,
		.event = on_event,
		.user = replay,
	};
	int r = courier_new(replay->options->switch_id, &replay->courier);

	return r < 0 ? r : probe_new(&options, &replay->probe, &replay->error);
}

/* One without a packet is what requests alone come behind. */
static int open_capture(struct replay *replay)
{
	static const struct pcap_file_header empty = {.magic = 0xa1b2c3d4,
		.version_major = PCAP_VERSION_MAJOR,
		.version_minor = PCAP_VERSION_MINOR,
		.snaplen = 65535,
		.linktype = DLT_EN10MB};
	_cleanup_fd_ int fd = -1;
	char path[32];

	if (replay->options->capture)
		return capture_open(replay->options->capture, &replay->capture, &replay->error);
	fd = memfd_create("empty", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &empty, sizeof(empty)) != sizeof(empty))
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return capture_open(path, &replay->capture, &replay->error);
}

/* What may be wrong with the command comes first, then what costs time. */
static int start(struct replay *replay)
{
	int r = 0;

	if (replay->options->requests)
		r = requests_load(replay->options->requests, &replay->requests, &replay->error);
	if (r == 0)
		r = open_capture(replay);
	if (r < 0)
		return r;
	input_fd = capture_fd(replay->capture);
	r = start_probe(replay);
	if (r == 0)
		r = loop_new(&replay->loop);
	if (r == 0)
		r = block_signals(true);
	if (r == 0)
		r = scratch_open(&replay->scratch, &replay->error);
	if (r == 0)
		r = start_backend(replay);
	if (r == 0)
		r = block_signals(false);
	return r < 0 ? r : backend_wait_ready(replay->backend);
}

static void replay_done(struct replay *replay)
{
	progress_clear(&replay->progress);
	/* A second signal shall not stop the tidying up, nor find a descriptor that is another's. */
	(void)block_signals(true);
	backend_free(replay->backend);
	courier_free(replay->courier);
	probe_free(replay->probe);
	loop_free(replay->loop);
	capture_free(replay->capture);
	scratch_close(&replay->scratch);
	json_decref(replay->requests);
	json_decref(replay->responses);
	free(replay->damage);
	free(replay->error);
}

/* ---- the end ---- */

static int print(struct replay *replay)
{
	struct interface_event totals;
	struct report report = {
		.file = replay->options->capture,
		.link_name = capture_link_name(replay->capture),
		.damage = replay->damage,
		.capture = capture_counters(replay->capture),
		.probe = probe_counters(replay->probe),
		.totals = &totals,
		.courier = replay->courier,
		.requests = replay->requests,
		.responses = replay->responses,
	};
	struct store *store = backend_store(replay->backend);
	int r;

	report.rows = backend_rows(replay->backend, &report.row_count);
	r = probe_read_totals(replay->probe, &totals);
	if (r == 0)
		r = findings_read_alerts(store, &report.alerts);
	if (r == 0)
		r = findings_read_dead_letters(store, &report.dead_letters);
	if (r == 0 && replay->options->json)
		r = report_print_json(&report, stdout);
	else if (r == 0)
		report_print_tables(&report, stdout);
	findings_done(&report.alerts);
	findings_done(&report.dead_letters);
	return r;
}

static int fail(struct replay *replay, int error)
{
	progress_clear(&replay->progress);
	if (caught_signal)
		return 128 + caught_signal;
	if (!replay->error && replay->backend)
		replay->error = backend_take_error(replay->backend);
	fprintf(stderr, "netlambda replay: %s\n", replay->error ? replay->error : strerror(-error));
	return EXIT_FAILURE;
}

int replay_run(const struct replay_options *options)
{
	_cleanup_(replay_done) struct replay replay = {.options = options};
	int r;

	preflight_route_libbpf();
	r = start(&replay);
	progress_start(&replay.progress);
	if (r == 0)
		r = replay_frames(&replay);
	if (r == 0)
		r = finish(&replay);
	if (r == 0)
		r = request(&replay);
	if (r == 0)
		r = backend_drain(replay.backend);
	if (r < 0)
		return fail(&replay, r);
	progress_end(&replay.progress, capture_counters(replay.capture)->packets);
	r = print(&replay);
	if (r < 0)
		return fail(&replay, r);
	if (!replay.damage)
		return EXIT_SUCCESS;
	fflush(stdout);
	fprintf(stderr, "netlambda replay: %s\n", replay.damage);
	return EXIT_FAILURE;
}
