// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes the vectors of docs/protocol-2.md 12 as files, NAME.bin, packets with a tag of zeros:
 *
 *     build/tests/fuzz/make_corpus_v2 tests/fuzz/corpus/v2_packet tests/fuzz/corpus/v2_control \
 *             tests/fuzz/corpus/v2_framer tests/fuzz/corpus/v2_talk
 *
 * The third gets all control messages behind each other, in pieces of several sizes; the last each of
 * them behind a HELLO. With --check before the directories it writes nothing and fails if a file is missing or differs.
 */
#include "tests/unit/wire/v2_vectors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_MAX 4095 /* what replay.c reads */

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
	uint8_t found[STREAM_MAX + 1];
	FILE *file = fopen(path, "rb");
	size_t got;

	if (!file)
		return false;
	got = fread(found, 1, sizeof(found), file);
	fclose(file);
	return got == size && memcmp(found, bytes, size) == 0;
}

static bool keep(const char *path, const uint8_t *bytes, size_t size, bool check)
{
	if (check ? check_seed(path, bytes, size) : write_seed(path, bytes, size))
		return true;
	fprintf(stderr, "%s: %s\n", path,
		check ? "missing, or not the vector's octets: run make_corpus_v2"
		      : "cannot be written");
	return false;
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
	return keep(path, bytes, size, check);
}

/* The first octet is one less than the size of the pieces. */
static bool handle_stream(const char *directory, uint8_t piece, bool check)
{
	uint8_t bytes[STREAM_MAX] = {piece}, one[V1_VECTOR_MAX];
	size_t size = 1;
	char path[PATH_MAX];

	for (size_t i = 0; i < v2_vector_count; i++) {
		size_t more = v2_vector_bytes(&v2_vectors[i], one);

		if (v2_vectors[i].kind != V2_VECTOR_CONTROL || more > sizeof(bytes) - size)
			continue;
		memcpy(bytes + size, one, more);
		size += more;
	}
	snprintf(path, sizeof(path), "%s/pieces-%d.bin", directory, piece + 1);
	return keep(path, bytes, size, check);
}

/* Behind a HELLO that is understood. */
static bool handle_talk(const struct v2_vector *vector, const char *directory, bool check)
{
	const struct v2_vector *hello = v2_vectors;
	uint8_t bytes[2 * V1_VECTOR_MAX];
	char path[PATH_MAX];
	size_t size;

	if (vector->kind != V2_VECTOR_CONTROL)
		return true;
	while (strcmp(hello->name, "hello") != 0)
		hello++;
	size = v2_vector_bytes(hello, bytes);
	size += v2_vector_bytes(vector, bytes + size);
	snprintf(path, sizeof(path), "%s/%s.bin", directory, vector->name);
	return keep(path, bytes, size, check);
}

int main(int argc, char **argv)
{
	static const uint8_t pieces[] = {0, 6, 99, 255};
	bool check = argc == 6 && strcmp(argv[1], "--check") == 0, ok = true;

	if (argc != 5 && !check) {
		fprintf(stderr, "usage: %s [--check] PACKETS CONTROL FRAMER TALK (directories)\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < v2_vector_count; i++)
		ok &= handle(&v2_vectors[i], argv + argc - 4, check);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		ok &= handle_stream(argv[argc - 2], pieces[i], check);
	for (size_t i = 0; i < v2_vector_count; i++)
		ok &= handle_talk(&v2_vectors[i], argv[argc - 1], check);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
