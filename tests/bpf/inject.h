/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_INJECT_H
#define TESTS_BPF_INJECT_H

/*
 * What would happen if a thread of a running process, taken over by an attacker, made this system
 * call? The thread is stopped by ptrace(2), made to call it, and let go on as before; its filters
 * apply to that as to any of its calls. Only on x86-64.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct injection {
	const char *name; /* for messages */
	long call;
	uint64_t args[6];
	const char *
		string; /* if set, put into the thread's memory, and args[string_arg] its address */
	unsigned int string_arg;
};

bool inject_is_possible(void);

/* What the call returned there: a negative errno, say. Fails the test if the thread cannot be stopped. */
long inject(pid_t thread, const struct injection *injection);

#endif
