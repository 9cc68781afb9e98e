// SPDX-License-Identifier: BSD-2-Clause
#include "server/http_listen.h"

#include "base/error.h"
#include "base/fd.h"
#include "net/endpoint.h"
#include "server/address_limit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int set_option(int fd, int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

/*
 * Addresses that overlap may be listened on by sockets that both permit it, of one user. They do so no longer
 * than this takes: another program of that user shall not have our connections.
 */
static int listen_on(int fd, const struct endpoint *endpoint)
{
	if (set_option(fd, SO_REUSEADDR, 1) < 0 || set_option(fd, SO_REUSEPORT, 1) < 0 ||
		bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->len) < 0 ||
		listen(fd, ADDRESS_LIMIT_CONNECTIONS) < 0 || set_option(fd, SO_REUSEPORT, 0) < 0)
		return -errno;
	return 0;
}

int http_listen(const char *where, int beside, int *ret_fd, char **ret_error)
{
	_cleanup_fd_ int fd = -1;
	struct endpoint endpoint;
	int r;

	if (endpoint_parse(where, &endpoint, ret_error) < 0)
		return -EINVAL;
	fd = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (beside >= 0 && set_option(beside, SO_REUSEPORT, 1) < 0))
		r = -errno;
	else
		r = listen_on(fd, &endpoint);
	if (beside >= 0)
		(void)set_option(beside, SO_REUSEPORT, 0);
	if (r < 0)
		return error_set(ret_error, r, "cannot listen on tcp %s: %s", where, strerror(-r));
	*ret_fd = TAKE_FD(fd);
	return 0;
}
