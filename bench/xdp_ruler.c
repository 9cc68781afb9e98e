// SPDX-License-Identifier: BSD-2-Clause
#include "bench/xdp_ruler.h"

#include "base/clock.h"
#include "bench/xdp_shuffle.h"
#include "bench/xdp_shuffle.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define UNIFORM_FLOWS 131072U
#define ZIPF_FLOWS    1048576U
#define SHUFFLED_MAX  16

/* 64 bytes with the checksum of the frame, which XDP does not see. */
struct ruler_packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t payload[6];
} __attribute__((packed));

struct shuffled {
	struct xdp_shuffle *shuffler;
	uint32_t *sequence; /* the map's memory */
	int prog_fd;
};

struct ruler {
	struct ruler_packet packet;
	enum ruler_flows flows;
	uint32_t
		*sequences[RULER_SWEEP]; /* SEQUENCE_LENGTH flow numbers each; none for RULER_ONE */
	struct shuffled shuffled[SHUFFLED_MAX];
	unsigned int count;
};

uint32_t ruler_packet_bytes(void)
{
	return sizeof(struct ruler_packet);
}

/* splitmix64 (S. Vigna): the sequences are the same in each run of the benchmark. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void fill_uniform(uint32_t *sequence)
{
	uint64_t state = 1;

	for (uint32_t i = 0; i < SEQUENCE_LENGTH; i++)
		sequence[i] = random_next(&state) % UNIFORM_FLOWS;
}

/* Zipf's distribution with exponent 1, by searching its cumulated weights. */
static int fill_zipf(uint32_t *sequence)
{
	_cleanup_free_ double *below = calloc(ZIPF_FLOWS + 1, sizeof(*below));
	uint64_t state = 2;

	if (!below)
		return -ENOMEM;
	for (uint32_t i = 0; i < ZIPF_FLOWS; i++)
		below[i + 1] = below[i] + 1.0 / (i + 1);
	for (uint32_t i = 0; i < SEQUENCE_LENGTH; i++) {
		const double at =
			ldexp((double)(random_next(&state) >> 11), -53) * below[ZIPF_FLOWS];
		uint32_t low = 0, high = ZIPF_FLOWS;

		while (high - low > 1) {
			const uint32_t middle = (low + high) / 2;

			if (below[middle] <= at)
				low = middle;
			else
				high = middle;
		}
		/* Frequent flows shall not be neighbours in anybody's table. */
		sequence[i] = low * 0x9e3779b1U % ZIPF_FLOWS;
	}
	return 0;
}

static void packet_init(struct ruler_packet *packet)
{
	*packet = (struct ruler_packet){
		.eth = {.h_dest = {2, 0, 0, 0, 0, 2},
			.h_source = {2, 0, 0, 0, 0, 1},
			.h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4,
			.ihl = 5,
			.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr) + 6),
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = htonl(FLOW_ADDRESS(1)),
			.daddr = htonl(0xc0a80001)},
		.tcp = {.source = htons(FLOW_PORT(1)), .dest = htons(443), .doff = 5, .ack = 1},
	};
}

int ruler_new(struct ruler **ret_ruler)
{
	_cleanup_(ruler_freep) struct ruler *ruler = calloc(1, sizeof(*ruler));
	int r;

	if (!ruler)
		return -ENOMEM;
	packet_init(&ruler->packet);
	for (int i = RULER_UNIFORM; i < RULER_SWEEP; i++) {
		ruler->sequences[i] = calloc(SEQUENCE_LENGTH, sizeof(uint32_t));
		if (!ruler->sequences[i])
			return -ENOMEM;
	}
	fill_uniform(ruler->sequences[RULER_UNIFORM]);
	r = fill_zipf(ruler->sequences[RULER_ZIPF]);
	if (r < 0)
		return r;
	*ret_ruler = TAKE_PTR(ruler);
	return 0;
}

void ruler_free(struct ruler *ruler)
{
	if (!ruler)
		return;
	for (unsigned int i = 0; i < ruler->count; i++) {
		munmap(ruler->shuffled[i].sequence, SEQUENCE_LENGTH * sizeof(uint32_t));
		xdp_shuffle__destroy(ruler->shuffled[i].shuffler);
	}
	for (int i = 0; i < RULER_SWEEP; i++)
		free(ruler->sequences[i]);
	free(ruler);
}

void ruler_set_flows(struct ruler *ruler, enum ruler_flows flows)
{
	ruler->flows = flows;
	if (flows == RULER_ONE)
		return;
	for (unsigned int i = 0; i < ruler->count; i++)
		memcpy(ruler->shuffled[i].sequence, ruler->sequences[flows],
			SEQUENCE_LENGTH * sizeof(uint32_t));
}

void ruler_set_sweep(struct ruler *ruler, uint32_t flows)
{
	ruler->flows = RULER_SWEEP;
	for (unsigned int i = 0; i < ruler->count; i++) {
		ruler->shuffled[i].shuffler->bss->position = 0;
		for (uint32_t at = 0; at < flows && at < SEQUENCE_LENGTH; at++)
			ruler->shuffled[i].sequence[at] = at;
	}
}

static struct xdp_shuffle *load_shuffler(bool has_frags)
{
	struct xdp_shuffle *shuffler = xdp_shuffle__open();

	if (!shuffler)
		return NULL;
	if ((has_frags &&
		    bpf_program__set_flags(shuffler->progs.shuffle, BPF_F_XDP_HAS_FRAGS) < 0) ||
		xdp_shuffle__load(shuffler) < 0) {
		xdp_shuffle__destroy(shuffler);
		return NULL;
	}
	return shuffler;
}

int ruler_add(struct ruler *ruler, int prog_fd, bool has_frags, struct shuffled **ret_shuffled)
{
	struct shuffled *s = &ruler->shuffled[ruler->count];
	const uint32_t zero = 0;
	int r;

	if (ruler->count == SHUFFLED_MAX)
		return -ENOSPC;
	s->prog_fd = prog_fd;
	s->shuffler = load_shuffler(has_frags);
	if (!s->shuffler)
		return -errno;
	s->sequence = mmap(NULL, SEQUENCE_LENGTH * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		MAP_SHARED, bpf_map__fd(s->shuffler->maps.sequence), 0);
	r = s->sequence == MAP_FAILED ? -errno : 0;
	if (r == 0)
		r = bpf_map__update_elem(s->shuffler->maps.measured, &zero, sizeof(zero), &prog_fd,
			sizeof(prog_fd), BPF_ANY);
	if (r < 0) {
		if (s->sequence != MAP_FAILED)
			munmap(s->sequence, SEQUENCE_LENGTH * sizeof(uint32_t));
		xdp_shuffle__destroy(s->shuffler);
		return r;
	}
	ruler->count++;
	*ret_shuffled = s;
	return 0;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

int ruler_run(struct ruler *ruler, struct shuffled *shuffled, uint32_t packets, double *ret_ns)
{
	struct ruler_packet packet = ruler->packet;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &packet, .data_size_in = sizeof(packet),
		.repeat = (int)packets);
	const int fd = ruler->flows == RULER_ONE
			       ? shuffled->prog_fd
			       : bpf_program__fd(shuffled->shuffler->progs.shuffle);
	const uint64_t start = thread_cpu_ns();
	int r = bpf_prog_test_run_opts(fd, &opts);

	if (r < 0)
		return r;
	if (opts.retval != XDP_PASS && opts.retval != XDP_DROP)
		return -EBADMSG;
	*ret_ns = (double)(thread_cpu_ns() - start) / packets;
	return 0;
}

int program_size(int prog_fd, struct program_size *ret_size)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int r = bpf_obj_get_info_by_fd(prog_fd, &info, &len);

	if (r < 0)
		return r;
	*ret_size = (struct program_size){
		.instructions = info.xlated_prog_len / sizeof(struct bpf_insn),
		.jited_bytes = info.jited_prog_len,
		.verified = info.verified_insns,
	};
	return 0;
}
