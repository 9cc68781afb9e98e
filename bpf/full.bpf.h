/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_FULL_BPF_H
#define BPF_FULL_BPF_H

/*
 * Hash tables that are full. An insertion that fails costs more than one that succeeds, and in a flood
 * from forged addresses nearly each would. A table that is in use only fills, until another one takes its
 * place: so who found it full need not try again, but for now and then, as it may come back empty.
 */

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum full_kind {
	FULL_PORTS,
	FULL_SOURCES,
	FULL_TARGETS,
	FULL_KINDS,
};

#define FULL_RETRY_NS 8000000 /* less than two periods, in which a table comes back */

/* Of one CPU: which table was full, and when that was found. */
struct full_note {
	__u64 table;
	__u64 at;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FULL_KINDS);
	__type(key, __u32);
	__type(value, struct full_note);
} full_notes SEC(".maps");

static __always_inline bool full_is_known(__u32 kind, const void *table, __u64 now)
{
	const struct full_note *note = bpf_map_lookup_elem(&full_notes, &kind);

	return note && note->table == (__u64)(unsigned long)table && now - note->at < FULL_RETRY_NS;
}

static __always_inline void full_note(__u32 kind, const void *table, __u64 now)
{
	struct full_note *note = bpf_map_lookup_elem(&full_notes, &kind);

	if (note) {
		note->table = (__u64)(unsigned long)table;
		note->at = now;
	}
}

#endif
