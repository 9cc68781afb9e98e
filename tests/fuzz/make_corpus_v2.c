// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes the vectors of docs/protocol-2.md 12 as files, NAME.bin, packets with a tag of zeros:
 *
 *     build/tests/fuzz/make_corpus_v2 tests/fuzz/corpus/v2_packet tests/fuzz/corpus/v2_control
 *
 * With --check before the directories it writes nothing and fails if a file is missing or differs.
 */
#include "tests/unit/wire/v2_vectors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_seed(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	size_t written;

	if (!file)
		return false;
	written = fwrite(bytes, 1, size, file);
	return fclose(file) == 0 && written == size;
}

static bool check_seed(const char *path, const uint8_t *bytes, size_t size)
{
	uint8_t found[V1_VECTOR_MAX + V2_TAG_BYTES];
	FILE *file = fopen(path, "rb");
	size_t got;

	if (!file)
		return false;
	got = fread(found, 1, sizeof(found), file);
	fclose(file);
	return got == size && memcmp(found, bytes, size) == 0;
}

static bool handle(const struct v2_vector *vector, char *const *directories, bool check)
{
	uint8_t bytes[V1_VECTOR_MAX + V2_TAG_BYTES];
	size_t size = v2_vector_bytes(vector, bytes);
	bool control = vector->kind == V2_VECTOR_CONTROL;
	char path[PATH_MAX];

	if (!control) {
		memset(bytes + size, 0, V2_TAG_BYTES);
		size += V2_TAG_BYTES;
	}
	snprintf(path, sizeof(path), "%s/%s.bin", directories[control], vector->name);
	if (check ? check_seed(path, bytes, size) : write_seed(path, bytes, size))
		return true;
	fprintf(stderr, "%s: %s\n", path,
		check ? "missing, or not the vector's octets: run make_corpus_v2"
		      : "cannot be written");
	return false;
}

int main(int argc, char **argv)
{
	bool check = argc == 4 && strcmp(argv[1], "--check") == 0, ok = true;

	if (argc != 3 && !check) {
		fprintf(stderr, "usage: %s [--check] PACKETS-DIRECTORY CONTROL-DIRECTORY\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < v2_vector_count; i++)
		ok &= handle(&v2_vectors[i], argv + argc - 2, check);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
