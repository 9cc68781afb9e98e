/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

/* "did you mean ...?": the nearest of some known words to one that was mistyped. */

#include <stddef.h>

/*
 * The candidate with the smallest edit distance (insert, delete, replace, swap neighbours) to `word`,
 * or NULL if none is near enough to be a typing error (a third of its letters, at least one).
 */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);

#endif
