/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

/* Lists of texts that end with NULL, as argv does. A list that is NULL has none. */

#include "base/attr.h"

#include <stdbool.h>

void words_free(char **words);
DEFINE_CLEANUP(char *, words_free)

size_t words_count(const char *const *words);

/* A copy of the list and of its texts, to be freed with words_free(). NULL: no memory. */
char **words_copy(const char *const *words) _must_check_;

bool words_equal(const char *const *a, const char *const *b);

/* The texts with a separator between them, to be freed. NULL: no memory. */
char *words_join(const char *const *words, const char *separator) _must_check_;

#endif
