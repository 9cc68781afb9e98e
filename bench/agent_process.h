/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_AGENT_PROCESS_H
#define BENCH_AGENT_PROCESS_H

/* The netlambda-agent of this build as a process, and what it costs. */

#include "base/attr.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * Starts it on an interface of this namespace and waits until it has attached. Returns its pid or a
 * negative errno. It ends with the calling thread.
 */
pid_t agent_start(const char *interface, const char *server) _must_check_;

/* Asks it to end, and waits. 0, or -EIO if it says that it failed. */
int agent_stop(pid_t pid) _must_check_;

/* CPU time so far of all its threads, user and system. */
int agent_cpu_ns(pid_t pid, uint64_t *ret_ns) _must_check_;

struct agent_memory {
	uint64_t process_bytes; /* most that was ever resident, without BPF maps it has mapped */
	uint64_t maps_bytes;    /* of its BPF maps, by the kernel's account */
};

int agent_memory(pid_t pid, struct agent_memory *ret_memory) _must_check_;

#endif
