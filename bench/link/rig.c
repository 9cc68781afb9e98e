// SPDX-License-Identifier: BSD-2-Clause
#include "bench/link/rig.h"

#include "base/clock.h"
#include "base/fd.h"
#include "bench/report.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LATENCIES_MAX (1U << 20)
#define WORDS         (LINK_EVENT_BYTES / sizeof(uint64_t))

static const struct link_ends *const protocols[] = {
	[LINK_RAW] = &link_raw, [LINK_V1] = &link_v1, [LINK_V2] = &link_v2, [LINK_TLS] = &link_tls};

/* ---- events by number ---- */

/* Odd, so that each word differs in each event; the first is the number itself. */
static const uint64_t factors[WORDS] = {1, 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
	0x94d049bb133111eb, 0xd6e8feb86659fd93, 0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53,
	0x2545f4914f6cdd1d, 0x5851f42d4c957f2d};

void link_make_events(uint8_t *events, uint64_t first, uint64_t count)
{
	for (uint64_t number = first; number < first + count; number++) {
		uint64_t words[WORDS];

		for (size_t i = 0; i < WORDS; i++)
			words[i] = number * factors[i];
		memcpy(events, words, sizeof(words));
		events += sizeof(words);
	}
}

static bool is_event(const uint8_t *event, uint64_t number)
{
	uint64_t words[WORDS], difference = 0;

	memcpy(words, event, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		difference |= words[i] ^ number * factors[i];
	return difference == 0;
}

/* ---- when they come to be ---- */

bool link_is_over(const struct link *link, uint64_t now_ns)
{
	return now_ns - link->start_ns >= link->options.duration_ns;
}

uint64_t link_existing(const struct link *link, uint64_t now_ns)
{
	uint64_t time_ns = MIN(now_ns - link->start_ns, link->options.duration_ns - 1);

	if (link->options.burst == 0)
		return link_is_over(link, now_ns) ? link->sent : UINT64_MAX;
	return link->options.burst * (time_ns / link->options.burst_every_ns + 1);
}

uint64_t link_next_event_ns(const struct link *link, uint64_t now_ns)
{
	uint64_t every = link->options.burst_every_ns, next;

	if (link->options.burst == 0)
		return UINT64_MAX;
	next = ((now_ns - link->start_ns) / every + 1) * every;
	return next < link->options.duration_ns ? link->start_ns + next : UINT64_MAX;
}

bool link_is_cut(const struct link *link, uint64_t now_ns)
{
	return link->options.cut && link_is_over(link, now_ns);
}

void link_settle(struct link *link, uint64_t number)
{
	atomic_store_explicit(&link->settled, number, memory_order_relaxed);
}

static double came_to_be_ns(const struct link *link, uint64_t number)
{
	uint64_t burst = (number - 1) / link->options.burst;

	return (double)link->start_ns + (double)burst * (double)link->options.burst_every_ns;
}

/* ---- checking ---- */

void link_say_wrong(struct link *link, const char *fmt, ...)
{
	va_list args;

	if (link->result.wrong[0])
		return;
	va_start(args, fmt);
	vsnprintf(link->result.wrong, sizeof(link->result.wrong), fmt, args);
	va_end(args);
}

static bool comes_whole(const struct link *link)
{
	return link->options.protocol == LINK_TLS ||
	       (link->options.acknowledged && link->options.protocol != LINK_RAW);
}

void link_check_number(struct link *link, uint64_t number, uint64_t now_ns)
{
	if (comes_whole(link) ? number != link->last_number + 1 : number <= link->last_number) {
		link_say_wrong(link, "number %llu came after %llu", (unsigned long long)number,
			(unsigned long long)link->last_number);
		return;
	}
	link->last_number = number;
	link->delivered++;
	if (link->options.burst > 0 && link->latency_count < LATENCIES_MAX)
		link->latencies_us[link->latency_count++] =
			((double)now_ns - came_to_be_ns(link, number)) / 1e3;
}

void link_check_events(
	struct link *link, const uint8_t *events, size_t stride, uint64_t count, uint64_t now_ns)
{
	for (uint64_t i = 0; i < count; i++, events += stride) {
		uint64_t number;

		memcpy(&number, events, sizeof(number));
		if (!is_event(events, number)) {
			link_say_wrong(link, "the event after number %llu has other content",
				(unsigned long long)link->last_number);
			return;
		}
		link_check_number(link, number, now_ns);
	}
}

void link_note_lost(struct link *link, uint64_t count)
{
	if (comes_whole(link))
		link_say_wrong(link, "%llu acknowledged events after number %llu are lost",
			(unsigned long long)count, (unsigned long long)link->last_number);
}

void link_note_arrival(struct link *link, uint64_t now_ns)
{
	link->last_ns = now_ns;
}

/* splitmix64 (Steele, Lea and Flood, 2014). */
static double random_unit(struct link *link)
{
	uint64_t z = link->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53;
}

bool link_loses(struct link *link)
{
	bool loses = link->options.loss > 0 && random_unit(link) < link->options.loss;

	link->dropped += loses;
	return loses;
}

bool link_reorders(struct link *link)
{
	return link->options.reorder > 0 && random_unit(link) < link->options.reorder;
}

/* ---- sockets ---- */

static struct timespec span(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};
}

bool link_wait(struct link *link, uint64_t until_ns)
{
	struct pollfd ready = {.fd = link->receiver_fd, .events = POLLIN};
	bool done = atomic_load(&link->sender_done);
	uint64_t now_ns = clock_monotonic_ns(), quiet_ns = LINK_QUIET_MS * NS_PER_MS;
	uint64_t left = MIN(until_ns - MIN(until_ns, now_ns), quiet_ns);
	struct timespec timeout = span(left);

	return ppoll(&ready, 1, &timeout, NULL) != 0 || !done || left < quiet_ns;
}

int link_flush(struct link *link, struct udp_sender *sender, int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	while (udp_sender_flush(sender, fd) == -EAGAIN) {
		if (atomic_load(&link->error) < 0)
			return -ECANCELED;
		(void)poll(&ready, 1, LINK_QUIET_MS);
	}
	return 0;
}

int link_open_udp(struct link *link)
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
	return link->sender_fd < 0 ? link->sender_fd : udp_forbid_fragments(link->sender_fd);
}

/* ---- threads ---- */

static double thread_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void fail(struct link *link, int r)
{
	int none = 0;

	if (r == 0 || !atomic_compare_exchange_strong(&link->error, &none, r))
		return;
	/* The other end may be waiting. */
	(void)shutdown(link->sender_fd, SHUT_RDWR);
	(void)shutdown(link->receiver_fd, SHUT_RDWR);
}

static void *receive_all(void *arg)
{
	struct link *link = arg;
	double cpu_ns = thread_cpu_ns();

	fail(link, link->ends->receive(link));
	link->result.receiver_cpu_ns = thread_cpu_ns() - cpu_ns;
	return NULL;
}

static void *send_all(void *arg)
{
	struct link *link = arg;
	double cpu_ns = thread_cpu_ns();

	fail(link, link->ends->send(link));
	link->result.sender_cpu_ns = thread_cpu_ns() - cpu_ns;
	atomic_store(&link->sender_done, true);
	return NULL;
}

static void take_sample(struct link *link, uint64_t now_ns)
{
	struct link_sample *sample = &link->options.samples[link->result.sample_count++];

	sample->seconds = (double)(now_ns - link->start_ns) / 1e9;
	sample->settled = (double)atomic_load_explicit(&link->settled, memory_order_relaxed);
	sample->waiting = (double)link_existing(link, now_ns) - sample->settled;
}

static void *sample_all(void *arg)
{
	struct link *link = arg;
	uint64_t next_ns = link->start_ns;

	while (link->result.sample_count < link->options.samples_max) {
		uint64_t now_ns = clock_monotonic_ns();
		struct timespec pause;

		if (link_is_over(link, now_ns))
			break;
		take_sample(link, now_ns);
		next_ns += link->options.sample_every_ns;
		pause = span(next_ns - MIN(next_ns, clock_monotonic_ns()));
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* The sender's thread is this one's; it ends when all is sent, then the receiver's ends. */
static int run_threads(struct link *link)
{
	pthread_t receiver, sampler;
	bool samples = link->options.samples != NULL;
	int r;

	link->start_ns = clock_monotonic_ns();
	r = pthread_create(&receiver, NULL, receive_all, link);
	if (r != 0)
		return -r;
	if (samples && pthread_create(&sampler, NULL, sample_all, link) != 0) {
		fail(link, -EAGAIN);
		samples = false;
	}
	send_all(link);
	pthread_join(receiver, NULL);
	if (samples)
		pthread_join(sampler, NULL);
	return atomic_load(&link->error);
}

static void summarize(struct link *link)
{
	static const double fractions[LINK_PERCENTILES] = {0.5, 0.99, 0.999};
	struct link_result *result = &link->result;
	struct udp_memory memory;

	result->sent = link->sent;
	result->delivered = link->delivered;
	result->bytes = link->bytes;
	result->dropped = link->dropped;
	result->seconds = (double)(link->last_ns - link->start_ns) / 1e9;
	if (link->options.protocol != LINK_TLS && udp_get_memory(link->receiver_fd, &memory) == 0)
		result->socket_drops = memory.drops;
	result->has_latency = link->latency_count > 0;
	for (int i = 0; i < LINK_PERCENTILES && result->has_latency; i++)
		result->latency_us[i] =
			report_percentile(link->latencies_us, link->latency_count, fractions[i]);
	if (comes_whole(link) && !link->options.cut && result->delivered != result->sent)
		link_say_wrong(link, "%llu of %llu events came",
			(unsigned long long)result->delivered, (unsigned long long)result->sent);
}

static void link_free(struct link *link)
{
	link->ends->close(link);
	fd_closep(&link->sender_fd);
	fd_closep(&link->receiver_fd);
	free(link->latencies_us);
	free(link);
}
DEFINE_CLEANUP(struct link, link_free)

int link_run(const struct link_options *options, struct link_result *ret_result)
{
	_cleanup_(link_freep) struct link *link = aligned_alloc(64, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	memset(link, 0, sizeof(*link));
	link->options = *options;
	link->ends = protocols[options->protocol];
	link->random = options->seed;
	link->sender_fd = link->receiver_fd = -1;
	link->latencies_us = malloc(LATENCIES_MAX * sizeof(*link->latencies_us));
	if (!link->latencies_us)
		return -ENOMEM;
	r = link->ends->open(link);
	if (r == 0)
		r = run_threads(link);
	if (r < 0)
		return r;
	summarize(link);
	*ret_result = link->result;
	return 0;
}
