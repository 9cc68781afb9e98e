// SPDX-License-Identifier: BSD-2-Clause
#include "net/key_log.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 512

struct key_log {
	int fd;
};

static int check_mode(int fd, const char *path, char **ret_error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(ret_error, -errno, "cannot open %s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)))
		return error_set(ret_error, -EPERM,
			"%s: others may read the key log: chmod go= it, or name another file",
			path);
	return 0;
}

int key_log_open(const char *path, struct key_log **ret_log, char **ret_error)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct key_log *log;
	int r;

	if (fd < 0)
		return error_set(ret_error, -errno, "cannot open %s: %s", path, strerror(errno));
	r = check_mode(fd, path, ret_error);
	if (r < 0)
		return r;
	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->fd = TAKE_FD(fd);
	*ret_log = log;
	return 0;
}

void key_log_close(struct key_log *log)
{
	close(log->fd);
	free(log);
}

/* In one call, so that lines of several processes do not mix. */
void key_log_line(struct key_log *log, const char *line)
{
	char text[LINE_MAX_BYTES];
	int size = snprintf(text, sizeof(text), "%s\n", line);

	if (size < (int)sizeof(text) && write(log->fd, text, (size_t)size) < 0)
		return;
	explicit_bzero(text, sizeof(text));
}

static void put_hex(char *text, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void key_log_session(struct key_log *log, uint64_t session, uint8_t cipher,
	const uint8_t to_server[static V2_SECRET_BYTES],
	const uint8_t to_agent[static V2_SECRET_BYTES])
{
	char server[2 * V2_SECRET_BYTES + 1], agent[2 * V2_SECRET_BYTES + 1], line[LINE_MAX_BYTES];

	put_hex(server, to_server, V2_SECRET_BYTES);
	put_hex(agent, to_agent, V2_SECRET_BYTES);
	snprintf(line, sizeof(line), "NETLAMBDA_2 %014" PRIx64 " %02x %s %s", session, cipher,
		server, agent);
	key_log_line(log, line);
	explicit_bzero(server, sizeof(server));
	explicit_bzero(agent, sizeof(agent));
	explicit_bzero(line, sizeof(line));
}
