// SPDX-License-Identifier: BSD-2-Clause
#include "server/receive_worker.h"

#include "base/clock.h"
#include "base/event_clock.h"
#include "server/receive_worker_private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* ---- what the control thread says ---- */

static void begin_session(struct receive_worker *w, struct session *s, struct opening *opening)
{
	bool resumed = s->receiver.epoch == opening->mark.epoch;
	bool was_open = s->receiver.session != 0;
	struct v2_seal seal = v2_aead_seal(opening->aead);

	w->table[s->slot] = s;
	s->receiver.next_session = opening->number;
	opening->error = v2_receiver_open(
		&s->receiver, &opening->mark, &opening->hello, &seal, &opening->welcome);
	if (opening->error != V2_OK)
		return;
	w->stats.sessions += !was_open;
	if (s->aead)
		v2_aead_free(s->aead);
	s->aead = TAKE_PTR(opening->aead);
	memset(s->paths, 0, sizeof(s->paths));
	if (!resumed)
		s->unsaid_count = 0;
	s->counted.address.len = 0;
	s->counted.datagram_bytes = 0;
}

static void look_at_open(struct receive_worker *w, struct session *s)
{
	struct opening *opening = atomic_exchange(&s->open, NULL);

	if (!opening)
		return;
	begin_session(w, s, opening);
	/* An answer that was not looked at yet is to a HELLO that nobody waits for any more. */
	opening_free(atomic_exchange(&s->opened, opening));
	receive_post(w, s);
}

static void look_at_processed(struct receive_worker *w, struct session *s)
{
	for (unsigned int lane = 0; lane < V2_LANES; lane++) {
		uint64_t before = atomic_load_explicit(&s->processed[lane], memory_order_acquire);
		uint64_t base = lane < V2_LANES_ACKED ? s->receiver.lanes[lane].base
						      : s->receiver.updates.base;

		if (before > base)
			(void)v2_receiver_commit(
				&s->receiver, s->receiver.epoch, lane, before, w->now_ns);
	}
}

static void look_at(struct receive_worker *w, struct session *s)
{
	uint64_t number;

	mail_take(&s->to_worker);
	look_at_open(w, s);
	number = atomic_exchange(&s->close, 0);
	if (number != 0 && number == s->receiver.session)
		receive_close_session(w, s);
	look_at_processed(w, s);
	receive_settle(w, s);
}

static void on_wake(void *user)
{
	struct receive_worker *w = user;
	struct session *s;

	if (atomic_load(&w->stopping)) {
		loop_stop(w->loop);
		return;
	}
	w->now_ns = clock_monotonic_ns();
	w->wall_ns = clock_realtime_ns();
	w->event_ns = event_clock_ns();
	mailbox_open(&w->in);
	while ((s = mailbox_take(&w->in)) != NULL)
		look_at(w, s);
	receive_finish_round(w);
}

void session_open(struct session *session, struct opening *opening)
{
	opening_free(atomic_exchange(&session->open, opening));
	mailbox_post(&session->worker->in, session, &session->to_worker);
}

void session_close(struct session *session, uint64_t number)
{
	atomic_store(&session->close, number);
	mailbox_post(&session->worker->in, session, &session->to_worker);
}

void session_processed(struct session *session, uint8_t lane, uint64_t before)
{
	atomic_store_explicit(&session->processed[lane], before, memory_order_release);
	mailbox_post(&session->worker->in, session, &session->to_worker);
}

void session_forget_processed(struct session *session)
{
	for (unsigned int lane = 0; lane < V2_LANES; lane++)
		atomic_store(&session->processed[lane], 0);
}

void session_has_room(struct session *session)
{
	mailbox_post(&session->worker->in, session, &session->to_worker);
}

void receive_worker_ring(struct receive_worker *worker)
{
	mailbox_ring(&worker->in);
}

/* ---- what it says ---- */

void receive_worker_begin(struct receive_worker *worker)
{
	mailbox_open(&worker->out);
}

const struct update *receive_worker_update(struct receive_worker *worker)
{
	return update_ring_peek(worker->updates);
}

void receive_worker_updated(struct receive_worker *worker)
{
	update_ring_release(worker->updates);
}

struct session *receive_worker_session(struct receive_worker *worker)
{
	struct session *session = mailbox_take(&worker->out);

	if (session)
		mail_take(&session->to_control);
	return session;
}

/* A thread that was joined has no clock any more, and may not be asked for it. */
static uint64_t busy_ns(struct receive_worker *worker)
{
	struct timespec busy;
	clockid_t clock;

	if (worker->started && pthread_getcpuclockid(worker->thread, &clock) == 0 &&
		clock_gettime(clock, &busy) == 0)
		worker->busy_ns = (uint64_t)busy.tv_sec * NS_PER_SEC + (uint64_t)busy.tv_nsec;
	return worker->busy_ns;
}

void receive_worker_get_stats(struct receive_worker *worker, struct receive_worker_stats *ret_stats)
{
	struct udp_memory memory;

	snapshot_get(&worker->snapshot, worker->view, ret_stats, sizeof(*ret_stats));
	if (udp_get_memory(worker->options.fd, &memory) == 0)
		ret_stats->socket_drops = memory.drops;
	ret_stats->busy_ns = busy_ns(worker);
}

/* ---- life ---- */

void receive_worker_configure(
	const struct receive_worker *worker, struct v2_receiver_config *config)
{
	config->worker = (uint8_t)worker->options.index;
	config->random = random_stream_draw;
	config->random_user = (void *)&worker->random;
}

static uint64_t make_number(
	const struct receive_worker *worker, const struct session *session, uint64_t random)
{
	uint64_t number = (random << NUMBER_RANDOM_SHIFT & V2_SESSION_MAX) |
			  (uint64_t)session->slot << NUMBER_SLOT_SHIFT | worker->options.index;

	return number >> NUMBER_SLOT_SHIFT ? number : number | 1ULL << NUMBER_RANDOM_SHIFT;
}

uint64_t receive_worker_number(
	const struct receive_worker *worker, struct session *session, uint64_t random)
{
	uint64_t number = make_number(worker, session, random);

	/* Random bits that are none count as those of 1. */
	while (number == session->numbered)
		number = make_number(worker, session, ++random);
	session->numbered = number;
	return number;
}

static void *worker_main(void *user)
{
	struct receive_worker *w = user;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "receive-%u", w->options.index % 1000);
	pthread_setname_np(pthread_self(), name);
	r = loop_run(w->loop);
	atomic_store(&w->error, r);
	if (r < 0)
		log_error("receive worker %u: waiting failed error=\"%s\"", w->options.index,
			strerror(-r));
	return NULL;
}

static void wake_worker(void *user)
{
	loop_wake(user);
}

static int init_mail(struct receive_worker *w)
{
	int r = mailbox_init(&w->in, w->options.sessions_max);

	if (r == 0)
		r = mailbox_init(&w->out, w->options.sessions_max);
	if (r == 0)
		r = update_ring_new(w->options.update_bytes, &w->updates);
	if (r < 0)
		return r;
	w->in.wake = wake_worker;
	w->in.user = w->loop;
	w->out.wake = w->options.wake;
	w->out.user = w->options.user;
	return 0;
}

static int init_thread_side(struct receive_worker *w)
{
	int r = loop_new(&w->loop);

	if (r == 0)
		r = udp_receiver_new(UDP_MESSAGES_MAX, &w->receiver);
	if (r == 0)
		r = udp_sender_new(UDP_SEND_MAX, &w->sender);
	if (r == 0)
		r = random_stream_init(&w->random);
	if (r == 0 && getrandom(&w->address_key, sizeof(w->address_key), 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	w->table = calloc(w->options.sessions_max, sizeof(w->table[0]));
	if (!w->table)
		return -ENOMEM;
	loop_on_wake(w->loop, on_wake, w);
	w->due_timer = (struct loop_timer){.fn = receive_on_due, .user = w};
	w->io = (struct loop_io){.fn = receive_on_datagrams, .user = w};
	return loop_add_io(w->loop, &w->io, w->options.fd, EPOLLIN);
}

int receive_worker_new(
	const struct receive_worker_options *options, struct receive_worker **ret_worker)
{
	_cleanup_(receive_worker_freep) struct receive_worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		close(options->fd);
		return -ENOMEM;
	}
	w->options = *options;
	r = init_thread_side(w);
	if (r == 0)
		r = init_mail(w);
	if (r < 0)
		return r;
	r = pthread_create(&w->thread, NULL, worker_main, w);
	if (r != 0)
		return -r;
	w->started = true;
	*ret_worker = TAKE_PTR(w);
	return 0;
}

void receive_worker_stop(struct receive_worker *worker)
{
	if (!worker->started)
		return;
	atomic_store(&worker->stopping, true);
	loop_wake(worker->loop);
	(void)busy_ns(worker);
	pthread_join(worker->thread, NULL);
	worker->started = false;
}

int receive_worker_error(const struct receive_worker *worker)
{
	return atomic_load(&worker->error);
}

void receive_worker_free(struct receive_worker *worker)
{
	receive_worker_stop(worker);
	mailbox_done(&worker->in);
	mailbox_done(&worker->out);
	update_ring_free(worker->updates);
	udp_receiver_free(worker->receiver);
	udp_sender_free(worker->sender);
	loop_free(worker->loop);
	close(worker->options.fd);
	free(worker->table);
	free(worker);
}
