// SPDX-License-Identifier: BSD-2-Clause
#include "base/suggest.h"

#include "base/attr.h"

#include <string.h>

#define WORD_MAX 63

/* Optimal string alignment distance; words over WORD_MAX letters are far from everything. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *row = rows[i % 3];
		const unsigned int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int replace = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = MIN(replace, MIN(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	unsigned int limit = MAX((unsigned int)strlen(word) / 3, 1U);
	const char *nearest = NULL;

	for (size_t i = 0; i < count; i++) {
		unsigned int distance = edit_distance(word, candidates[i]);

		if (distance <= limit) {
			nearest = candidates[i];
			limit = distance > 0 ? distance - 1 : 0;
			if (distance == 0)
				break;
		}
	}
	return nearest;
}
