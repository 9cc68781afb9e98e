// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes the frames of tests/bpf/parse_cases.c as inputs of fuzz_parse, NAME.bin, into DIRECTORY:
 *
 *     build/tests/fuzz/make_corpus_parse tests/fuzz/corpus/parse
 *
 * With --check it writes nothing and fails if a file is missing or differs. Inputs that a fuzzer found
 * may stand beside them, under other names.
 */
#include "tests/bpf/parse_cases.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_MAX (1 + FRAME_MAX)

static size_t seed_make(const struct parse_case *c, uint8_t bytes[SEED_MAX])
{
	struct frame f;

	parse_case_build(c, &f);
	bytes[0] = (uint8_t)c->inside;
	memcpy(bytes + 1, f.bytes, f.size);
	return 1 + f.size;
}

static bool seed_write(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	size_t written;

	if (!file)
		return false;
	written = fwrite(bytes, 1, size, file);
	return fclose(file) == 0 && written == size;
}

static bool seed_is_there(const char *path, const uint8_t *bytes, size_t size)
{
	uint8_t found[SEED_MAX + 1];
	FILE *file = fopen(path, "rb");
	size_t found_size;

	if (!file)
		return false;
	found_size = fread(found, 1, sizeof(found), file);
	fclose(file);
	return found_size == size && memcmp(found, bytes, size) == 0;
}

static bool seed_handle(const char *directory, const struct parse_case *c, bool check)
{
	uint8_t bytes[SEED_MAX];
	size_t size = seed_make(c, bytes);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.bin", directory, c->name);
	if (check ? seed_is_there(path, bytes, size) : seed_write(path, bytes, size))
		return true;
	fprintf(stderr, "%s: %s\n", path,
		check ? "missing, or not the case's frame: run make_corpus_parse"
		      : "cannot be written");
	return false;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0, ok = true;

	if (argc != 2 && !check) {
		fprintf(stderr, "usage: %s [--check] DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < parse_case_count; i++)
		ok &= seed_handle(argv[argc - 1], &parse_cases[i], check);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
