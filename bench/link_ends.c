// SPDX-License-Identifier: BSD-2-Clause
#include "bench/link_ends.h"

#include "base/clock.h"
#include "base/fd.h"
#include "bench/report.h"
#include "net/udp_receiver.h"
#include "wire/v1.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BATCH         64
#define QUIET_MS      50 /* nothing for so long after the sender's end: all is here */
#define STUCK_NS      (10 * NS_PER_SEC) /* no acknowledgement for so long: something is broken */
#define LATENCIES_MAX (1U << 20)
#define SWITCH_ID     7

struct link {
	struct link_options options;
	struct link_result result;
	int sender_fd, receiver_fd;
	struct udp_receiver *receiver_buffers, *sender_buffers;
	atomic_bool sender_done;
	atomic_int error; /* a negative errno */

	/* The sender's. */
	uint64_t start_ns;
	struct v1_sender sender;
	struct v1_builder builders[BATCH];
	double *latencies_us;
	unsigned int latency_count;

	/* The receiver's. */
	uint64_t random, first_ns, last_ns, last_number;
	struct v1_receiver receiver;
};

/* ---- events by number ---- */

/* All of an event follows from its number (1, 2, ...), so the receiver can check all of it. */
static struct flow_event flow_of(uint64_t number)
{
	uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
	struct flow_event flow = {
		.srcip.bytes = {[10] = 0xff, 0xff, 10},
		.dstip.bytes = {[10] = 0xff, 0xff, 192, 168},
		.srcport = (port_num)(mixed >> 16),
		.dstport = 443,
		.protocol = 6,
		.count = (uint32_t)number,
		.size = number,
	};

	memcpy(flow.srcip.bytes + 13, &mixed, 3);
	memcpy(flow.dstip.bytes + 14, (uint8_t *)&mixed + 4, 2);
	return flow;
}

/* False, and says so, once anything was wrong. */
static bool check_number(struct link *link, uint64_t number)
{
	struct link_result *result = &link->result;
	bool each = link->options.class == LINK_ACK;

	if (result->wrong[0])
		return false;
	if (each ? number == link->last_number + 1 : number > link->last_number) {
		link->last_number = number;
		return true;
	}
	snprintf(result->wrong, sizeof(result->wrong), "number %llu came after %llu",
		(unsigned long long)number, (unsigned long long)link->last_number);
	return false;
}

static void check_event(struct link *link, const struct v1_event *event)
{
	const struct flow_event *flow = &event->record.flow;
	struct flow_event expected = flow_of(flow->size);

	if (event->event_id != EVENT_FLOW || memcmp(flow, &expected, sizeof(expected)) != 0)
		snprintf(link->result.wrong, sizeof(link->result.wrong),
			"the event after number %llu has other content",
			(unsigned long long)link->last_number);
	else if (check_number(link, flow->size))
		link->result.delivered++;
}

/* ---- the receiving end ---- */

/* splitmix64 (Steele, Lea and Flood, 2014). */
static bool drops(struct link *link)
{
	uint64_t z = link->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53 < link->options.drop_rate;
}

static void answer(struct link *link, const struct datagram *datagram, uint32_t sequence)
{
	uint8_t ack[V1_ACK_BYTES];
	size_t size = v1_encode_ack(sequence, ack);

	/* One that cannot be sent is lost, which the sender makes good. */
	(void)sendto(link->receiver_fd, ack, size, 0,
		(const struct sockaddr *)&datagram->from->address, datagram->from->len);
}

static void process(struct link *link, struct v1_transaction transaction)
{
	struct v1_event event;

	while (v1_next_event(&transaction, &event))
		check_event(link, &event);
}

static void receive_acknowledged(struct link *link, const struct datagram *datagram,
	const struct v1_transaction *transaction)
{
	uint64_t digest = v1_digest(datagram->bytes, datagram->size);

	switch (v1_receiver_check(&link->receiver, transaction->sequence, digest)) {
	case V1_NEW:
		v1_receiver_begin(&link->receiver, transaction->sequence, digest);
		process(link, *transaction);
		v1_receiver_commit(&link->receiver);
		answer(link, datagram, transaction->sequence);
		break;
	case V1_DUPLICATE:
		answer(link, datagram, transaction->sequence);
		break;
	case V1_PENDING:
	case V1_STALE:
		break;
	}
}

static void receive_transaction(struct link *link, const struct datagram *datagram)
{
	struct v1_transaction transaction;
	enum v1_error error;

	if (link->options.drop_rate > 0 && drops(link)) {
		link->result.dropped++;
		return;
	}
	error = v1_decode(datagram->bytes, datagram->size, &transaction);
	if (error != V1_OK)
		snprintf(link->result.wrong, sizeof(link->result.wrong),
			"a datagram is refused: %s", v1_error_name(error));
	else if (transaction.wants_ack)
		receive_acknowledged(link, datagram, &transaction);
	else
		process(link, transaction);
}

static void receive_raw(struct link *link, const struct datagram *datagram)
{
	uint64_t number;

	memcpy(&number, datagram->bytes, sizeof(number));
	if (datagram->size != V1_DATAGRAM_MAX)
		snprintf(link->result.wrong, sizeof(link->result.wrong), "a datagram of %zu bytes",
			datagram->size);
	else if (check_number(link, number))
		link->result.delivered++;
}

static void receive_batch(struct link *link)
{
	struct datagram datagram;

	link->last_ns = clock_monotonic_ns();
	if (link->first_ns == 0)
		link->first_ns = link->last_ns;
	while (udp_receiver_next(link->receiver_buffers, &datagram)) {
		link->result.bytes += datagram.size;
		if (link->options.class == LINK_RAW)
			receive_raw(link, &datagram);
		else
			receive_transaction(link, &datagram);
	}
}

static double thread_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *receive_all(void *arg)
{
	struct link *link = arg;
	struct pollfd ready = {.fd = link->receiver_fd, .events = POLLIN};
	double cpu_ns = thread_cpu_ns();

	for (;;) {
		bool done = atomic_load(&link->sender_done);
		int n = udp_receive(link->receiver_buffers, link->receiver_fd);

		if (n > 0) {
			receive_batch(link);
		} else if (n < 0) {
			atomic_store(&link->error, n);
			break;
		} else if (poll(&ready, 1, QUIET_MS) == 0 && done) {
			break;
		}
	}
	link->result.receiver_cpu_ns = thread_cpu_ns() - cpu_ns;
	return NULL;
}

/* ---- the sending end ---- */

/* Sends all of a batch, waiting while the socket is full. 0 or a negative errno. */
static int send_batch(struct link *link, struct mmsghdr *messages, unsigned int count)
{
	struct pollfd ready = {.fd = link->sender_fd, .events = POLLOUT};

	while (count > 0) {
		int n = sendmmsg(link->sender_fd, messages, count, 0);

		if (n > 0) {
			messages += n;
			count -= (unsigned int)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			(void)poll(&ready, 1, QUIET_MS);
		} else {
			return -errno;
		}
	}
	return 0;
}

static bool time_is_over(const struct link *link)
{
	return clock_monotonic_ns() - link->start_ns >= link->options.duration_ns;
}

/* As many events as a datagram takes. */
static void fill(struct link *link, struct v1_builder *builder, bool wants_ack)
{
	for (;;) {
		struct flow_event flow = flow_of(link->result.sent + 1);

		if (v1_builder_add(builder, EVENT_FLOW, &flow, wants_ack) < 0)
			break;
		link->result.sent++;
	}
}

static void fill_raw(struct link *link, struct v1_builder *builder)
{
	link->result.sent++;
	memcpy(builder->bytes, &link->result.sent, sizeof(link->result.sent));
	builder->size = V1_DATAGRAM_MAX;
}

static int send_unacknowledged(struct link *link)
{
	struct mmsghdr messages[BATCH] = {0};
	struct iovec vectors[BATCH];
	int r = 0;

	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
	while (r == 0 && !time_is_over(link)) {
		for (int i = 0; i < BATCH; i++) {
			struct v1_builder *builder = &link->builders[i];

			v1_builder_start(builder, SWITCH_ID, 0);
			if (link->options.class == LINK_RAW)
				fill_raw(link, builder);
			else
				fill(link, builder, false);
			vectors[i] = (struct iovec){builder->bytes, builder->size};
		}
		r = send_batch(link, messages, BATCH);
	}
	return r;
}

static int send_outstanding(struct link *link)
{
	const struct v1_builder *builder = &link->sender.builder;

	/* A full socket is a loss like any other: the timer makes it good. */
	if (send(link->sender_fd, builder->bytes, builder->size, 0) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static void wait_for_answer(struct link *link)
{
	struct pollfd ready = {.fd = link->sender_fd, .events = POLLIN};
	uint64_t now = clock_monotonic_ns();
	uint64_t left = link->sender.resend_at_ns > now ? link->sender.resend_at_ns - now : 0;
	struct timespec timeout = {(time_t)(left / NS_PER_SEC), (long)(left % NS_PER_SEC)};

	(void)ppoll(&ready, 1, &timeout, NULL);
}

static int take_answers(struct link *link)
{
	int n = udp_receive(link->sender_buffers, link->sender_fd);
	struct datagram datagram;

	while (udp_receiver_next(link->sender_buffers, &datagram)) {
		if (!v1_sender_acknowledge(&link->sender, datagram.bytes, datagram.size))
			continue;
		if (link->latency_count < LATENCIES_MAX)
			link->latencies_us[link->latency_count++] =
				(double)(clock_monotonic_ns() - link->sender.sent_ns) / 1e3;
	}
	return MIN(n, 0);
}

static int send_one_acknowledged(struct link *link)
{
	int r;

	fill(link, v1_sender_begin(&link->sender), true);
	v1_sender_commit(&link->sender, clock_monotonic_ns());
	r = send_outstanding(link);
	while (r == 0 && !v1_sender_idle(&link->sender)) {
		uint64_t now;

		wait_for_answer(link);
		r = take_answers(link);
		now = clock_monotonic_ns();
		if (r == 0 && v1_sender_resend_due(&link->sender, now))
			r = send_outstanding(link);
		if (r == 0 && now - link->sender.sent_ns > STUCK_NS)
			r = -ETIMEDOUT;
	}
	return r;
}

static int send_acknowledged(struct link *link)
{
	int r = 0;

	v1_sender_init(&link->sender, SWITCH_ID, V1_RESEND_NS);
	while (r == 0 && !time_is_over(link))
		r = send_one_acknowledged(link);
	link->result.resends = link->sender.resends;
	return r;
}

static void *send_all(void *arg)
{
	struct link *link = arg;
	double cpu_ns = thread_cpu_ns();
	int r;

	link->start_ns = clock_monotonic_ns();
	r = link->options.class == LINK_ACK ? send_acknowledged(link) : send_unacknowledged(link);
	if (r < 0)
		atomic_store(&link->error, r);
	link->result.sender_cpu_ns = thread_cpu_ns() - cpu_ns;
	atomic_store(&link->sender_done, true);
	return NULL;
}

/* ---- both ---- */

static int open_sockets(struct link *link)
{
	struct endpoint endpoint;
	_cleanup_free_ char *error = NULL;
	socklen_t len = sizeof(endpoint.address);
	int r = endpoint_parse("127.0.0.1:0", &endpoint, &error);

	if (r < 0)
		return r;
	link->receiver_fd = udp_listen(&endpoint);
	if (link->receiver_fd < 0)
		return link->receiver_fd;
	if (getsockname(link->receiver_fd, (struct sockaddr *)&endpoint.address, &len) < 0)
		return -errno;
	link->sender_fd = udp_connect(&endpoint);
	return MIN(link->sender_fd, 0);
}

static int link_open(struct link *link)
{
	int r = udp_receiver_new(UDP_MESSAGES_MAX, &link->receiver_buffers);

	if (r == 0)
		r = udp_receiver_new(UDP_MESSAGES_MAX, &link->sender_buffers);
	if (r < 0)
		return r;
	link->latencies_us = malloc(LATENCIES_MAX * sizeof(*link->latencies_us));
	return link->latencies_us ? open_sockets(link) : -ENOMEM;
}

static void link_close(struct link *link)
{
	fd_closep(&link->sender_fd);
	fd_closep(&link->receiver_fd);
	udp_receiver_free(link->sender_buffers);
	udp_receiver_free(link->receiver_buffers);
	free(link->latencies_us);
	free(link);
}
DEFINE_CLEANUP(struct link, link_close)

static int run_threads(struct link *link)
{
	pthread_t sender, receiver;
	int r = pthread_create(&receiver, NULL, receive_all, link);

	if (r != 0)
		return -r;
	r = pthread_create(&sender, NULL, send_all, link);
	if (r == 0)
		pthread_join(sender, NULL);
	else
		atomic_store(&link->sender_done, true);
	pthread_join(receiver, NULL);
	return r != 0 ? -r : atomic_load(&link->error);
}

static void summarize(struct link *link)
{
	static const double fractions[LINK_PERCENTILES] = {0.5, 0.99, 0.999};
	struct link_result *result = &link->result;

	result->seconds = (double)(link->last_ns - link->first_ns) / 1e9;
	result->duplicates = link->receiver.duplicates;
	if (link->options.class != LINK_ACK)
		return;
	for (int i = 0; i < LINK_PERCENTILES; i++)
		result->ack_latency_us[i] =
			report_percentile(link->latencies_us, link->latency_count, fractions[i]);
	if (!result->wrong[0] && result->delivered != result->sent)
		snprintf(result->wrong, sizeof(result->wrong), "%llu of %llu events came",
			(unsigned long long)result->delivered, (unsigned long long)result->sent);
}

int link_run(const struct link_options *options, struct link_result *ret_result)
{
	_cleanup_(link_closep) struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	link->options = *options;
	link->random = options->seed;
	link->sender_fd = link->receiver_fd = -1;
	r = link_open(link);
	if (r == 0)
		r = run_threads(link);
	if (r < 0)
		return r;
	summarize(link);
	*ret_result = link->result;
	return 0;
}
