// SPDX-License-Identifier: BSD-2-Clause
#include "engine/worker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "engine/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define END_NS     NS_PER_SEC
#define READ_BYTES (256U << 10)
/* Of its output so much is read in that time, and the rest waits: a chatterbox must not hold up others. */
#define OUTPUT_BYTES (64U << 10)
#define OUTPUT_NS    (NS_PER_SEC / 10)
#define REASON_MAX   CONTROL_TEXT_MAX
#define KEEP_BYTES   (1U << 20) /* a buffer above this is given back after use */
#define PIPE_EVENTS(w)                                                                             \
	(((w)->held ? 0 : (uint32_t)EPOLLIN) |                                                     \
		((w)->open && (w)->out.size > (w)->sent ? (uint32_t)EPOLLOUT : 0))

struct worker {
	struct worker_pool *pool;
	struct worker *next;
	const struct worker_ops *ops;
	void *user; /* with ops, NULL once it is retired */
	struct spawned process;
	struct loop_io pipe_io, output_io, control_io, pid_io;
	struct loop_timer end_timer, release_timer, output_timer;

	struct pipe_buffer in;  /* bytes that are not yet a whole frame */
	struct pipe_buffer out; /* bytes to send, from `sent` on */
	size_t sent;
	struct output output;
	uint64_t output_since_ns;
	size_t output_taken;        /* since then */
	struct log_limit own_limit; /* without function, and once it is retired */
	char function[64];          /* its name; until it has one, as among processes */

	bool held;         /* what it says has to wait */
	bool put_down;     /* the launcher was told to kill it */
	bool open;         /* it has its function: what is to be sent may go */
	pid_t runtime_pid; /* 0 until it runs */
	bool ending;       /* killed, or its pipe is closed: no frame counts any more */
	enum worker_end end;
	char reason[REASON_MAX]; /* empty: as its exit status says */
};

static void worker_free(struct worker *worker)
{
	for (struct worker **at = &worker->pool->workers; *at; at = &(*at)->next) {
		if (*at == worker) {
			*at = worker->next;
			break;
		}
	}
	loop_disarm_timer(&worker->end_timer);
	loop_disarm_timer(&worker->release_timer);
	loop_disarm_timer(&worker->output_timer);
	loop_remove_io(&worker->pipe_io);
	loop_remove_io(&worker->output_io);
	loop_remove_io(&worker->control_io);
	loop_remove_io(&worker->pid_io);
	fd_closep(&worker->process.pipe_fd);
	fd_closep(&worker->process.output_fd);
	fd_closep(&worker->process.control_fd);
	fd_closep(&worker->process.pid_fd);
	pipe_buffer_done(&worker->in);
	pipe_buffer_done(&worker->out);
	free(worker);
}

static void worker_put_down(struct worker *worker)
{
	spawn_kill(&worker->process);
	worker->put_down = true;
	loop_arm_timer(worker->pool->loop, &worker->end_timer, clock_monotonic_ns() + END_NS);
}

void worker_kill(struct worker *worker, enum worker_end end, const char *reason)
{
	if (worker->ending)
		return;
	worker->ending = true;
	worker->end = end;
	snprintf(worker->reason, sizeof(worker->reason), "%s", reason);
	loop_remove_io(&worker->pipe_io);
	worker_put_down(worker);
}

/* The pipe is closed from its side: it is about to end, and its exit status will say why. */
static void worker_hang_up(struct worker *worker)
{
	worker->ending = true;
	worker->end = WORKER_CRASHED;
	loop_remove_io(&worker->pipe_io);
	worker_put_down(worker);
}

/* The frame at the front of what is left. 0: it is not all there; or its size with header and padding. */
static size_t worker_peek_frame(struct worker *worker, size_t taken, struct pipe_frame *ret_frame)
{
	size_t left = worker->in.size - taken, size;
	struct cursor c;
	uint32_t len, type;

	if (left < PIPE_HEADER_BYTES)
		return 0;
	cursor_read_init(&c, worker->in.bytes + taken, left);
	len = cursor_get_le32(&c);
	type = cursor_get_le32(&c);
	if (len > PIPE_FRAME_MAX || type > UINT8_MAX) {
		worker_kill(
			worker, WORKER_CRASHED, "wrote something that is no frame into its pipe");
		return 0;
	}
	size = PIPE_HEADER_BYTES + pipe_align(len);
	if (left < size)
		return 0;
	*ret_frame = (struct pipe_frame){(uint8_t)type, c.in + c.pos, len};
	return size;
}

/* Takes whole frames off the front of what has come in. */
static void worker_take_frames(struct worker *worker)
{
	struct pipe_frame frame;
	size_t taken = 0, size;

	while (!worker->ending && !worker->held &&
		(size = worker_peek_frame(worker, taken, &frame)) > 0) {
		taken += size;
		if (worker->ops && worker->ops->frame(worker->user, &frame) < 0)
			worker_kill(worker, WORKER_CRASHED, "sent a frame that makes no sense");
	}
	if (taken > 0) {
		worker->in.size -= taken;
		memmove(worker->in.bytes, worker->in.bytes + taken, worker->in.size);
	}
	if (worker->in.size == 0 && worker->in.capacity > KEEP_BYTES)
		pipe_buffer_done(&worker->in);
}

/* False when there is nothing more to read now. */
static bool worker_read(struct worker *worker)
{
	ssize_t n;

	if (!pipe_buffer_reserve(&worker->in, READ_BYTES)) {
		worker_kill(worker, WORKER_REPLACED, "no memory for its result");
		return false;
	}
	n = read(worker->process.pipe_fd, worker->in.bytes + worker->in.size, READ_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		worker_hang_up(worker);
		return false;
	}
	worker->in.size += (size_t)n;
	worker_take_frames(worker);
	return !worker->ending;
}

static void worker_write(struct worker *worker)
{
	while (worker->open && worker->sent < worker->out.size) {
		ssize_t n = send(worker->process.pipe_fd, worker->out.bytes + worker->sent,
			worker->out.size - worker->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* EAGAIN; anything else is seen as the end of the pipe */
		worker->sent += (size_t)n;
	}
	if (worker->sent == worker->out.size) {
		worker->sent = worker->out.size = 0;
		if (worker->out.capacity > KEEP_BYTES)
			pipe_buffer_done(&worker->out);
	}
}

static void worker_set_events(struct worker *worker)
{
	if (!worker->ending && loop_set_io(&worker->pipe_io, PIPE_EVENTS(worker)) < 0)
		worker_kill(worker, WORKER_REPLACED, "epoll refused its pipe");
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct worker *worker = io->user;

	if (events & EPOLLOUT) {
		worker_write(worker);
		worker_set_events(worker);
	}
	if (worker->ending)
		return;
	if (!worker->held && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		worker_read(worker);
	else if (events & (EPOLLHUP | EPOLLERR))
		worker_hang_up(worker); /* what it said last runs again */
}

/* First what was read already. */
static void on_release(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct worker *worker = timer->user;

	if (!worker->held)
		worker_take_frames(worker);
	worker_set_events(worker);
}

void worker_hold(struct worker *worker, bool held)
{
	struct loop *loop = worker->pool->loop;

	if (worker->held == held || worker->ending)
		return;
	worker->held = held;
	if (held)
		worker_set_events(worker);
	else
		loop_arm_timer(loop, &worker->release_timer, loop_now_ns(loop) + 1);
}

static bool worker_read_output(struct worker *worker)
{
	char bytes[8192];
	ssize_t n = read(worker->process.output_fd, bytes, sizeof(bytes));

	if (n == 0)
		loop_remove_io(&worker->output_io);
	if (n <= 0)
		return false;
	worker->output_taken += (size_t)n;
	output_feed(&worker->output, bytes, (size_t)n);
	return worker->output_taken < OUTPUT_BYTES;
}

/* What there is, unless it was much lately: then it goes on later. */
static void on_output(struct loop_io *io, uint32_t events _unused_)
{
	struct worker *worker = io->user;
	struct loop *loop = worker->pool->loop;
	uint64_t now = loop_now_ns(loop);

	if (now >= worker->output_since_ns + OUTPUT_NS) {
		worker->output_since_ns = now;
		worker->output_taken = 0;
	}
	while (worker_read_output(worker))
		;
	if (worker->output_taken < OUTPUT_BYTES || !io->loop)
		return;
	/* If it were only not asked for, its end would be told again and again. */
	loop_remove_io(io);
	loop_arm_timer(loop, &worker->output_timer, worker->output_since_ns + OUTPUT_NS);
}

static void on_output_again(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct worker *worker = timer->user;

	if (loop_add_io(
		    worker->pool->loop, &worker->output_io, worker->process.output_fd, EPOLLIN) < 0)
		worker_kill(worker, WORKER_REPLACED, "epoll refused its output");
}

/* What the launcher says of the worker's beginning and end. */
static void worker_take_report(struct worker *worker, const struct control_report *report)
{
	switch (report->type) {
	case CONTROL_STARTED:
		worker->runtime_pid = (pid_t)report->pid;
		break;
	case CONTROL_SPECIALISED:
		worker->open = true;
		break;
	case CONTROL_FAILED:
	case CONTROL_ENDED:
		if (!worker->reason[0])
			snprintf(worker->reason, sizeof(worker->reason), "%s", report->text);
		break;
	default:
		break;
	}
}

static void worker_read_control(struct worker *worker)
{
	struct control_report report;
	int r;

	while ((r = spawn_read(&worker->process, &report)) > 0)
		worker_take_report(worker, &report);
	/* The launcher has ended, or ends. */
	if (r < 0)
		loop_remove_io(&worker->control_io);
}

static void on_control(struct loop_io *io, uint32_t events _unused_)
{
	struct worker *worker = io->user;

	worker_read_control(worker);
	if (!worker->open || worker->ending)
		return;
	worker_write(worker);
	worker_set_events(worker);
}

static void worker_describe_exit(struct worker *worker, const siginfo_t *info)
{
	const char *hint = info->si_status == SIGABRT ? " (often: out of memory)" : "";

	if (worker->reason[0])
		return;
	if (info->si_code == CLD_EXITED)
		snprintf(worker->reason, sizeof(worker->reason), "worker exited with status %d",
			info->si_status);
	else if (info->si_pid != 0)
		snprintf(worker->reason, sizeof(worker->reason),
			"worker was killed by signal %d, %s%s", info->si_status,
			strsignal(info->si_status), hint);
	else
		snprintf(worker->reason, sizeof(worker->reason), "worker ended");
}

static void on_exit_of(struct loop_io *io, uint32_t events _unused_)
{
	struct worker *worker = io->user;
	siginfo_t info = {0};

	/* What it wrote before it went is still to be had, and counts. */
	while (!worker->ending && worker_read(worker))
		;
	worker->output_taken = 0;
	while (worker_read_output(worker))
		;
	output_finish(&worker->output);
	worker_read_control(worker);
	if (waitid(P_PID, (id_t)worker->process.pid, &info, WEXITED | WNOHANG) < 0)
		info.si_pid = 0; /* somebody else reaped it */
	worker_describe_exit(worker, &info);
	if (worker->ops)
		worker->ops->ended(worker->user, worker->end, worker->reason);
	worker_free(worker);
}

/* It had its time to go: first by itself, then at the launcher's hand. */
static void on_overdue(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct worker *worker = timer->user;

	if (worker->put_down)
		kill(worker->process.pid, SIGKILL); /* the launcher hangs; the rest goes with it */
	else
		worker_put_down(worker);
}

void worker_send(struct worker *worker, struct pipe_buffer *buffer)
{
	if (buffer->failed) {
		worker_kill(worker, WORKER_REPLACED, "no memory for its frames");
	} else if (!worker->ending && worker->out.size == 0) {
		struct pipe_buffer empty = worker->out;

		worker->out = *buffer;
		*buffer = empty;
		worker_write(worker);
	} else if (!worker->ending && pipe_buffer_reserve(&worker->out, buffer->size)) {
		memcpy(worker->out.bytes + worker->out.size, buffer->bytes, buffer->size);
		worker->out.size += buffer->size;
	}
	buffer->size = 0;
	buffer->failed = false;
	if (worker->ending)
		return;
	if (worker->out.failed || loop_set_io(&worker->pipe_io, PIPE_EVENTS(worker)) < 0)
		worker_kill(worker, WORKER_REPLACED, "no memory for its frames");
}

void worker_retire(struct worker *worker)
{
	worker->ops = NULL;
	worker->user = NULL;
	worker->own_limit = *worker->output.limit;
	worker->output.limit = &worker->own_limit;
	worker->ending = true;
	worker->end = WORKER_REPLACED;
	loop_remove_io(&worker->pipe_io);
	fd_closep(&worker->process.pipe_fd);
	worker->process.pipe_fd = -1;
	loop_arm_timer(worker->pool->loop, &worker->end_timer, clock_monotonic_ns() + END_NS);
}

size_t worker_unsent(const struct worker *worker)
{
	return worker->out.size - worker->sent;
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->runtime_pid;
}

static int worker_watch(struct worker *worker)
{
	struct loop *loop = worker->pool->loop;
	int r;

	worker->pipe_io = (struct loop_io){.fn = on_pipe, .user = worker};
	worker->output_io = (struct loop_io){.fn = on_output, .user = worker};
	worker->control_io = (struct loop_io){.fn = on_control, .user = worker};
	worker->pid_io = (struct loop_io){.fn = on_exit_of, .user = worker};
	worker->end_timer = (struct loop_timer){.fn = on_overdue, .user = worker};
	worker->release_timer = (struct loop_timer){.fn = on_release, .user = worker};
	worker->output_timer = (struct loop_timer){.fn = on_output_again, .user = worker};
	r = loop_add_io(loop, &worker->pipe_io, worker->process.pipe_fd, EPOLLIN);
	if (r == 0)
		r = loop_add_io(loop, &worker->output_io, worker->process.output_fd, EPOLLIN);
	if (r == 0)
		r = loop_add_io(loop, &worker->control_io, worker->process.control_fd, EPOLLIN);
	if (r == 0)
		r = loop_add_io(loop, &worker->pid_io, worker->process.pid_fd, EPOLLIN);
	return r;
}

int worker_start(struct worker_pool *pool, const struct spawn_options *options,
	const struct worker_user *user, struct worker **ret_worker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return -ENOMEM;
	r = spawn_start(options, &worker->process);
	if (r < 0) {
		free(worker);
		return r;
	}
	worker->pool = pool;
	worker->ops = user->ops;
	worker->user = user->user;
	snprintf(worker->function, sizeof(worker->function), "%s", options->name);
	worker->output.function = worker->function;
	worker->output.limit = &worker->own_limit;
	worker->next = pool->workers;
	pool->workers = worker;
	r = worker_watch(worker);
	if (r < 0) {
		kill(worker->process.pid, SIGKILL);
		waitpid(worker->process.pid, NULL, 0);
		worker_free(worker);
		return r;
	}
	*ret_worker = worker;
	return 0;
}

int worker_specialise(struct worker *worker, const struct worker_function *function,
	const struct worker_user *user)
{
	int r = worker->ending ? -EPIPE : spawn_specialise(&worker->process, &function->home);

	if (r < 0)
		return r;
	worker->ops = user->ops;
	worker->user = user->user;
	snprintf(worker->function, sizeof(worker->function), "%s", function->name);
	worker->output.listener = worker->pool->listener;
	worker->output.limit = function->limit;
	return 0;
}

/* Blocks until it has ended or the time is up. */
static void worker_await(const struct worker *worker, uint64_t until_ns)
{
	struct pollfd poll_fd = {.fd = worker->process.pid_fd, .events = POLLIN};
	uint64_t now = clock_monotonic_ns();
	int left_ms = now < until_ns ? (int)((until_ns - now) / NS_PER_MS) + 1 : 0;

	while (poll(&poll_fd, 1, left_ms) < 0 && errno == EINTR)
		;
}

void worker_pool_done(struct worker_pool *pool)
{
	uint64_t until = clock_monotonic_ns() + END_NS;

	for (struct worker *worker = pool->workers; worker; worker = worker->next)
		if (worker->ops)
			worker_retire(worker);
	for (struct worker *worker = pool->workers; worker; worker = worker->next)
		worker_await(worker, until);
	until += END_NS;
	for (struct worker *worker = pool->workers; worker; worker = worker->next)
		spawn_kill(&worker->process);
	for (struct worker *worker = pool->workers; worker; worker = worker->next)
		worker_await(worker, until);
	while (pool->workers) {
		kill(pool->workers->process.pid, SIGKILL);
		waitpid(pool->workers->process.pid, NULL, 0);
		worker_free(pool->workers);
	}
}
