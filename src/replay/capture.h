/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_CAPTURE_H
#define REPLAY_CAPTURE_H

/*
 * Reads a pcap or pcapng file, packet by packet, as the frames that an interface would have
 * received: with an Ethernet header (link.h), as long as they were on the wire, in a time that never
 * goes back. What the file does not hold true to this is made so and counted, or left out and
 * counted. One thread.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Above what an IP packet can be; more than that does not go through BPF_PROG_TEST_RUN either. */
#define CAPTURE_FRAME_MAX (65535 + 128)

struct capture;

struct capture_frame {
	uint64_t number;      /* in the file, from 1 */
	uint64_t time_ns;     /* UNIX epoch */
	const uint8_t *bytes; /* valid until the next one is read */
	size_t size;
};

struct capture_counters {
	uint64_t packets; /* in the file so far */
	uint64_t bytes;   /* of these, on the wire, as the file says */
	/* Run nevertheless: */
	uint64_t cut; /* longer on the wire than in the file (snaplen): filled up with zeros */
	uint64_t
		late; /* dated before a packet ahead of them, or impossibly: taken as of its time */
	/* Left out: */
	uint64_t too_short;         /* no whole Ethernet header */
	uint64_t too_long;          /* over CAPTURE_FRAME_MAX */
	uint64_t no_protocol;       /* no EtherType can be told from the link layer's header */
	uint64_t first_late;        /* number of the first late packet; 0 = none */
	uint64_t first_ns, last_ns; /* UNIX epoch; of frames that were run */
};

/*
 * `path` "-" is standard input. Returns 0, or a negative errno with a message for the operator in
 * `ret_error` (to be freed) that names the file: -EPROTONOSUPPORT: the link type cannot be replayed;
 * -EINVAL: not a capture.
 */
int capture_open(const char *path, struct capture **ret_capture, char **ret_error) _must_check_;
void capture_free(struct capture *capture);
DEFINE_CLEANUP(struct capture, capture_free)

/*
 * The next frame. Returns 1; 0: the end; -EBADMSG: the file is damaged from here on, with a message
 * in `ret_error` (to be freed) that says where.
 */
int capture_next(
	struct capture *capture, struct capture_frame *ret_frame, char **ret_error) _must_check_;

/* What it is read from. Borrowed. */
int capture_fd(const struct capture *capture);
const struct capture_counters *capture_counters(const struct capture *capture);
/* "EN10MB", ... */
const char *capture_link_name(const struct capture *capture);
/* How much of the file is read, 0 to 1; negative: it is a pipe. */
double capture_progress(const struct capture *capture);

#endif
