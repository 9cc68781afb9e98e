// SPDX-License-Identifier: BSD-2-Clause
#include "engine/isolation.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "launcher/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define PROBE_MAX 8192 /* bytes of what it says */
#define PROBE_NS  (10 * NS_PER_SEC)

static const char *const names[] = {
	[ISOLATION_STRICT] = "strict",
	[ISOLATION_BEST_EFFORT] = "best-effort",
	[ISOLATION_NONE] = "none",
};

void isolation_level_done(struct isolation_level *level)
{
	for (size_t i = 0; i < LAYER_COUNT; i++)
		free(level->lacks[i]);
	*level = (struct isolation_level){0};
}

int isolation_level_copy(const struct isolation_level *level, struct isolation_level *ret_level)
{
	struct isolation_level copy = {.layers = level->layers};

	for (size_t i = 0; i < LAYER_COUNT; i++) {
		if (!level->lacks[i])
			continue;
		copy.lacks[i] = strdup(level->lacks[i]);
		if (!copy.lacks[i]) {
			isolation_level_done(&copy);
			return -ENOMEM;
		}
	}
	*ret_level = copy;
	return 0;
}

int isolation_parse(const char *name, enum isolation *ret_isolation)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_isolation = (enum isolation)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *isolation_name(enum isolation isolation)
{
	return names[isolation];
}

/* ---- the launcher ---- */

/* Its process, and in `ret_fd` what it says. */
static int run_probe(const char *launcher, pid_t *ret_pid, int *ret_fd)
{
	char *const argv[] = {(char *)"netlambda-worker", (char *)"--probe", NULL};
	char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r = -posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = -posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
		if (r == 0)
			r = -posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
		if (r == 0)
			r = -posix_spawn(ret_pid, launcher, &actions, NULL, argv, environment);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(fds[1]);
	if (r < 0)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return r;
}

/* All that it says, until its end, or for as long as one may wait. */
static int read_probe(int fd, char *text, size_t size)
{
	uint64_t until = clock_monotonic_ns() + PROBE_NS;
	size_t len = 0;

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_monotonic_ns();
		ssize_t n;

		if (now >= until)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)((until - now) / NS_PER_MS) + 1) <= 0)
			continue;
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		text[len] = '\0';
		if (n == 0)
			return len < size - 1 ? 0 : -EMSGSIZE;
	}
}

/* "landlock no landlock_create_ruleset: ..." */
static int take_line(const char *line, struct isolation_level *level)
{
	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		size_t len = strlen(layer_name(layer));

		if (strncmp(line, layer_name(layer), len) != 0 || line[len] != ' ')
			continue;
		if (strcmp(line + len, " yes") == 0) {
			level->layers |= LAYER_BIT(layer);
			return 0;
		}
		if (strncmp(line + len, " no ", 4) != 0)
			return -EBADMSG;
		free(level->lacks[layer]);
		level->lacks[layer] = strdup(line + len + 4);
		return level->lacks[layer] ? 0 : -ENOMEM;
	}
	return -EBADMSG;
}

static int take_lines(char *text, struct isolation_level *level)
{
	char *position = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &position); line && r == 0;
		line = strtok_r(NULL, "\n", &position))
		r = take_line(line, level);
	for (enum layer layer = 0; layer < LAYER_COUNT && r == 0; layer++)
		if (!(level->layers & LAYER_BIT(layer)) && !level->lacks[layer])
			r = -EBADMSG;
	return r;
}

int isolation_probe(const char *launcher, struct isolation_level *ret_level, char **ret_error)
{
	_cleanup_(isolation_level_done) struct isolation_level level = {0};
	_cleanup_fd_ int fd = -1;
	char text[PROBE_MAX] = "", copy[PROBE_MAX];
	pid_t pid = -1;
	int r = run_probe(launcher, &pid, &fd);

	if (r < 0)
		return error_set(ret_error, r, "cannot run %s, which starts workers: %s", launcher,
			strerror(-r));
	r = read_probe(fd, text, sizeof(text));
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	memcpy(copy, text, sizeof(copy));
	if (r == 0)
		r = take_lines(text, &level);
	if (r < 0)
		return error_set(ret_error, r, "%s --probe: %s: %s", launcher, strerror(-r), copy);
	*ret_level = level;
	level = (struct isolation_level){0};
	return 0;
}

/* ---- the choice ---- */

int isolation_choose(const struct isolation_level *level, enum isolation wanted, uint32_t promised,
	uint32_t *ret_layers, char **ret_error)
{
	if (wanted == ISOLATION_STRICT)
		for (enum layer layer = 0; layer < LAYER_COUNT; layer++)
			if (promised & ~level->layers & LAYER_BIT(layer))
				return error_set(ret_error, -EPERM,
					"isolation: no %s here: %s; \"isolation\": \"best-effort\" "
					"runs it without",
					layer_name(layer), level->lacks[layer]);
	*ret_layers = wanted == ISOLATION_NONE ? 0 : level->layers;
	return 0;
}

const char *isolation_function_dir(uint32_t layers, const char *dir)
{
	return layers & LAYER_BIT(LAYER_ROOT) ? CONTROL_FUNCTION_DIR : dir;
}

void isolation_render_lacking(uint32_t layers, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (enum layer layer = 0; layer < LAYER_COUNT && len < size; layer++)
		if (!(layers & LAYER_BIT(layer)))
			len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? "," : "",
				layer_name(layer));
}
