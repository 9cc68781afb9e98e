/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_WIRE_GUARD_H
#define TESTS_UNIT_WIRE_GUARD_H

/*
 * Input that ends where memory ends: one octet read too far is a SIGSEGV, also without a sanitizer.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The last octet that may be touched is the one before the returned place. Never unmapped. */
static inline uint8_t *guard_end(void)
{
	static uint8_t *end;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!end) {
		uint8_t *pages = mmap(
			NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert(pages != MAP_FAILED);
		assert(mprotect(pages + page, page, PROT_NONE) == 0);
		end = pages + page;
	}
	return end;
}

/* A copy of `bytes` (at most a page) that ends at the guard. Valid until the next call. */
static inline const uint8_t *guard_place(const void *bytes, size_t size)
{
	uint8_t *at = guard_end() - size;

	memcpy(at, bytes, size);
	return at;
}

#endif
