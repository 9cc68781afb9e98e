/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

/*
 * Numbers and times as people write them: decimal digits only, no sign, no blank, nothing behind. Pure.
 * All return 0, or -EINVAL and leave the output as it was.
 */

#include "base/attr.h"

#include <stdint.h>

/* From `min` to `max`. */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) _must_check_;
int number32_parse(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value) _must_check_;

/* The number that the text begins with, and what is behind it. */
int number_take(const char *text, uint64_t *ret_value, const char **ret_rest) _must_check_;

/* "500us", "200ms", "2s", "1m", "24h", "7d", in nanoseconds; from `min_ns` to `max_ns`. */
int duration_parse(
	const char *text, uint64_t min_ns, uint64_t max_ns, uint64_t *ret_ns) _must_check_;

/* "4096", "64Ki", "512Mi", "1Gi", "2Ti", in bytes; from `min` to `max`. "MiB" and "M" are "Mi", and so on. */
int size_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes) _must_check_;

#endif
