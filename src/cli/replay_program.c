// SPDX-License-Identifier: BSD-2-Clause
#include "cli/replay_program.h"

#include "base/fd.h"
#include "base/program.h"
#include "cli/cli.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

void replay_find(char path[static PATH_MAX])
{
	program_find("src/replay/netlambda-replay", REPLAY_PROGRAM, path);
}

static int run(const char *const *arguments, int output_fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (dup2(output_fd, STDOUT_FILENO) >= 0)
			execv(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
		WEXITSTATUS(status) == 127) {
		cli_error("cannot run %s", arguments[0]);
		return -1;
	}
	/* It has said what is wrong. */
	return WEXITSTATUS(status) == 0 ? 0 : -1;
}

int replay_run(
	const char *function_dir, const char *capture, const char *requests, json_t **ret_result)
{
	_cleanup_fd_ int output_fd = memfd_create("replay", MFD_CLOEXEC);
	char path[PATH_MAX];
	const char *arguments[11] = {
		path, "--function", function_dir, "--output", "json", "--log-level", "error"};
	size_t count = 7;
	json_error_t error;
	json_t *result;

	if (requests) {
		arguments[count++] = "--requests";
		arguments[count++] = requests;
	}
	arguments[count] = capture;
	replay_find(path);
	if (output_fd < 0) {
		cli_error("%s", strerror(errno));
		return -1;
	}
	if (run(arguments, output_fd) < 0 || lseek(output_fd, 0, SEEK_SET) < 0)
		return -1;
	result = json_loadfd(output_fd, 0, &error);
	if (!result) {
		cli_error("netlambda-replay printed what is no JSON: %s", error.text);
		return -1;
	}
	*ret_result = result;
	return 0;
}
