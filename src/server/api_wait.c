// SPDX-License-Identifier: BSD-2-Clause
#include "server/api_wait.h"

#include <errno.h>
#include <sys/epoll.h>

static void on_client_gone(struct loop_io *io, uint32_t events _unused_)
{
	struct api_wait *wait = io->user;

	wait->gone = true;
	api_wait_end(wait);
}

int api_wait_begin(struct api_wait *wait)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(wait->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int r;

	if (!info)
		return -EIO;
	/* Hanging up is always reported; a client that only ends its sending side still listens. */
	wait->io = (struct loop_io){.fn = on_client_gone, .user = wait};
	r = loop_add_io(wait->api->loop, &wait->io, info->connect_fd, 0);
	if (r < 0)
		return r;
	MHD_suspend_connection(wait->connection);
	wait->suspended = true;
	return 0;
}

void api_wait_end(struct api_wait *wait)
{
	if (!wait->suspended)
		return;
	wait->suspended = false;
	loop_remove_io(&wait->io);
	MHD_resume_connection(wait->connection);
	api_run_soon(wait->api);
}
