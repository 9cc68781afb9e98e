/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_LINK_H
#define BENCH_LINK_LINK_H

/*
 * One run of a link: numbered events go from one end to the other, each end a thread with a real
 * socket on loopback. The receiving end checks each event against its number, and can lose or reorder
 * datagrams first, as thesis 6.2.2 does. Over TCP there are no datagrams to lose: see tcp_loss.h.
 */

#include "base/attr.h"
#include "wire/v2_control.h"

#include <stdbool.h>
#include <stdint.h>

enum link_protocol {
	LINK_RAW, /* datagrams that hold a number and nothing else: what UDP can do */
	LINK_V1,
	LINK_V2,
	LINK_TLS, /* a stream of events over TCP and TLS 1.3, AES-256-GCM */
};

#define LINK_NO_CIPHER 0 /* version 2 with the null seal */

struct link_options {
	enum link_protocol protocol;
	bool acknowledged;    /* the class of events, versions 1 and 2 */
	bool one_by_one;      /* LINK_RAW: no trains */
	uint8_t cipher;       /* of version 2: enum v2_cipher, or LINK_NO_CIPHER */
	uint16_t datagram;    /* bytes: the largest of version 2, each of LINK_RAW */
	double loss, reorder; /* 0 to 1, of the datagrams that reach the receiver */
	uint64_t seed;        /* which ones */
	uint64_t duration_ns;
	/* Events come to be: 0: as fast as they can be sent; else so many every so often. */
	uint64_t burst, burst_every_ns;
	bool cut; /* ends with the duration, whatever waits then */
	/* How many wait, every so often. NULL: not wanted. */
	struct link_sample *samples;
	unsigned int samples_max;
	uint64_t sample_every_ns;
};

struct link_sample {
	double seconds;
	double waiting; /* events that exist, and are neither sent (unacknowledged) nor processed */
	double settled;
};

#define LINK_PERCENTILES 3 /* 50, 99, 99.9 */

struct link_result {
	uint64_t sent,
		delivered;     /* events; datagrams of LINK_RAW. Each delivered one was checked */
	uint64_t bytes;        /* of UDP payload or of the stream, that came; resends included */
	uint64_t dropped;      /* datagrams, by `loss` */
	uint64_t resends;      /* datagrams of version 1, events of version 2 */
	uint64_t socket_drops; /* datagrams that found the receiver's socket full */
	double seconds;        /* from the beginning to the last delivery */
	double sender_cpu_ns, receiver_cpu_ns; /* of the thread, altogether */
	double latency_us[LINK_PERCENTILES];   /* from when it came to be to when it was checked */
	bool has_latency;
	unsigned int sample_count;
	char wrong[160]; /* what was received wrong; "" = all that came was right */
};

/*
 * Runs both ends until the duration is over and nothing is left. Returns 0, or the negative errno of
 * a socket or thread. What is received wrong is no error but said in `ret_result->wrong`: an event out
 * of order or with other content; where events are acknowledged, also one that is missing or comes
 * twice.
 */
int link_run(const struct link_options *options, struct link_result *ret_result) _must_check_;

#endif
