/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

/*
 * An epoll event loop for one thread: descriptors, timers, signals. Sources are owned by the caller
 * (embed struct loop_io / loop_timer in your own object) and may be removed at any time, also from
 * inside a callback, their own included; a removed source is never called again. Nothing here is
 * thread-safe but loop_wake(), which makes a loop_run() of another thread call its wake callback.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_io;
struct loop_timer;

typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events);
typedef void (*loop_timer_fn)(struct loop_timer *timer, uint64_t now_ns);
typedef void (*loop_signal_fn)(void *user, int signo);

struct loop_io {
	struct loop *loop;
	int fd; /* not owned */
	loop_io_fn fn;
	void *user;
};

struct loop_timer {
	struct loop *loop;
	uint64_t at_ns; /* monotonic; 0 = not armed */
	loop_timer_fn fn;
	void *user;
	struct loop_timer *next; /* the loop's list of armed timers, soonest first */
};

int loop_new(struct loop **ret_loop) _must_check_;
void loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop, loop_free)

/* The monotonic time at which the present round of callbacks began. */
uint64_t loop_now_ns(const struct loop *loop);

/* `events` as for epoll(7), level-triggered. Returns 0 or the negative errno of epoll_ctl. */
int loop_add_io(struct loop *loop, struct loop_io *io, int fd, uint32_t events) _must_check_;
int loop_set_io(struct loop_io *io, uint32_t events) _must_check_;
void loop_remove_io(struct loop_io *io);

/* Arms (again) for a monotonic time; fires once. Cannot fail. */
void loop_arm_timer(struct loop *loop, struct loop_timer *timer, uint64_t at_ns);
void loop_disarm_timer(struct loop_timer *timer);

/* Blocks the signals in this thread (and those made after it) and delivers them to `fn`. */
int loop_add_signals(struct loop *loop, const int *signals, int count, loop_signal_fn fn,
	void *user) _must_check_;

/* Registers what loop_wake() calls on the loop's thread. One a loop. */
void loop_on_wake(struct loop *loop, void (*fn)(void *user), void *user);
/* Thread-safe and async-signal-safe; several wakes may become one call. */
void loop_wake(struct loop *loop);

/* Runs until loop_stop(). Returns 0, or the negative errno of epoll_wait. */
int loop_run(struct loop *loop) _must_check_;
void loop_stop(struct loop *loop);

#endif
