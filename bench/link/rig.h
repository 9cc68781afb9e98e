/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_RIG_H
#define BENCH_LINK_RIG_H

/*
 * What the protocols' ends have in common: events by number, when they come to be, what is lost on
 * the way, what is counted. Fields belong to one of the threads, but those that are atomic; the threads'
 * are lines of the cache apart.
 */

#include "bench/link/link.h"
#include "net/udp_receiver.h"
#include "net/udp_sender.h"

#include <stdatomic.h>

#define LINK_QUIET_MS    50 /* nothing for so long after the sender's end: all is here */
#define LINK_STUCK_NS    (10 * NS_PER_SEC) /* no progress for so long: something is broken */
#define LINK_EVENT_BYTES 72                /* as a flow event */

struct link_ends;

struct link {
	struct link_options options;
	struct link_result result;
	const struct link_ends *ends;
	void *state; /* the protocol's own */
	int sender_fd, receiver_fd;
	atomic_bool sender_done, over;
	atomic_int error; /* a negative errno */
	uint64_t start_ns;

	/* The sending end's, which the sampler looks at. */
	_Alignas(64) atomic_uint_fast64_t settled;
	uint64_t sent;

	/* The receiving end's. */
	_Alignas(64) uint64_t delivered, bytes, dropped;
	uint64_t random, last_ns, last_number;
	double *latencies_us;
	unsigned int latency_count;
};

/* A protocol: how its ends are made, and what the two threads do. 0 or negative errno. */
struct link_ends {
	int (*open)(struct link *link);
	void (*close)(struct link *link); /* also after an `open` that failed */
	int (*send)(struct link *link);
	int (*receive)(struct link *link);
};

extern const struct link_ends link_raw, link_v1, link_v2, link_tls;

/* ---- the sending end ---- */

/* Events 1 to this one exist by now. Once the time is over it does not grow. */
uint64_t link_existing(const struct link *link, uint64_t now_ns);
bool link_is_over(const struct link *link, uint64_t now_ns);
/* The sender ends now, whatever waits. */
bool link_is_cut(const struct link *link, uint64_t now_ns);
/* When there will be more; UINT64_MAX: never. */
uint64_t link_next_event_ns(const struct link *link, uint64_t now_ns);
/* Events 1 to `number` need no memory any more. */
void link_settle(struct link *link, uint64_t number);
/* Sends what the sender holds, waiting while the socket is full. */
int link_flush(struct link *link, struct udp_sender *sender, int fd);

/* The events from number `first` on, LINK_EVENT_BYTES each. */
void link_make_events(uint8_t *events, uint64_t first, uint64_t count);

/* ---- the receiving end ---- */

/* True if this datagram is to be lost. */
bool link_loses(struct link *link);
bool link_reorders(struct link *link);
/* Something came: for the time of the last delivery. */
void link_note_arrival(struct link *link, uint64_t now_ns);
/* Checks events that were handed out one behind the other, `stride` bytes apart. */
void link_check_events(
	struct link *link, const uint8_t *events, size_t stride, uint64_t count, uint64_t now_ns);
/* Event `number` came, and its content was checked. */
void link_check_number(struct link *link, uint64_t number, uint64_t now_ns);
/* `count` events will not come. */
void link_note_lost(struct link *link, uint64_t count);
/* Something is wrong; the first that is said stays. */
void link_say_wrong(struct link *link, const char *fmt, ...) _printf_(2, 3);
/*
 * Waits for something to read, until `until_ns` at the latest. False: the sender has ended, and
 * nothing came for LINK_QUIET_MS.
 */
bool link_wait(struct link *link, uint64_t until_ns);

/* A listening socket on loopback and one connected to it. */
int link_open_udp(struct link *link);

#endif
