// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flow_clock.h"

#include "base/clock.h"
#include "base/event_clock.h"
#include "base/fd.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <time.h>

/* A program that gives 32 bits of the counter: all that BPF_PROG_TEST_RUN returns of it. */
static int load_reader(int32_t shift)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64},
		{.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = shift},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(
		BPF_PROG_TYPE_XDP, "tick", "Dual BSD/GPL", insns, ARRAY_SIZE(insns), NULL);
}

static int run_reader(int fd, uint32_t *ret_bits)
{
	uint8_t packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		.data_out = packet, .data_size_out = sizeof(packet));
	int r = bpf_prog_test_run_opts(fd, &opts);

	if (r == 0)
		*ret_bits = opts.retval;
	return r;
}

/* Reads the lower bits until they change, and when that was, give or take `within_ns`. */
static int wait_for_tick(int fd, uint64_t within_ns, uint32_t *ret_low, uint64_t *ret_monotonic_ns)
{
	uint64_t since_ns, now_ns = clock_monotonic_ns();
	uint32_t before, low = 0;
	int r = run_reader(fd, &low);

	before = low;
	/*
	 * Where the thread had to wait for its CPU, it does not know when the tick was: then it
	 * waits for another one, and is content with less.
	 */
	do {
		if (low != before)
			within_ns *= 2;
		before = low;
		since_ns = now_ns;
		if (r == 0)
			r = run_reader(fd, &low);
		now_ns = clock_monotonic_ns();
	} while (r == 0 && (low == before || now_ns - since_ns > within_ns));
	*ret_low = low;
	*ret_monotonic_ns = now_ns;
	return r;
}

int flow_clock_open(struct flow_clock *ret_clock)
{
	_cleanup_fd_ int low_fd = load_reader(0), high_fd = load_reader(32);
	uint32_t low = 0, high = 0, low_after = 0;
	struct flow_clock clock;
	struct timespec tick;
	int r;

	if (low_fd < 0 || high_fd < 0)
		return low_fd < 0 ? low_fd : high_fd;
	/* The coarse clock goes on once a tick. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
		return -errno;
	clock.tick_ns = (uint64_t)tick.tv_sec * NS_PER_SEC + (uint64_t)tick.tv_nsec;
	do {
		r = wait_for_tick(low_fd, clock.tick_ns / 8, &low, &clock.monotonic_ns);
		if (r == 0)
			r = run_reader(high_fd, &high);
		if (r == 0)
			r = run_reader(low_fd, &low_after);
	} while (r == 0 && low_after < low); /* the upper bits are the next ones' */
	if (r < 0)
		return r;
	clock.tick = (uint64_t)high << 32 | low;
	*ret_clock = clock;
	return 0;
}

struct flow_time flow_clock_now(const struct flow_clock *clock)
{
	const uint64_t now_ns = clock_monotonic_ns(), since_ns = now_ns - clock->monotonic_ns;
	const uint64_t ticks = since_ns / clock->tick_ns;

	return (struct flow_time){
		.tick = clock->tick + ticks,
		.unix_ns = now_ns + event_clock_epoch_ns() - since_ns % clock->tick_ns,
	};
}
