// SPDX-License-Identifier: BSD-2-Clause
#include "cli/follow.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

/* How long to wait for a server that is not there, growing. */
#define RETRY_FIRST_MS 250
#define RETRY_LAST_MS  4000

struct attempt {
	const struct cli *cli;
	const struct following *following;
	bool lost; /* the server, and it was said */
	int wait_ms;
};

static bool on_line(void *user, char *line)
{
	struct attempt *attempt = user;
	json_t *value = line ? json_loads(line, 0, NULL) : NULL;
	bool go_on = true;

	if (attempt->lost)
		cli_error("connected again");
	attempt->lost = false;
	attempt->wait_ms = RETRY_FIRST_MS;
	if (value)
		go_on = attempt->following->line(attempt->following->user, value);
	json_decref(value);
	return go_on;
}

/* Returns whether a signal came meanwhile. */
static bool wait_for_server(struct attempt *attempt, int signal_fd)
{
	struct pollfd signals = {.fd = signal_fd, .events = POLLIN};

	if (!attempt->lost)
		cli_error(
			"lost the server at %s, waiting for it to come back", attempt->cli->socket);
	attempt->lost = true;
	if (poll(&signals, 1, attempt->wait_ms) > 0)
		return true;
	attempt->wait_ms = MIN(attempt->wait_ms * 2, RETRY_LAST_MS);
	return false;
}

static int follow_until_signal(struct attempt *attempt, int signal_fd)
{
	for (;;) {
		_cleanup_free_ char *target = attempt->following->target(attempt->following->user);
		enum client_end end = CLIENT_REFUSED;

		if (target)
			end = client_follow(attempt->cli, target, signal_fd, on_line, attempt);
		if (end == CLIENT_INTERRUPTED)
			return EXIT_SUCCESS;
		if (end == CLIENT_REFUSED)
			return ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
		if (wait_for_server(attempt, signal_fd))
			return EXIT_SUCCESS;
	}
}

int follow(const struct cli *cli, const struct following *following)
{
	struct attempt attempt = {.cli = cli, .following = following, .wait_ms = RETRY_FIRST_MS};
	_cleanup_fd_ int signal_fd = -1;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0) {
		cli_error("cannot wait for signals: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return follow_until_signal(&attempt, signal_fd);
}
