// SPDX-License-Identifier: BSD-2-Clause
#include "bench/traffic.h"

#include "base/clock.h"
#include "bench/traffic.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <math.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define TAG_BYTES   4
#define CHUNK       65536U /* packets a system call, as fast as it can: some 20 ms */
#define SLICE_NS    (2 * NS_PER_MS)
#define CATCH_UP_NS (100 * NS_PER_MS) /* what a delayed thread makes good at once */

/*
 * Frames that the kernel hands to the veth before it lets the receiver run. A veth's ring takes 256
 * and drops what is more.
 */
#define BATCH 64

struct sender {
	struct traffic *traffic;
	pthread_t thread;
	int cpu;
	uint64_t packets; /* bounds of this thread; 0: none */
	double packets_per_ns;
	int error;
	double cpu_ns;
};

struct traffic {
	struct traffic_bpf *bpf;
	struct sender senders[TRAFFIC_CPUS_MAX];
	unsigned int cpus;
	unsigned int started;
	atomic_uint running;
	uint64_t start_ns, end_ns;
	struct traffic_stream *streams; /* as last read: one a possible CPU */
	int possible_cpus;
};

static const char *const class_names[TRAFFIC_CLASSES] = {
	[TRAFFIC_CLASS_UDP] = "udp",
	[TRAFFIC_CLASS_SYN] = "syn",
	[TRAFFIC_CLASS_SYN_ACK] = "syn-ack",
	[TRAFFIC_CLASS_ACK] = "ack",
	[TRAFFIC_CLASS_DATA] = "data",
	[TRAFFIC_CLASS_FIN] = "fin",
};

const char *traffic_class_name(enum traffic_class class)
{
	return class_names[class];
}

/* ---- settings ---- */

static uint32_t headers_bytes(const struct traffic_options *options)
{
	return (uint32_t)(sizeof(struct ethhdr) + options->tags * TAG_BYTES +
			  (options->family == 6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) +
			  (options->kind == TRAFFIC_UDP ? sizeof(struct udphdr)
							: sizeof(struct tcphdr)));
}

static int check_options(const struct traffic_options *options)
{
	const bool few = options->flows >= 1 && options->flows <= TRAFFIC_FLOWS_MAX;

	if (options->family != 4 && options->family != 6)
		return -EINVAL;
	if (!few && options->spread != TRAFFIC_SPOOFED)
		return -EINVAL;
	if (options->tags > TRAFFIC_TAGS_MAX || options->size_count > TRAFFIC_SIZES_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < options->size_count; i++)
		if (options->sizes[i] > TRAFFIC_FRAME_MAX)
			return -EINVAL;
	return options->cpus >= 1 && options->cpus <= TRAFFIC_CPUS_MAX ? 0 : -EINVAL;
}

void traffic_settings_init(
	struct traffic_settings *ret_settings, const struct traffic_options *options)
{
	struct traffic_settings *s = ret_settings;
	const uint32_t least = MAX((uint32_t)TRAFFIC_FRAME_MIN, headers_bytes(options));

	memset(s, 0, sizeof(*s));
	s->kind = options->kind;
	s->spread = options->spread;
	s->family = options->family;
	s->tags = options->tags;
	s->flows = options->flows;
	s->streams = options->cpus;
	s->seed = options->seed;
	s->size_min = least;
	s->size_max = least;
	s->size_count = MAX(options->size_count, 1U);
	for (uint32_t i = 0; i < s->size_count; i++) {
		s->sizes[i] = MAX(MAX(options->sizes[i], least), headers_bytes(options) + 1);
		s->size_max = MAX(s->size_max, s->sizes[i]);
	}
	/* Rounded down: the last flow is not exceeded. */
	s->log2_flows = (uint32_t)(log2(options->flows + 1.0) * (1 << 26));
	for (int i = 0; i <= TRAFFIC_POWERS; i++)
		s->powers[i] =
			(uint32_t)MIN(ldexp(exp2((double)i / TRAFFIC_POWERS), 31), 0xffffffffU);
}

/* The first CPUs that this process may use. */
static int choose_cpus(struct traffic *traffic)
{
	cpu_set_t allowed;
	unsigned int found = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < traffic->cpus; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			traffic->senders[found++].cpu = cpu;
	return found == traffic->cpus ? 0 : -EINVAL;
}

/* ---- streams: each CPU's own ---- */

static int streams_map(const struct traffic *traffic)
{
	return bpf_map__fd(traffic->bpf->maps.streams);
}

static int streams_read(struct traffic *traffic, struct traffic_stream *ret_streams)
{
	const uint32_t zero = 0;

	return bpf_map_lookup_elem(streams_map(traffic), &zero, ret_streams) < 0 ? -errno : 0;
}

static int streams_init(struct traffic *traffic)
{
	const uint32_t zero = 0;

	traffic->possible_cpus = libbpf_num_possible_cpus();
	if (traffic->possible_cpus < 0)
		return traffic->possible_cpus;
	traffic->streams = calloc((size_t)traffic->possible_cpus, sizeof(*traffic->streams));
	if (!traffic->streams)
		return -ENOMEM;
	for (unsigned int i = 0; i < traffic->cpus; i++)
		traffic->streams[traffic->senders[i].cpu].index = i;
	if (bpf_map_update_elem(streams_map(traffic), &zero, traffic->streams, BPF_ANY) < 0)
		return -errno;
	return 0;
}

int traffic_new(const struct traffic_options *options, struct traffic **ret_traffic)
{
	_cleanup_(traffic_freep) struct traffic *traffic = calloc(1, sizeof(*traffic));
	struct traffic_settings *settings;
	unsigned int ifindex;
	int r = check_options(options);

	if (r < 0)
		return r;
	if (!traffic)
		return -ENOMEM;
	ifindex = if_nametoindex(options->interface);
	if (ifindex == 0)
		return -ENODEV;
	traffic->cpus = options->cpus;
	r = choose_cpus(traffic);
	if (r < 0)
		return r;
	traffic->bpf = traffic_bpf__open();
	if (!traffic->bpf)
		return -errno;
	settings = &traffic->bpf->rodata->settings;
	traffic_settings_init(settings, options);
	settings->ifindex = ifindex;
	r = traffic_bpf__load(traffic->bpf);
	if (r == 0)
		r = streams_init(traffic);
	if (r < 0)
		return r;
	*ret_traffic = TAKE_PTR(traffic);
	return 0;
}

/* ---- sending ---- */

static double thread_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int send_some(const struct traffic *traffic, uint32_t packets)
{
	uint8_t frame[TRAFFIC_FRAME_MAX] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		.data_size_in = traffic->bpf->rodata->settings.size_max, .repeat = (int)packets,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	return bpf_prog_test_run_opts(bpf_program__fd(traffic->bpf->progs.traffic), &opts);
}

static void sleep_until(uint64_t ns)
{
	const struct timespec at = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* How many may go now; waits until there is one. */
static uint32_t allowance(struct sender *sender, uint64_t *last_ns, double *credit)
{
	uint64_t now;

	if (sender->packets_per_ns == 0)
		return CHUNK;
	for (;;) {
		now = clock_monotonic_ns();
		*credit += (double)(now - *last_ns) * sender->packets_per_ns;
		*last_ns = now;
		*credit = MIN(*credit, (double)CATCH_UP_NS * sender->packets_per_ns + 1);
		if (*credit >= 1)
			break;
		sleep_until(now + SLICE_NS);
	}
	return MIN((uint32_t)*credit, CHUNK);
}

static int send_all(struct sender *sender)
{
	const struct traffic *traffic = sender->traffic;
	uint64_t last_ns = traffic->start_ns, sent = 0;
	double credit = 0;

	while (clock_monotonic_ns() < traffic->end_ns) {
		uint32_t count = allowance(sender, &last_ns, &credit);
		int r;

		if (sender->packets > 0)
			count = (uint32_t)MIN((uint64_t)count, sender->packets - sent);
		if (count == 0)
			break;
		r = send_some(traffic, count);
		if (r < 0)
			return r;
		sent += count;
		credit -= count;
		if (sender->packets_per_ns > 0)
			sleep_until(last_ns + SLICE_NS);
	}
	return 0;
}

static void *sender_main(void *arg)
{
	struct sender *sender = arg;
	double cpu_ns = thread_cpu_ns();
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(sender->cpu, &own);
	sender->error = -pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
	if (sender->error == 0)
		sender->error = send_all(sender);
	sender->cpu_ns = thread_cpu_ns() - cpu_ns;
	atomic_fetch_sub(&sender->traffic->running, 1);
	return NULL;
}

static void sender_init(
	struct traffic *traffic, unsigned int i, const struct traffic_bounds *bounds)
{
	struct sender *sender = &traffic->senders[i];

	sender->traffic = traffic;
	sender->packets = bounds->packets / traffic->cpus + (i < bounds->packets % traffic->cpus);
	sender->packets_per_ns = (double)bounds->rate / traffic->cpus / NS_PER_SEC;
	sender->error = 0;
}

static int wait_for_senders(struct traffic *traffic)
{
	int r = 0;

	for (; traffic->started > 0; traffic->started--) {
		const struct sender *sender = &traffic->senders[traffic->started - 1];

		pthread_join(sender->thread, NULL);
		if (sender->error < 0)
			r = sender->error;
	}
	return r;
}

int traffic_start(struct traffic *traffic, const struct traffic_bounds *bounds)
{
	unsigned int threads = traffic->cpus;

	if (bounds->packets == 0 && bounds->duration_ns == 0)
		return -EINVAL;
	if (bounds->packets > 0) /* 0 packets of a thread would mean any number */
		threads = (unsigned int)MIN((uint64_t)threads, bounds->packets);
	traffic->start_ns = clock_monotonic_ns();
	traffic->end_ns =
		bounds->duration_ns > 0 ? traffic->start_ns + bounds->duration_ns : UINT64_MAX;
	for (unsigned int i = 0; i < threads; i++) {
		struct sender *sender = &traffic->senders[i];
		int r;

		sender_init(traffic, i, bounds);
		atomic_fetch_add(&traffic->running, 1);
		r = -pthread_create(&sender->thread, NULL, sender_main, sender);
		if (r < 0) {
			atomic_fetch_sub(&traffic->running, 1);
			(void)wait_for_senders(traffic);
			return r;
		}
		traffic->started++;
	}
	return 0;
}

bool traffic_is_running(const struct traffic *traffic)
{
	return atomic_load(&traffic->running) > 0;
}

static int settle(
	struct traffic *traffic, const struct traffic_stream *now, struct traffic_result *result)
{
	uint64_t errors = 0;

	for (unsigned int i = 0; i < traffic->cpus; i++) {
		const int cpu = traffic->senders[i].cpu;

		errors += now[cpu].errors - traffic->streams[cpu].errors;
		for (int class = 0; class < TRAFFIC_CLASSES; class ++) {
			uint64_t packets = now[cpu].sent[class].packets -
					   traffic->streams[cpu].sent[class].packets;
			uint64_t bytes = now[cpu].sent[class].bytes -
					 traffic->streams[cpu].sent[class].bytes;

			result->sent[class].packets += packets;
			result->sent[class].bytes += bytes;
			result->packets += packets;
			result->bytes += bytes;
		}
	}
	memcpy(traffic->streams, now, (size_t)traffic->possible_cpus * sizeof(*now));
	return errors > 0 ? -EBADMSG : 0;
}

int traffic_join(struct traffic *traffic, struct traffic_result *ret_result)
{
	_cleanup_free_ struct traffic_stream *now =
		calloc((size_t)traffic->possible_cpus, sizeof(*now));
	struct traffic_result result = {0};
	unsigned int threads = traffic->started;
	int r = wait_for_senders(traffic);

	result.seconds = (double)(clock_monotonic_ns() - traffic->start_ns) / NS_PER_SEC;
	if (r < 0)
		return r;
	if (!now)
		return -ENOMEM;
	r = streams_read(traffic, now);
	if (r == 0)
		r = settle(traffic, now, &result);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < threads; i++)
		result.cpu_ns += traffic->senders[i].cpu_ns;
	*ret_result = result;
	return 0;
}

int traffic_run(struct traffic *traffic, const struct traffic_bounds *bounds,
	struct traffic_result *ret_result)
{
	int r = traffic_start(traffic, bounds);

	return r < 0 ? r : traffic_join(traffic, ret_result);
}

void traffic_free(struct traffic *traffic)
{
	if (!traffic)
		return;
	(void)wait_for_senders(traffic);
	traffic_bpf__destroy(traffic->bpf);
	free(traffic->streams);
	free(traffic);
}

const struct traffic_settings *traffic_settings(const struct traffic *traffic)
{
	return &traffic->bpf->rodata->settings;
}

uint64_t traffic_stream_packets(const struct traffic *traffic, uint32_t stream)
{
	return traffic->streams[traffic->senders[stream].cpu].next;
}
