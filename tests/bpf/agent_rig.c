// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/agent_rig.h"

#include "base/clock.h"
#include "net/udp_receiver.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"
#include "wire/v1.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 120 /* unless the environment says otherwise: some machines are emulated */
#define ARGS_MAX   48
#define FLUSH      " --flush-timeout 60s"

static uint64_t deadline(void)
{
	const char *seconds = getenv("NETLAMBDA_PATIENCE");

	return clock_monotonic_ns() +
	       (seconds ? strtoull(seconds, NULL, 10) : PATIENCE_S) * NS_PER_SEC;
}

/* ---- the agent ---- */

static void exec_agent(const char *program, char *line, int output_fd)
{
	char name[] = "netlambda-agent";
	char *argv[ARGS_MAX + 1] = {name};
	int argc = 1;
	char *word;

	while ((word = strsep(&line, " ")) != NULL && argc < ARGS_MAX)
		if (word[0])
			argv[argc++] = word;
	/* It must not outlive a test that aborts. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
	execv(program, argv);
	_exit(127);
}

void agent_start(struct agent_process *agent, const char *fmt, ...)
{
	const char *program = getenv("NETLAMBDA_AGENT");
	char line[1024];
	int pipe_fds[2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - sizeof(FLUSH), fmt, ap);
	va_end(ap);
	if (strstr(line, "--server") && !strstr(line, "--flush-timeout"))
		strcat(line, FLUSH);
	if (!program) {
		fail_msg("NETLAMBDA_AGENT must name the agent");
		abort();
	}
	memset(agent, 0, sizeof(*agent));
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	agent->pid = fork();
	assert_true(agent->pid >= 0);
	if (agent->pid == 0)
		exec_agent(program, line, pipe_fds[1]);
	close(pipe_fds[1]);
	agent->output_fd = pipe_fds[0];
	fcntl(agent->output_fd, F_SETFL, O_NONBLOCK);
}

/* False at the end of its output. */
static bool read_output(struct agent_process *agent)
{
	struct pollfd poll_fd = {.fd = agent->output_fd, .events = POLLIN};
	size_t room = sizeof(agent->output) - 1 - agent->output_len;
	ssize_t n;

	poll(&poll_fd, 1, 50);
	n = read(agent->output_fd, agent->output + agent->output_len, room);
	if (n > 0) {
		agent->output_len += (size_t)n;
		agent->output[agent->output_len] = '\0';
	}
	return n != 0;
}

void agent_wait_output(struct agent_process *agent, const char *text)
{
	uint64_t deadline_ns = deadline();

	while (!strstr(agent->output, text)) {
		bool more = read_output(agent);

		if (strstr(agent->output, text))
			return;
		if (!more || clock_monotonic_ns() > deadline_ns) {
			kill(agent->pid, SIGKILL);
			fail_msg("the agent did not say \"%s\" but:\n%s", text, agent->output);
		}
	}
}

int agent_wait_exit(struct agent_process *agent)
{
	uint64_t deadline_ns = deadline();
	int status = 0;

	while (read_output(agent)) {
		if (clock_monotonic_ns() > deadline_ns) {
			kill(agent->pid, SIGKILL);
			fail_msg("the agent does not end; it said:\n%s", agent->output);
		}
	}
	close(agent->output_fd);
	assert_int_equal(waitpid(agent->pid, &status, 0), agent->pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int agent_end(struct agent_process *agent, int signo)
{
	int code;

	lab_wait_received();
	kill(agent->pid, signo);
	code = agent_wait_exit(agent);
	agent->pid = 0;
	return code;
}

void agent_clean_up(struct agent_process *agent)
{
	if (agent->pid > 0 && kill(agent->pid, 0) == 0) {
		kill(agent->pid, SIGKILL);
		waitpid(agent->pid, NULL, 0);
	}
	agent->pid = 0;
}

uint64_t agent_summary(const struct agent_process *agent, const char *field)
{
	const char *line = strstr(agent->output, "stopped ");
	const char *at = line ? strstr(line, field) : NULL;

	if (!at) {
		fail_msg("no%s in: %s", field, agent->output);
		return 0;
	}
	return strtoull(at + strlen(field), NULL, 10);
}

void agent_forget_output(struct agent_process *agent)
{
	agent->output_len = 0;
	agent->output[0] = '\0';
}

/* ---- its statistics ---- */

#define LAST_STATISTIC "\nnetlambda_agent_rtt_seconds "

/* They follow in the output on what there was. */
static void ask_statistics(struct agent_process *agent)
{
	agent_forget_output(agent);
	kill(agent->pid, SIGUSR1);
	agent_wait_output(agent, LAST_STATISTIC);
}

void agent_wait_statistic(struct agent_process *agent, const char *line)
{
	uint64_t deadline_ns = deadline();

	for (;;) {
		ask_statistics(agent);
		if (strstr(agent->output, line))
			return;
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("the statistics did not say \"%s\" but:\n%s", line, agent->output);
		nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
	}
}

static uint64_t statistic(const struct agent_process *agent, const char *name)
{
	const char *at = strstr(agent->output, name);

	if (!at) {
		fail_msg("no %s in: %s", name, agent->output);
		return 0;
	}
	return strtoull(at + strlen(name), NULL, 10);
}

void agent_wait_statistic_above(struct agent_process *agent, const char *name, uint64_t value)
{
	uint64_t deadline_ns = deadline();

	for (ask_statistics(agent); statistic(agent, name) <= value; ask_statistics(agent)) {
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("%s does not rise above %llu", name, (unsigned long long)value);
		nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
	}
}

void agent_wait_collections(struct agent_process *agent, unsigned int count)
{
	static const char name[] = "\nnetlambda_agent_periods_total ";
	uint64_t until, now, deadline_ns = deadline();

	ask_statistics(agent);
	/* The one that goes on now may have begun before. */
	until = statistic(agent, name) + count + 1;
	do {
		nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
		ask_statistics(agent);
		now = statistic(agent, name);
	} while (now < until && clock_monotonic_ns() < deadline_ns);
	if (now < until)
		fail_msg("collections: expected %llu, got %llu", (unsigned long long)until,
			(unsigned long long)now);
}

/* ---- the receiver ---- */

static struct {
	pthread_t thread;
	int fd;
	unsigned int loss_percent;
	uint32_t random;
	atomic_bool stop, deaf, another;
	struct v1_receiver history;
	struct told told;
} rig;

static bool is_lost(void)
{
	rig.random = rig.random * 1103515245 + 12345;
	return (rig.random >> 16) % 100 < rig.loss_percent;
}

static bool is_same_flow(const struct flow_event *a, const struct flow_event *b)
{
	return a->srcport == b->srcport && a->dstport == b->dstport && a->protocol == b->protocol &&
	       memcmp(&a->srcip, &b->srcip, sizeof(a->srcip)) == 0 &&
	       memcmp(&a->dstip, &b->dstip, sizeof(a->dstip)) == 0;
}

uint64_t told_flow_packets(const struct told *told)
{
	uint64_t sum = told->closed_packets;

	for (unsigned int i = 0; i < told->flow_count; i++)
		sum += told->flows[i].count;
	return sum;
}

/* Another agent's transactions may be the same as the last one's, sequence and all. */
static void begin_another(void)
{
	rig.told.closed_packets = told_flow_packets(&rig.told);
	rig.told.flow_count = 0;
	rig.history = (struct v1_receiver){0};
}

/* Of flows that are too many, only the ends are known. */
static void note_flow(const struct flow_event *flow, bool ended)
{
	struct told *told = &rig.told;
	unsigned int i = 0;

	while (i < told->flow_count && !is_same_flow(&told->flows[i], flow))
		i++;
	if (ended) {
		told->closed_packets += flow->count;
		if (i < told->flow_count)
			told->flows[i] = told->flows[--told->flow_count];
	} else if (i < RIG_FLOWS_MAX) {
		told->flow_count = i < told->flow_count ? told->flow_count : i + 1;
		told->flows[i] = *flow;
	}
}

static void add_flow(const struct flow_event *flow, bool wants_ack)
{
	note_flow(flow, wants_ack);
	if (!wants_ack) {
		rig.told.flow_updates++;
		return;
	}
	rig.told.flow_ends++;
	rig.told.packets += flow->count;
	rig.told.bytes += flow->size;
}

static void add_interface(const struct interface_event *event)
{
	unsigned int i = 0;

	rig.told.interfaces = *event;
	while (i < rig.told.incarnation_count &&
		(rig.told.incarnations[i].ifindex != event->ifindex ||
			rig.told.incarnations[i].first != event->first))
		i++;
	if (i == RIG_INTERFACES_MAX)
		abort();
	if (i == rig.told.incarnation_count)
		rig.told.incarnation_count++;
	if (event->packets >= rig.told.incarnations[i].packets)
		rig.told.incarnations[i] = *event;
}

uint64_t told_interface_packets(const struct told *told)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < told->incarnation_count; i++)
		sum += told->incarnations[i].packets;
	return sum;
}

static void add_source(struct told_totals *sum, const struct source_event *event)
{
	sum->at_once += !event->ended;
	if (!event->ended)
		return;
	sum->last++;
	sum->packets += event->packets;
	sum->size += event->size;
	sum->shed += event->shed;
	sum->syn += event->syn;
}

static void add_target(struct told_totals *sum, const struct target_event *event)
{
	const struct source_event same = {.packets = event->packets,
		.size = event->size,
		.shed = event->shed,
		.syn = event->syn,
		.ended = event->ended};

	add_source(sum, &same);
}

static void add_events(struct v1_transaction *transaction)
{
	struct v1_event event;

	while (v1_next_event(transaction, &event)) {
		if (event.event_id == EVENT_FLOW) {
			add_flow(&event.record.flow, transaction->wants_ack);
		} else if (event.event_id == EVENT_SOURCE) {
			add_source(&rig.told.sources, &event.record.source);
		} else if (event.event_id == EVENT_TARGET) {
			add_target(&rig.told.targets, &event.record.target);
		} else if (event.event_id == EVENT_INTERFACE) {
			add_interface(&event.record.interface);
		} else {
			rig.told.port_events++;
			rig.told.syn += event.record.port.syn;
			rig.told.rst += event.record.port.rst;
			rig.told.udp += event.record.port.udp;
			rig.told.completed += event.record.port.completed;
		}
	}
}

static void answer(const struct datagram *datagram, uint32_t sequence)
{
	uint8_t ack[V1_ACK_BYTES];
	size_t size = v1_encode_ack(sequence, ack);

	if (!is_lost())
		(void)!sendto(rig.fd, ack, size, 0,
			(const struct sockaddr *)&datagram->from->address, datagram->from->len);
}

static void take_datagram(const struct datagram *datagram)
{
	struct v1_transaction transaction;
	enum v1_verdict verdict;
	uint64_t digest;

	if (v1_decode(datagram->bytes, datagram->size, &transaction) != V1_OK) {
		rig.told.bad++;
		return;
	}
	if (!transaction.wants_ack) {
		add_events(&transaction);
		return;
	}
	digest = v1_digest(datagram->bytes, datagram->size);
	verdict = v1_receiver_check(&rig.history, transaction.sequence, digest);
	if (verdict == V1_NEW) {
		v1_receiver_begin(&rig.history, transaction.sequence, digest);
		add_events(&transaction);
		v1_receiver_commit(&rig.history);
	} else {
		rig.told.duplicates++;
	}
	answer(datagram, transaction.sequence);
}

static void *receiver_main(void *arg _unused_)
{
	struct pollfd poll_fd = {.fd = rig.fd, .events = POLLIN};
	struct udp_receiver *receiver = NULL;
	bool stop;
	int count;

	if (udp_receiver_new(UDP_MESSAGES_MAX, &receiver) < 0)
		abort();
	do {
		struct datagram datagram;

		/* What was sent before these were set is in the socket already. */
		const bool another = atomic_load(&rig.another);

		stop = atomic_load(&rig.stop);
		poll(&poll_fd, 1, 10);
		count = udp_receive(receiver, rig.fd);
		while (udp_receiver_next(receiver, &datagram))
			if (!atomic_load(&rig.deaf) && !is_lost())
				take_datagram(&datagram);
		if (another && count <= 0) {
			begin_another();
			atomic_store(&rig.another, false);
		}
	} while (!stop || count > 0);
	udp_receiver_free(receiver);
	return NULL;
}

uint16_t receiver_start(unsigned int loss_percent)
{
	struct endpoint endpoint;
	struct sockaddr_in address = {0};
	socklen_t len = sizeof(address);
	char *error = NULL;

	memset(&rig, 0, sizeof(rig));
	rig.loss_percent = loss_percent;
	rig.random = 1;
	assert_int_equal(endpoint_parse("127.0.0.1:0", &endpoint, &error), 0);
	rig.fd = udp_listen(&endpoint);
	assert_true(rig.fd >= 0);
	assert_int_equal(getsockname(rig.fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pthread_create(&rig.thread, NULL, receiver_main, NULL), 0);
	return ntohs(address.sin_port);
}

void receiver_set_deaf(bool deaf)
{
	atomic_store(&rig.deaf, deaf);
}

void receiver_expect_another(void)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};

	atomic_store(&rig.another, true);
	while (atomic_load(&rig.another))
		nanosleep(&pause, NULL);
}

void receiver_stop(struct told *ret_told)
{
	atomic_store(&rig.stop, true);
	pthread_join(rig.thread, NULL);
	close(rig.fd);
	*ret_told = rig.told;
}
