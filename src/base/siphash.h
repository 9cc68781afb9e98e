/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash. With a random key nobody outside
 * can choose collisions, so it is what every table over peers' input uses, and the digest that
 * tells a resent transaction from another one with the same sequence.
 */

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

#endif
