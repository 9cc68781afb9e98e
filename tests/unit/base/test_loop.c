// SPDX-License-Identifier: BSD-2-Clause
#include "base/loop.h"

#include "base/clock.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

struct trace {
	struct loop *loop;
	char order[16];
	size_t count;
};

static void note(struct trace *trace, char c)
{
	trace->order[trace->count++] = c;
}

static void on_timer_a(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	note(timer->user, 'a');
}

static void on_timer_b(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct trace *trace = timer->user;

	note(trace, 'b');
	loop_stop(trace->loop);
}

static void timers_fire_by_time_not_by_arming(void **state _unused_)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct trace trace = {0};
	struct loop_timer a = {.fn = on_timer_a, .user = &trace};
	struct loop_timer b = {.fn = on_timer_b, .user = &trace};
	struct loop_timer never = {.fn = on_timer_a, .user = &trace};
	uint64_t now = clock_monotonic_ns();

	assert_int_equal(loop_new(&loop), 0);
	trace.loop = loop;
	loop_arm_timer(loop, &b, now + 4 * NS_PER_MS);
	loop_arm_timer(loop, &never, now + 2 * NS_PER_MS);
	loop_arm_timer(loop, &a, now + NS_PER_MS);
	loop_disarm_timer(&never);
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(trace.order, "ab");
}

static int interrupted_fd;
static uint64_t interrupted_until_ns;

static void interrupt(int signo _unused_)
{
	(void)!write(interrupted_fd, "x", 1);
	while (clock_monotonic_ns() < interrupted_until_ns)
		;
}

static void on_readable(struct loop_io *io, uint32_t events _unused_)
{
	note(io->user, 'r');
	loop_remove_io(io);
}

/* As one that is stopped, and goes on when its timers are due: what they wait for is there. */
static void what_came_during_an_interruption_is_seen_before_timers(void **state _unused_)
{
	const struct sigaction action = {.sa_handler = interrupt};
	const struct itimerval soon = {.it_value = {.tv_usec = 10000}};
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct trace trace = {0};
	struct loop_timer timer = {.fn = on_timer_b, .user = &trace};
	struct loop_io io = {.fn = on_readable, .user = &trace};
	int fds[2];

	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	trace.loop = loop;
	interrupted_fd = fds[1];
	interrupted_until_ns = clock_monotonic_ns() + 100 * NS_PER_MS;
	assert_int_equal(loop_add_io(loop, &io, fds[0], EPOLLIN), 0);
	loop_arm_timer(loop, &timer, interrupted_until_ns);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(trace.order, "rb");
	close(fds[0]);
	close(fds[1]);
}

struct pair {
	struct loop_io io[2];
	int calls;
};

static void on_readable_remove_both(struct loop_io *io, uint32_t events _unused_)
{
	struct pair *pair = io->user;
	struct loop *loop = io->loop;

	pair->calls++;
	loop_remove_io(&pair->io[0]);
	loop_remove_io(&pair->io[1]);
	loop_stop(loop);
}

static void a_source_removed_in_a_callback_is_not_called(void **state _unused_)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct pair pair = {0};
	int fds[2][2];

	assert_int_equal(loop_new(&loop), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(fds[i]), 0);
		assert_int_equal(write(fds[i][1], "x", 1), 1);
		pair.io[i] = (struct loop_io){.fn = on_readable_remove_both, .user = &pair};
		assert_int_equal(loop_add_io(loop, &pair.io[i], fds[i][0], EPOLLIN), 0);
	}
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(pair.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void on_signal(void *user, int signo)
{
	struct trace *trace = user;

	note(trace, signo == SIGUSR1 ? 's' : '?');
	loop_stop(trace->loop);
}

static void signals_arrive_as_events(void **state _unused_)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct trace trace = {0};
	const int signals[] = {SIGUSR1};

	assert_int_equal(loop_new(&loop), 0);
	trace.loop = loop;
	assert_int_equal(loop_add_signals(loop, signals, 1, on_signal, &trace), 0);
	raise(SIGUSR1);
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(trace.order, "s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_by_time_not_by_arming),
		cmocka_unit_test(what_came_during_an_interruption_is_seen_before_timers),
		cmocka_unit_test(a_source_removed_in_a_callback_is_not_called),
		cmocka_unit_test(signals_arrive_as_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
