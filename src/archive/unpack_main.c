// SPDX-License-Identifier: BSD-2-Clause
/*
 * netlambda-unpack DIR: unpacks the archive on standard input into DIR, which must be there and
 * empty, seals it, and prints the digest of what is in it. A program of its own, so that neither
 * the time this takes nor a mistake in a parser of foreign bytes is the server's. On failure one
 * line on standard output says why, and the status is 1. `netlambda-unpack --remove DIR` removes a
 * folder that was unpacked.
 */
#include "archive/confine.h"
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int run(const char *dir, char digest[static TREE_DIGEST_MAX], char **ret_error)
{
	_cleanup_fd_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return error_set(ret_error, -errno, "%s: %s", dir, strerror(errno));
	r = unpack_confine(dir, unpack_code_limits.bytes);
	if (r == 0)
		r = unpack(STDIN_FILENO, dir_fd, &unpack_code_limits, ret_error);
	if (r == 0)
		r = tree_digest(dir, digest);
	if (r == 0)
		r = tree_seal(dir);
	/*
	 * The server says that a function is deployed only when its code will be there after a
	 * power failure.
	 */
	if (r == 0 && syncfs(dir_fd) < 0)
		r = -errno;
	return r < 0 ? error_set(ret_error, r, "%s: %s", dir, strerror(-r)) : 0;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *error = NULL;
	char digest[TREE_DIGEST_MAX];

	if (argc == 3 && strcmp(argv[1], "--remove") == 0)
		return tree_remove(argv[2]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (argc != 2) {
		fputs("Usage: netlambda-unpack DIR < ARCHIVE\n", stderr);
		return 2;
	}
	if (run(argv[1], digest, &error) < 0) {
		puts(error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	puts(digest);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
