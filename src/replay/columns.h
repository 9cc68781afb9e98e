/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_COLUMNS_H
#define REPLAY_COLUMNS_H

/*
 * A table for people: cells are added row by row, and printed when the widths are known. What comes
 * from packets and functions is shown without control characters, so that it cannot drive the
 * terminal. Out of memory shows as missing rows.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct columns;

/* A header that begins with ">" is of a column of numbers. Borrowed. NULL when out of memory. */
struct columns *columns_new(const char *const *headers, unsigned int count);
void columns_free(struct columns *columns);
DEFINE_CLEANUP(struct columns, columns_free)

/* The next cell, from left to right; NULL is shown as "-". */
void columns_text(struct columns *columns, const char *text);
void columns_count(struct columns *columns, uint64_t value);

void columns_print(const struct columns *columns, FILE *out);

#endif
