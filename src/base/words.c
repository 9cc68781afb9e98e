// SPDX-License-Identifier: BSD-2-Clause
#include "base/words.h"

#include <string.h>

void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

size_t words_count(const char *const *words)
{
	size_t count = 0;

	while (words && words[count])
		count++;
	return count;
}

char **words_copy(const char *const *words)
{
	size_t count = words_count(words);
	char **copy = calloc(count + 1, sizeof(char *));

	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			words_free(copy);
			return NULL;
		}
	}
	return copy;
}

bool words_equal(const char *const *a, const char *const *b)
{
	size_t count = words_count(a);

	if (words_count(b) != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

char *words_join(const char *const *words, const char *separator)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; words && words[i]; i++)
		size += strlen(separator) + strlen(words[i]);
	text = end = malloc(size);
	if (!text)
		return NULL;
	*end = '\0';
	for (size_t i = 0; words && words[i]; i++)
		end = stpcpy(stpcpy(end, i > 0 ? separator : ""), words[i]);
	return text;
}
