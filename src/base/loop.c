// SPDX-License-Identifier: BSD-2-Clause
#include "base/loop.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#define LOOP_BATCH 64

struct loop {
	int epoll_fd;
	bool stopping;
	bool coarse; /* the kernel takes timeouts in milliseconds only */
	uint64_t now_ns;
	struct loop_timer *timers; /* soonest first; few, so a list */

	/* The round of callbacks that is under way, so that removal can blot out what is pending.
	 */
	struct epoll_event batch[LOOP_BATCH];
	int batch_size;

	struct loop_io signals;
	loop_signal_fn signal_fn;
	void *signal_user;

	struct loop_io wake;
	void (*wake_fn)(void *user);
	void *wake_user;
};

static void loop_read_wake(struct loop_io *io, uint32_t events _unused_)
{
	struct loop *loop = io->user;
	uint64_t count;

	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	if (loop->wake_fn)
		loop->wake_fn(loop->wake_user);
}

int loop_new(struct loop **ret_loop)
{
	_cleanup_(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
	int fd, r;

	if (!loop)
		return -ENOMEM;
	loop->signals.fd = -1;
	loop->wake.fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	loop->wake = (struct loop_io){.fn = loop_read_wake, .user = loop};
	r = loop_add_io(loop, &loop->wake, fd, EPOLLIN);
	if (r < 0) {
		close(fd);
		loop->wake.fd = -1;
		return r;
	}
	loop->now_ns = clock_monotonic_ns();
	*ret_loop = TAKE_PTR(loop);
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signals.fd >= 0)
		close(loop->signals.fd);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

int loop_add_io(struct loop *loop, struct loop_io *io, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = io};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	io->loop = loop;
	io->fd = fd;
	return 0;
}

int loop_set_io(struct loop_io *io, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = io};

	return epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0 ? -errno : 0;
}

void loop_remove_io(struct loop_io *io)
{
	struct loop *loop = io->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = 0; i < loop->batch_size; i++)
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
	io->loop = NULL;
}

void loop_arm_timer(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
	struct loop_timer **at = &loop->timers;

	loop_disarm_timer(timer);
	while (*at && (*at)->at_ns <= at_ns)
		at = &(*at)->next;
	timer->loop = loop;
	timer->at_ns = MAX(at_ns, 1ULL);
	timer->next = *at;
	*at = timer;
}

void loop_disarm_timer(struct loop_timer *timer)
{
	if (timer->at_ns == 0)
		return;
	for (struct loop_timer **at = &timer->loop->timers; *at; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	timer->next = NULL;
	timer->at_ns = 0;
}

static void loop_read_signals(struct loop_io *io, uint32_t events _unused_)
{
	struct loop *loop = io->user;
	struct signalfd_siginfo info;

	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_fn(loop->signal_user, (int)info.ssi_signo);
}

int loop_add_signals(
	struct loop *loop, const int *signals, int count, loop_signal_fn fn, void *user)
{
	_cleanup_fd_ int fd = -1;
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (int i = 0; i < count; i++)
		sigaddset(&mask, signals[i]);
	r = pthread_sigmask(SIG_BLOCK, &mask, NULL);
	if (r != 0)
		return -r;
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	loop->signals = (struct loop_io){.fd = -1, .fn = loop_read_signals, .user = loop};
	r = loop_add_io(loop, &loop->signals, fd, EPOLLIN);
	if (r < 0)
		return r;
	TAKE_FD(fd);
	loop->signal_fn = fn;
	loop->signal_user = user;
	return 0;
}

void loop_on_wake(struct loop *loop, void (*fn)(void *user), void *user)
{
	loop->wake_fn = fn;
	loop->wake_user = user;
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;

	/* EAGAIN means that a wake is pending already. */
	if (write(loop->wake.fd, &one, sizeof(one)) < 0)
		return;
}

/* UINT64_MAX: no timer is armed. */
static uint64_t loop_timeout_ns(const struct loop *loop)
{
	uint64_t now = clock_monotonic_ns();

	if (!loop->timers)
		return UINT64_MAX;
	return MIN(loop->timers->at_ns - MIN(now, loop->timers->at_ns), 3600 * NS_PER_SEC);
}

/* Rounded up, so that a timer never finds itself early and spins. */
static int loop_wait_coarsely(struct loop *loop, uint64_t timeout_ns)
{
	int timeout_ms = -1;

	if (timeout_ns != UINT64_MAX)
		timeout_ms = (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
	return epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms);
}

static int loop_wait(struct loop *loop)
{
	uint64_t timeout_ns = loop_timeout_ns(loop);
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NS_PER_SEC),
	};
	int n;

	if (loop->coarse)
		return loop_wait_coarsely(loop, timeout_ns);
	n = epoll_pwait2(loop->epoll_fd, loop->batch, LOOP_BATCH,
		timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
	if (n >= 0 || (errno != ENOSYS && errno != EPERM))
		return n;
	/* Before Linux 5.11, in valgrind, or behind a filter that does not know the call. */
	loop->coarse = true;
	return loop_wait_coarsely(loop, timeout_ns);
}

static void loop_fire_timers(struct loop *loop)
{
	while (loop->timers && loop->timers->at_ns <= loop->now_ns) {
		struct loop_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->next = NULL;
		timer->at_ns = 0;
		timer->fn(timer, loop->now_ns);
	}
}

int loop_run(struct loop *loop)
{
	loop->stopping = false;
	while (!loop->stopping) {
		int n = loop_wait(loop);

		/* Who was stopped meanwhile has timers that are due, and first of all what has come. */
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		loop->now_ns = clock_monotonic_ns();
		loop->batch_size = n;
		for (int i = 0; i < loop->batch_size; i++) {
			struct loop_io *io = loop->batch[i].data.ptr;

			if (io)
				io->fn(io, loop->batch[i].events);
		}
		loop->batch_size = 0;
		loop_fire_timers(loop);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
