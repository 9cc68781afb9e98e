// SPDX-License-Identifier: BSD-2-Clause
#include "base/error.h"
#include "base/fd.h"
#include "server/api_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SOCKET_MODE 0660

/* Whether somebody accepts connections there: 0, -EADDRINUSE, or another errno of connect(2). */
static int probe(const struct sockaddr_un *address)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* EAGAIN: its backlog is full, so it lives. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

/* A server that was killed leaves its socket behind: nobody answers there, and it may go. */
static int remove_stale(const struct sockaddr_un *address, char **ret_error)
{
	const char *path = address->sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(ret_error, -EEXIST,
			"%s: expected a socket or nothing, found another kind of file: name "
			"another "
			"path for the API",
			path);
	r = probe(address);
	if (r == -EADDRINUSE)
		return error_set(ret_error, r,
			"%s: a server answers there already: stop that one, or name another path "
			"for the API",
			path);
	if (r < 0 || (unlink(path) < 0 && errno != ENOENT))
		return error_set(ret_error, r < 0 ? r : -errno, "%s: cannot replace the socket: %s",
			path, strerror(r < 0 ? -r : errno));
	return 0;
}

int api_listen(const char *path, int *ret_fd, char **ret_error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(ret_error, -ENAMETOOLONG,
			"%s: a socket's path has at most %zu characters", path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	r = remove_stale(&address, ret_error);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	/* bind(2) takes the descriptor's mode, less the umask: never wider than it shall be. */
	if (fchmod(fd, SOCKET_MODE) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, SOCKET_MODE) < 0)
		return error_set(ret_error, -errno,
			"%s: cannot make the socket: %s: its directory must be there, and writable "
			"by user id %d",
			path, strerror(errno), (int)geteuid());
	if (listen(fd, API_CONNECTIONS_MAX) < 0)
		return error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}
