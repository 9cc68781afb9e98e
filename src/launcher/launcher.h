/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_LAUNCHER_H
#define LAUNCHER_LAUNCHER_H

/* The outer process of a worker: what it knows, and what happens to it. */

#include "launcher/birth.h"
#include "launcher/groups.h"
#include "launcher/relay.h"
#include "launcher/sandbox.h"

enum launcher_phase {
	LAUNCHER_BEGINS, /* until the runtime is in its namespaces */
	LAUNCHER_PLACED, /* until it is its program */
	LAUNCHER_RUNS,
};

struct launcher {
	struct sandbox sandbox;
	struct birth birth;
	struct groups groups;
	struct relays relays;
	int control_fd; /* -1 when probing */
	bool ordered_to_end;
	pid_t runtime;
	int runtime_pidfd;
	enum launcher_phase phase;
	bool has_function; /* `function` is told */
	struct control_specialise function;

	struct report failure; /* the first; `what` is empty if there was none */
	bool ended;            /* the runtime has, with `status` */
	int status;
	struct report lacks[LAYER_COUNT]; /* when probing; `error` 0: nothing is lacking */

	char start_message[CONTROL_BYTES_MAX], function_message[CONTROL_BYTES_MAX];
	struct control_start start;
};

/* Obeys what comes on CONTROL_FD, until the worker has ended. Ends as the worker did. */
_Noreturn void launcher_run(void);

/* What can be had here, a line a layer, to standard output: its name, "yes" or "no", and why not. */
int launcher_probe(void) _must_check_;

/* ---- between the two ---- */

void launcher_init(struct launcher *launcher);
/* Begins to make the worker. A failure is kept for the end. */
void launcher_begin(struct launcher *launcher);
/* Takes what the inner processes report; true when both are silent for good. */
bool launcher_take_reports(struct launcher *launcher);
/* "private-root: mounting a tmpfs: No such device (...)" */
void launcher_describe(const struct report *report, char *text, size_t size);

#endif
