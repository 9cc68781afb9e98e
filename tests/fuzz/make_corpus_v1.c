// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes the vectors of docs/protocol-1.md 9 as files, NAME.bin, into DIRECTORY:
 *
 *     build/tests/fuzz/make_corpus_v1 tests/fuzz/corpus/v1
 *
 * With --check it writes nothing and fails if a file is missing or differs. Inputs that a fuzzer found
 * may stand beside them, under other names.
 */
#include "tests/unit/wire/v1_vectors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seed {
	const char *name;
	uint8_t bytes[V1_VECTOR_MAX];
	size_t size;
};

static int write_seed(const char *path, const struct seed *seed)
{
	FILE *file = fopen(path, "wb");
	size_t written;

	if (!file)
		return -1;
	written = fwrite(seed->bytes, 1, seed->size, file);
	return fclose(file) == 0 && written == seed->size ? 0 : -1;
}

static int check_seed(const char *path, const struct seed *seed)
{
	uint8_t found[V1_VECTOR_MAX + 1];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		return -1;
	size = fread(found, 1, sizeof(found), file);
	fclose(file);
	return size == seed->size && memcmp(found, seed->bytes, size) == 0 ? 0 : -1;
}

static bool handle(const char *directory, const struct seed *seed, bool check)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.bin", directory, seed->name);
	if ((check ? check_seed(path, seed) : write_seed(path, seed)) == 0)
		return true;
	fprintf(stderr, "%s: %s\n", path,
		check ? "missing, or not the vector's octets: run make_corpus_v1"
		      : "cannot be written");
	return false;
}

int main(int argc, char **argv)
{
	static const struct seed acks[] = {
		{"ack", {'A', 'C', 'K', '\n', 1, 2, 3, 4}, 8},
		{"ack-published", {'A', 'C', 'K', '\n'}, 8},
	};
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0, ok = true;
	const char *directory = argv[argc - 1];

	if (argc != 2 && !check) {
		fprintf(stderr, "usage: %s [--check] DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < v1_vector_count; i++) {
		struct seed seed = {.name = v1_vectors[i].name};

		seed.size = v1_vector_bytes(&v1_vectors[i], seed.bytes);
		ok &= handle(directory, &seed, check);
	}
	for (size_t i = 0; i < ARRAY_SIZE(acks); i++)
		ok &= handle(directory, &acks[i], check);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
