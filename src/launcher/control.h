/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_CONTROL_H
#define LAUNCHER_CONTROL_H

/*
 * What engine and launcher say to each other over a SOCK_SEQPACKET pair, a message a packet: a type
 * (u8) and its members. The socket's end is the order to end the worker. A worker begins in two steps:
 * START runs a runtime's program in its sandbox, where there is no function yet; SPECIALISE gives it
 * one, at once or much later.
 *
 * Both ends are built from one tree: a message that cannot be read is a bug, or another version's.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define CONTROL_FD        4 /* where the launcher finds the socket; the worker's own are 0 to 3 */
#define CONTROL_BYTES_MAX 65536
#define CONTROL_LIST_MAX  64
#define CONTROL_TEXT_MAX  512 /* of what comes back */

#define CONTROL_PROCESSES 128 /* and threads, that a worker may have */

/* Where a worker with a private root finds its function's folder. */
#define CONTROL_FUNCTION_DIR "/function"

enum control_type {
	/* to the launcher */
	CONTROL_START = 1,
	CONTROL_SPECIALISE = 2,
	/* to the engine */
	CONTROL_STARTED = 64, /* the program runs, in all layers that were asked for */
	CONTROL_SPECIALISED,  /* the function's folder and limits are in place */
	CONTROL_FAILED,       /* the worker ends */
	CONTROL_ENDED,        /* the worker has ended, and there is more to say than its status */
};

/* Lists end with NULL. What is read is borrowed from the message. */
struct control_start {
	uint32_t layers; /* LAYER_BIT()s */
	const char *program;
	const char *argv[CONTROL_LIST_MAX + 1];
	const char *paths[CONTROL_LIST_MAX + 1];   /* to read, besides the system's libraries */
	const char *network[CONTROL_LIST_MAX + 1]; /* what it may reach, as of launcher/door.h */
	const char *
		environment[CONTROL_LIST_MAX + 1]; /* "NAME=value", besides what every worker has */
};

struct control_specialise {
	const char *dir; /* the function's folder */
	uint64_t memory; /* bytes of all its processes; 0: no limit, here and below */
	uint32_t cpu;    /* hundredths of a processor */
	uint32_t processes;
};

/* From the launcher. */
struct control_report {
	uint8_t type;
	uint32_t pid;                /* CONTROL_STARTED: of the runtime, as the engine sees it */
	char text[CONTROL_TEXT_MAX]; /* CONTROL_FAILED, CONTROL_ENDED */
};

/* Into `buffer` of CONTROL_BYTES_MAX bytes. Returns the size, or -E2BIG. */
int control_put_start(const struct control_start *start, void *buffer) _must_check_;
int control_put_specialise(const struct control_specialise *specialise, void *buffer) _must_check_;
int control_put_report(const struct control_report *report, void *buffer) _must_check_;

/* `message` is as it came; -EBADMSG: it is not one of these. */
int control_get_start(
	const void *message, size_t size, struct control_start *ret_start) _must_check_;
int control_get_specialise(
	const void *message, size_t size, struct control_specialise *ret_specialise) _must_check_;
int control_get_report(
	const void *message, size_t size, struct control_report *ret_report) _must_check_;

#endif
