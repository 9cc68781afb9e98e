// SPDX-License-Identifier: BSD-2-Clause
#include "base/snapshot.h"

#include <sched.h>

/*
 * By words that are atomic each, so that reading in between is no data race, only of no use. The fences
 * as in H.-J. Boehm, "Can seqlocks get along with programming language memory models?" (2012).
 */
void snapshot_put(
	struct snapshot *snapshot, _Atomic uint64_t *words, const void *value, size_t size)
{
	unsigned int version = atomic_load_explicit(&snapshot->version, memory_order_relaxed);

	atomic_store_explicit(&snapshot->version, version + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, (const char *)value + at, MIN(size - at, sizeof(word)));
		atomic_store_explicit(&words[at / sizeof(word)], word, memory_order_relaxed);
	}
	atomic_store_explicit(&snapshot->version, version + 2, memory_order_release);
}

static void copy_out(const _Atomic uint64_t *words, void *value, size_t size)
{
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word =
			atomic_load_explicit(&words[at / sizeof(word)], memory_order_relaxed);

		memcpy((char *)value + at, &word, MIN(size - at, sizeof(word)));
	}
}

void snapshot_get(
	const struct snapshot *snapshot, const _Atomic uint64_t *words, void *value, size_t size)
{
	for (;;) {
		unsigned int before =
			atomic_load_explicit(&snapshot->version, memory_order_acquire);

		copy_out(words, value, size);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 &&
			atomic_load_explicit(&snapshot->version, memory_order_relaxed) == before)
			return;
		sched_yield();
	}
}
