/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_SANDBOX_H
#define LAUNCHER_SANDBOX_H

/*
 * One worker's sandbox, as it is being made. Three processes make it, each forked from the one before,
 * so that each has this struct as it was then:
 *
 *   the launcher   in the host's namespaces; obeys the engine, ends the worker, outlives it
 *     init         process 1 of the worker's namespaces; reaps, and ends when the runtime has
 *       runtime    shuts itself in and becomes the runtime's program
 *
 * The inner two report to the launcher over a SOCK_SEQPACKET pair each. Where a step towards a layer
 * fails, the worker does not begin; only when probing what layers there are it goes on without.
 */

#include "launcher/control.h"
#include "launcher/door.h"
#include "launcher/layers.h"
#include "launcher/tree.h"

#include <stdbool.h>
#include <sys/types.h>

#define EXIT_UNBORN 127 /* of what ends before the program runs */

/* Who a function is to itself, in a user namespace. */
#define SANDBOX_UID 1000

#define SANDBOX_TMP_BYTES (64U << 20)

struct sandbox {
	uint32_t layers; /* wanted; when probing: not known to be missing */
	bool probing;
	const struct control_start *start; /* without a program when probing */
	const char *dir; /* the function's folder, where it is known before the start */
	bool may_mount;  /* in the host's mount namespace */
	uid_t uid;       /* the worker's, outside of a user namespace */
	gid_t gid;
	bool becomes; /* that is another than the launcher's */
	struct trees trees;
	struct door doors[DOORS_MAX]; /* to what it may reach */
	size_t door_count;
	int report_fd; /* of the process that reads this */
};

static inline bool sandbox_wants(const struct sandbox *sandbox, enum layer layer)
{
	return sandbox->layers & LAYER_BIT(layer);
}

/* Without a network of its own there is no wall to have doors in. */
static inline bool sandbox_has_doors(const struct sandbox *sandbox)
{
	return sandbox->door_count > 0 && sandbox_wants(sandbox, LAYER_NETWORK);
}

/* Becomes an unprivileged user. 0 or a negative errno. */
int become(uid_t uid, gid_t gid) _must_check_;

/* ---- reports ---- */

enum report_kind {
	REPORT_LACKS,  /* a layer, when probing */
	REPORT_FAILED, /* at a layer, or LAYER_COUNT: at something else; the process ends */
	REPORT_DOORS,  /* `fds` listen there */
	REPORT_PLACED, /* the runtime is in its namespaces, and waits for an answer */
	REPORT_ENDED,  /* the runtime has; `error` is its wait status */
};

struct report {
	enum report_kind kind;
	enum layer layer;
	int error; /* an errno */
	char what[128];
	pid_t pid; /* who sent it, as the receiver sees it */
	int fds[DOORS_MAX];
	size_t fd_count; /* 0, but of REPORT_DOORS */
};

void report_send(int fd, enum report_kind kind, enum layer layer, int error, const char *what);
void report_send_doors(int fd, const int *fds, size_t count);
/*
 * Its descriptors are the caller's. Does not wait. 1: there is one; 0: the other side is gone; or a negative
 * errno, -EAGAIN.
 */
int report_receive(int fd, struct report *ret_report) _must_check_;

/*
 * The end of a step towards a layer; `error` 0 or a negative errno. If it failed this does not return,
 * except when probing. Returns whether it succeeded.
 */
bool sandbox_step(struct sandbox *sandbox, enum layer layer, int error, const char *what);

/* Reports and ends the process. */
_Noreturn void sandbox_fail(
	const struct sandbox *sandbox, enum layer layer, int error, const char *what);

#endif
