// SPDX-License-Identifier: BSD-2-Clause
#include "server/http_daemon.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY_BYTES (16 << 10)
#define CONNECTION_IDLE_SECONDS 30

static void run(struct http_daemon *daemon)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(daemon->daemon);
	/* At least a nanosecond ahead: due at once, but after the descriptors of the next round. */
	if (MHD_get_timeout(daemon->daemon, &timeout_ms) == MHD_YES)
		loop_arm_timer(daemon->loop, &daemon->timer,
			loop_now_ns(daemon->loop) + MAX(timeout_ms * NS_PER_MS, 1ULL));
	else
		loop_disarm_timer(&daemon->timer);
}

static void on_io(struct loop_io *io, uint32_t events _unused_)
{
	run(io->user);
}

static void on_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	run(timer->user);
}

void http_daemon_run_soon(struct http_daemon *daemon)
{
	loop_arm_timer(daemon->loop, &daemon->timer, loop_now_ns(daemon->loop) + 1);
}

static void on_library_log(void *cls _unused_, const char *fmt, va_list ap)
{
	char line[256];
	size_t len;

	vsnprintf(line, sizeof(line), fmt, ap);
	len = strcspn(line, "\n");
	log_limited(LOG_LEVEL_DEBUG, "http: %.*s", (int)len, line);
}

int http_daemon_start(
	struct http_daemon *daemon, struct loop *loop, const struct http_daemon_options *options)
{
	const unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
				   (options->key ? MHD_USE_TLS : 0);
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key},
		{MHD_OPTION_END, 0, NULL},
	};
	static const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
	const union MHD_DaemonInfo *info;

	if (options->key && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return -EOPNOTSUPP;
	*daemon = (struct http_daemon){.loop = loop};
	daemon->daemon = MHD_start_daemon(flags, 0, options->accept, options->user, options->answer,
		options->user, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->user,
		MHD_OPTION_NOTIFY_CONNECTION, options->connected, options->user,
		MHD_OPTION_LISTEN_SOCKET, options->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)CONNECTION_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_ARRAY, options->key ? tls : plain,
		MHD_OPTION_END);
	if (!daemon->daemon)
		return -EIO;
	info = MHD_get_daemon_info(daemon->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	daemon->timer = (struct loop_timer){.fn = on_timer, .user = daemon};
	daemon->io = (struct loop_io){.fn = on_io, .user = daemon};
	return loop_add_io(loop, &daemon->io, info->epoll_fd, EPOLLIN);
}

void http_daemon_close_door(struct http_daemon *daemon)
{
	int fd = MHD_quiesce_daemon(daemon->daemon);

	if (fd >= 0)
		close(fd);
	http_daemon_run_soon(daemon);
}

unsigned int http_daemon_connections(const struct http_daemon *daemon)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(daemon->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

void http_daemon_stop(struct http_daemon *daemon)
{
	if (!daemon->daemon)
		return;
	if (daemon->io.loop)
		loop_remove_io(&daemon->io);
	if (daemon->timer.fn)
		loop_disarm_timer(&daemon->timer);
	MHD_stop_daemon(daemon->daemon);
	daemon->daemon = NULL;
}
