// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include "agent/alarms.h"
#include "agent/counting.h"
#include "agent/interfaces.h"
#include "agent/journal_pinned.h"
#include "agent/pins.h"
#include "agent/preflight.h"
#include "agent/sandbox.h"
#include "agent/spool.h"
#include "agent/statistics.h"
#include "agent/uplink_v1.h"
#include "agent/uplink_v2.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/random.h"
#include "base/siphash.h"
#include "event/schema.h"
#include "pki/identity.h"
#include "wire/v1.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define HOUSEKEEPING_NS NS_PER_SEC
#define PERIODS_OVERDUE 3

struct agent {
	const struct agent_options *options;
	struct endpoint_list server;
	uint32_t switch_id; /* 0: rules of the server say it */
	uint64_t owner;     /* whose incarnation it is; 0: with version 1 there are none */
	struct pins *pins;  /* NULL: nothing is pinned */
	struct pinned_journal journal;
	struct loop *loop;
	struct spool *spool;
	struct uplink *uplink;
	struct counting *counting;
	struct sandbox sandbox;
	struct loop_timer housekeeping;
	struct loop_timer flush_deadline;
	bool stopping;
	bool cut_short; /* by a second signal */
	struct statistics last;
	uint64_t alarm_reloads, alarm_errors;
	uint64_t progress_ns; /* when a collection was last seen to be done */
};

/* ---- statistics ---- */

static void collect_statistics(const struct agent *agent, struct statistics *ret_statistics)
{
	statistics_collect(agent->counting, agent->spool, agent->uplink, ret_statistics);
	ret_statistics->alarm_reloads = agent->alarm_reloads;
	ret_statistics->alarm_errors = agent->alarm_errors;
}

static void write_stats_file(const struct agent *agent, const struct statistics *statistics)
{
	int r;

	if (!agent->options->stats_file)
		return;
	r = statistics_write_file(statistics, agent->counting, agent->options->stats_file);
	if (r < 0)
		log_limited(LOG_LEVEL_WARNING, "cannot write statistics file=%s reason=\"%s\"",
			agent->options->stats_file, strerror(-r));
}

/*
 * Tells the service manager's watchdog of progress, not of being alive: a collection was done, or is
 * not overdue. This thread's own is that it gets here.
 */
static void feed_watchdog(struct agent *agent, const struct statistics *statistics, uint64_t now_ns)
{
	if (agent->progress_ns == 0 || statistics->counting.periods != agent->last.counting.periods)
		agent->progress_ns = now_ns;
	if (now_ns - agent->progress_ns <= PERIODS_OVERDUE * agent->options->period_ns)
		notify_manager("WATCHDOG=1");
}

static void on_housekeeping(struct loop_timer *timer, uint64_t now_ns)
{
	struct agent *agent = timer->user;
	struct statistics statistics;

	collect_statistics(agent, &statistics);
	statistics_log_losses(&statistics, &agent->last);
	write_stats_file(agent, &statistics);
	feed_watchdog(agent, &statistics, now_ns);
	agent->last = statistics;
	loop_arm_timer(agent->loop, timer, now_ns + HOUSEKEEPING_NS);
}

static void dump_stats(const struct agent *agent)
{
	struct statistics statistics;

	collect_statistics(agent, &statistics);
	if (agent->options->stats_file) {
		write_stats_file(agent, &statistics);
		return;
	}
	statistics_write(&statistics, agent->counting, stdout);
	fflush(stdout);
}

/* ---- thresholds ---- */

/* What the file does not name is as on the command line. */
static int read_alarms(
	const struct agent *agent, struct fanout_options *ret_fanout, char **ret_error)
{
	struct fanout_options fanout = agent->options->fanout;
	int r = agent->options->alarm_file
			? alarms_read(agent->options->alarm_file, &fanout, ret_error)
			: 0;

	if (r == 0)
		*ret_fanout = fanout;
	return r;
}

static void log_thresholds(const char *of, const struct fanout_thresholds *thresholds)
{
	log_info("thresholds of=%s hosts=%" PRIu64 " ports=%" PRIu64 " half_open=%" PRIu64
		 " packets=%" PRIu64 " bytes=%" PRIu64,
		of, thresholds->hosts, thresholds->ports, thresholds->half_open,
		thresholds->packets, thresholds->bytes);
}

static void reload_alarms(struct agent *agent)
{
	_cleanup_free_ char *error = NULL;
	struct fanout_options fanout = {0};
	int r;

	if (!agent->options->alarm_file) {
		log_warning("nothing to read again, there being no --alarm-file signal=HUP");
		return;
	}
	r = read_alarms(agent, &fanout, &error);
	if (r == 0)
		r = counting_set_thresholds(agent->counting, &fanout.source, &fanout.target);
	if (r < 0) {
		agent->alarm_errors++;
		log_error("thresholds stay as they were: %s", error ? error : strerror(-r));
		return;
	}
	agent->alarm_reloads++;
	log_info("thresholds read file=%s", agent->options->alarm_file);
	log_thresholds("source", &fanout.source);
	log_thresholds("target", &fanout.target);
}

/* ---- ending ---- */

/* What was in the spool before, and is not now, was sent. */
static void note_sent(struct agent *agent)
{
	const uint64_t mark = counting_get_mark(agent->counting);

	if (uplink_is_done(agent->uplink))
		counting_note_sent(agent->counting, mark);
}

/* The queues are looked at after that nothing more comes into them. */
static void on_done(void *user)
{
	struct agent *agent = user;

	note_sent(agent);
	if (agent->stopping && counting_is_finished(agent->counting) &&
		uplink_is_done(agent->uplink))
		loop_stop(agent->loop);
}

static void on_flush_deadline(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct agent *agent = timer->user;

	counting_abandon(agent->counting);
	loop_stop(agent->loop);
}

static void stop(struct agent *agent, int signo)
{
	agent->stopping = true;
	log_info("stopping signal=%s", sigabbrev_np(signo));
	notify_manager("STOPPING=1");
	loop_arm_timer(agent->loop, &agent->flush_deadline,
		loop_now_ns(agent->loop) + agent->options->flush_timeout_ns);
	/* Told to end, it may be to begin anew; interrupted by hand, it is over. */
	counting_stop(agent->counting, signo == SIGTERM);
}

static void on_signal(void *user, int signo)
{
	struct agent *agent = user;

	if (signo == SIGHUP) {
		reload_alarms(agent);
	} else if (signo == SIGUSR1) {
		dump_stats(agent);
	} else if (!agent->stopping) {
		stop(agent, signo);
	} else {
		agent->cut_short = true;
		counting_abandon(agent->counting);
		loop_stop(agent->loop);
	}
}

/* ---- starting ---- */

/* On the collecting thread. */
static void notify(void *user)
{
	loop_wake(user);
}

static void on_notified(void *user)
{
	struct agent *agent = user;

	uplink_pump(agent->uplink);
}

static int counting_init(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	struct counting_options counting = {
		.slots = {.wanted = options->interfaces,
			.wanted_count = options->interface_count,
			.follow_max = options->follow_max,
			.wait = options->wait,
			.attach = options->attach},
		.period_ns = options->period_ns,
		.flow_idle_ns = options->flow_idle_ns,
		.flow_max = options->flow_max,
		.flow_events_per_s = options->flow_events_per_s,
		.port_max = options->port_max,
		.inside = options->inside,
		.pins = agent->pins,
		.spool = agent->spool,
		.notify = notify,
		.user = agent->loop,
	};
	_cleanup_free_ char *error = NULL;
	int r;

	r = read_alarms(agent, &counting.fanout, &error);
	if (r == 0)
		r = preflight_capabilities(&error);
	if (r == 0)
		r = counting_new(&counting, &agent->counting, &error);
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

/* ---- what outlives the agent ---- */

static void say_resumed(const struct journal_past *past)
{
	uint64_t events = 0;

	for (int kind = 0; kind < JOURNAL_KINDS; kind++)
		events += past->waiting[kind];
	if (past->goes_on)
		log_info("resumed incarnation of the agent before events=%" PRIu64, events);
	else if (events > 0)
		log_info("what the agent before had not sent goes on events=%" PRIu64, events);
}

static int journal_init(struct agent *agent, char **ret_error)
{
	struct journal_options options = {
		.capacity = agent->options->spool_max, .owner = agent->owner};
	struct random_stream random;
	int r = uplink_v2_layout(&options.layout);

	if (r == 0)
		r = random_stream_init(&random);
	if (r < 0)
		return r;
	while (options.boot == 0)
		options.boot = random_stream_next(&random);
	if (!agent->pins)
		return journal_new(&options, &agent->journal.journal);
	r = pinned_journal_open(agent->pins, &options, &agent->journal, ret_error);
	if (r == 0)
		say_resumed(&agent->journal.past);
	return r;
}

/* Interfaces are known by number, and another network namespace has the same numbers. */
static int check_namespace(const struct pins *pins, char **ret_error)
{
	const uint64_t netns = interfaces_namespace();

	for (unsigned int i = 0; i < pins_set_count(pins); i++) {
		const struct pin_state *state = pin_set_state(pins_set(pins, i));

		if (state && state->netns != netns)
			return error_set(ret_error, -EXDEV,
				"--pin %s: these are of another network namespace: choose another "
				"directory, or remove them with --unpin",
				pins_directory(pins));
	}
	return 0;
}

static int pins_init(struct agent *agent, char **ret_error)
{
	const struct agent_options *options = agent->options;
	uid_t user;
	gid_t group;
	int r;

	if (!options->pin_directory)
		return 0;
	r = preflight_capabilities(ret_error);
	if (r == 0)
		r = privileges_find_user(options->user, &user, &group, ret_error);
	if (r == 0)
		r = pins_open(options->pin_directory, user, &agent->pins, ret_error);
	return r < 0 ? r : check_namespace(agent->pins, ret_error);
}

static int spool_init(struct agent *agent, char **ret_error)
{
	int r = pins_init(agent, ret_error);

	if (r == 0)
		r = journal_init(agent, ret_error);
	return r < 0 ? r
		     : spool_new(agent->options->spool_max, agent->journal.journal,
			       &agent->journal.past, &agent->spool);
}

/* Where the next agent would find neither events nor maps, it finds nothing. */
static void pins_done(struct agent *agent)
{
	const bool is_empty = agent->journal.journal && journal_is_empty(agent->journal.journal);

	pinned_journal_close(&agent->journal);
	if (!agent->pins)
		return;
	if (is_empty && pins_set_count(agent->pins) == 0 && pins_have_no_link(agent->pins))
		pins_remove_journal(agent->pins);
	pins_close(agent->pins);
}

/* ---- the uplink ---- */

/* By the number that the certificate says, or by its name, which outlives a renewal, too. */
static uint64_t owner_of(const struct credentials *credentials, uint32_t switch_id)
{
	static const struct siphash_key key = {.k0 = 0x6f776e6572000000};
	char name[IDENTITY_NAME_MAX];

	identity_name(credentials->certificate, name);
	return switch_id ? switch_id : siphash(&key, name, strlen(name)) | 1ULL << 63;
}

/* What to do where there is no certificate, in full: it is what everybody meets first. */
static int read_credentials(struct agent *agent, char **ret_server, char **ret_error)
{
	const struct agent_options *options = agent->options;
	const struct credentials_files files = {.credentials = options->credentials};
	_cleanup_free_ char *nameless = NULL;
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;
	int r;

	if (access(options->credentials, F_OK) < 0 && errno == ENOENT)
		return error_set(ret_error, -ENOENT,
			"no certificate: %s is not there.\n"
			"  on the machine of your CA:  sudo netlambda pki issue switch N --server "
			"HOST[:PORT]\n"
			"  here, with its file:        sudo netlambda pki enroll switch-N.pem\n"
			"(docs/pki.md; in the clear, for trusted networks only: --protocol 1)",
			options->credentials);
	r = credentials_load(&files, &credentials, ret_error);
	if (r < 0)
		return r;
	(void)!identity_find(
		credentials->certificate, &identity_rule_default, 1, &agent->switch_id, &nameless);
	agent->owner = owner_of(credentials, agent->switch_id);
	*ret_server = strdup(options->server       ? options->server
			     : credentials->server ? credentials->server
						   : "");
	if (!*ret_server)
		return -ENOMEM;
	return **ret_server ? 0
			    : error_set(ret_error, -EINVAL,
				      "%s does not say where the server is: give --server "
				      "HOST[:PORT]",
				      options->credentials);
}

static int uplink_init_v2(struct agent *agent, char **ret_error)
{
	const struct agent_options *options = agent->options;
	const struct uplink_v2_options uplink = {
		.server = &agent->server,
		.files = {.credentials = options->credentials, .crl = options->crl},
		.key_log = options->key_log,
		.lane_events = options->spool_max,
	};
	return uplink_v2_new(agent->loop, agent->spool, &uplink, &agent->uplink, ret_error);
}

static int uplink_init_v1(struct agent *agent, char **ret_error)
{
	struct uplink_v1_options uplink = {
		.switch_id = agent->options->switch_id,
		.resend_ns = V1_RESEND_NS,
	};
	int r;

	uplink.server = agent->server.endpoints[0];
	r = uplink_v1_new(agent->loop, agent->spool, &uplink, &agent->uplink);
	if (r < 0)
		return error_set(ret_error, r, "cannot reach the server %s: %s",
			agent->options->server, strerror(-r));
	log_warning("PROTOCOL VERSION 1: what is sent is neither authenticated nor encrypted");
	return 0;
}

/* Who we are, and where the server is. */
static int find_server(struct agent *agent, char **ret_error)
{
	_cleanup_free_ char *server = NULL;
	int r = 0;

	agent->switch_id = agent->options->switch_id;
	if (agent->options->protocol != 1)
		r = read_credentials(agent, &server, ret_error);
	return r < 0 ? r
		     : endpoint_resolve(server ? server : agent->options->server, V2_PORT,
			       &agent->server, ret_error);
}

static int uplink_init(struct agent *agent)
{
	_cleanup_free_ char *error = NULL;
	int r = schema_init();

	if (r == 0)
		r = find_server(agent, &error);
	if (r == 0)
		r = spool_init(agent, &error);
	if (r == 0)
		r = agent->options->protocol == 1 ? uplink_init_v1(agent, &error)
						  : uplink_init_v2(agent, &error);
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

/* Signals are blocked before the collecting thread is made, so that it never takes one. */
static int agent_init(struct agent *agent)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
	int r;

	r = loop_new(&agent->loop);
	if (r == 0)
		r = loop_add_signals(agent->loop, signals, ARRAY_SIZE(signals), on_signal, agent);
	if (r < 0) {
		log_error("cannot start reason=\"%s\"", strerror(-r));
		return r;
	}
	loop_on_wake(agent->loop, on_notified, agent);
	agent->housekeeping = (struct loop_timer){.fn = on_housekeeping, .user = agent};
	agent->flush_deadline = (struct loop_timer){.fn = on_flush_deadline, .user = agent};
	r = uplink_init(agent);
	if (r == 0)
		uplink_on_done(agent->uplink, on_done, agent);
	return r < 0 ? r : counting_init(agent);
}

/* Better now than in a warning each second, for nobody to read. */
static int check_stats_file(const struct agent *agent, char **ret_error)
{
	const char *path = agent->options->stats_file;
	struct statistics statistics;
	int r;

	if (!path)
		return 0;
	collect_statistics(agent, &statistics);
	r = statistics_write_file(&statistics, agent->counting, path);
	if (r < 0)
		return error_set(ret_error, r,
			"cannot write statistics to %s as user %u: %s (give the directory to that "
			"user, or choose another with --user)",
			path, geteuid(), strerror(-r));
	return 0;
}

/* At the same place in struct sockaddr_in and struct sockaddr_in6. */
static uint16_t port_of(const struct endpoint *endpoint)
{
	return ntohs(((const struct sockaddr_in *)&endpoint->address)->sin_port);
}

/* Gives up all that counting does not need, and begins to count. */
static int start(struct agent *agent)
{
	const struct sandbox_options options = {
		.off = agent->options->no_sandbox,
		.user = agent->options->user,
		.stats_file = agent->options->stats_file,
		.alarm_file = agent->options->alarm_file,
		.connects = agent->options->protocol != 1,
		.port = port_of(&agent->server.endpoints[0]),
		.credentials = agent->options->credentials, /* NULL with version 1 */
		.crl = agent->options->crl,
	};
	_cleanup_free_ char *error = NULL;
	int r = sandbox_enter(&agent->sandbox, &options, agent->counting, &error);

	if (r == 0)
		r = counting_start(agent->counting);
	if (r == 0)
		r = sandbox_seal(&agent->sandbox, &error);
	if (r == 0)
		r = check_stats_file(agent, &error);
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

static int agent_loop(struct agent *agent)
{
	char text[ENDPOINT_TEXT_MAX];
	int r = start(agent);

	if (r == 0) {
		struct slots_stats stats;

		slots_get_stats(counting_slots(agent->counting), &stats);
		log_info("counting id=%u interfaces=%u protocol=%u server=%s period_ms=%llu",
			agent->switch_id, stats.attached, agent->options->protocol,
			endpoint_render(&agent->server.endpoints[0], text),
			(unsigned long long)(agent->options->period_ns / NS_PER_MS));
		notify_manager("READY=1");
		on_housekeeping(&agent->housekeeping, loop_now_ns(agent->loop));
		r = loop_run(agent->loop);
		if (r < 0)
			log_error("cannot run reason=\"%s\"", strerror(-r));
	}
	return r;
}

static void agent_done(struct agent *agent)
{
	counting_free(agent->counting);
	uplink_free(agent->uplink);
	spool_free(agent->spool);
	pins_done(agent);
	loop_free(agent->loop);
	sandbox_done(&agent->sandbox);
}

int agent_run(const struct agent_options *options)
{
	_cleanup_(agent_done) struct agent agent = {.options = options};
	struct statistics statistics;
	int r;

	preflight_route_libbpf();
	preflight_kernel();
	r = agent_init(&agent);
	if (r == 0)
		r = agent_loop(&agent);
	if (r < 0)
		return r;
	counting_join(agent.counting);
	collect_statistics(&agent, &statistics);
	statistics_log_losses(&statistics, &agent.last);
	write_stats_file(&agent, &statistics);
	statistics_log_summary(&statistics);
	return agent.cut_short ? -EINTR : 0;
}
