// SPDX-License-Identifier: BSD-2-Clause
#include "archive/pack.h"
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/fd.h"
#include "cli/function.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * Dependencies are installed here, by the client, as its user: the server never runs a package
 * manager and needs no network. Scripts of packages are not run.
 */

static const char *temporary_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir == '/' ? dir : "/tmp";
}

static int temporary_file(void)
{
	int fd = open(temporary_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		cli_error("%s: cannot make a temporary file: %s", temporary_dir(), strerror(errno));
	return fd;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && strcmp(text + len - tail, end) == 0;
}

static int pack_to(const char *path, int fd)
{
	_cleanup_free_ char *error = NULL;
	int r = pack(path, fd, &error);

	if (r < 0)
		cli_error("%s", error ? error : strerror(-r));
	return r;
}

/* An archive as it is, anything else packed; -1 after saying why. */
static int open_code(const char *path)
{
	_cleanup_fd_ int fd = -1;

	if (ends_with(path, ".zip") || ends_with(path, ".tar.gz") || ends_with(path, ".tgz") ||
		ends_with(path, ".tar")) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			cli_error("%s: %s", path, strerror(errno));
		return TAKE_FD(fd);
	}
	fd = temporary_file();
	if (fd >= 0 && pack_to(path, fd) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* ---- dependencies ---- */

/* The child's words go to standard error: standard output is the command's. */
static int run_in(const char *dir, const char *const *arguments)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (chdir(dir) == 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
			execvp(arguments[0], (char *const *)arguments);
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		cli_error("cannot run %s: %s", arguments[0], strerror(errno));
		return -errno;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		cli_error(
			"cannot install dependencies: there is no %s here; install it, or put the "
			"dependencies into the folder yourself",
			arguments[0]);
	else
		cli_error("cannot install dependencies: %s failed; what it says is above",
			arguments[0]);
	return -ECHILD;
}

static int copy_file(const char *from, const char *dir, const char *name)
{
	_cleanup_fd_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	_cleanup_free_ char *path = NULL;
	char block[16384];
	ssize_t n;

	if (in < 0)
		return -errno;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	(void)unlink(path);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return -errno;
	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

/* The lock file beside package.json says which versions: then exactly those. */
static int install_node(const char *dependencies, const char *dir)
{
	const char *arguments[] = {"npm", "install", "--omit=dev", "--ignore-scripts",
		"--no-bin-links", "--install-links", "--no-audit", "--no-fund", NULL};
	_cleanup_free_ char *copy = strdup(dependencies), *lock = NULL;

	if (!copy || asprintf(&lock, "%s/package-lock.json", dirname(copy)) < 0) {
		lock = NULL;
		return -ENOMEM;
	}
	if (copy_file(lock, dir, "package-lock.json") == 0)
		arguments[1] = "ci";
	return run_in(dir, arguments);
}

static int install_python(const char *dir)
{
	static const char *const arguments[] = {"python3", "-m", "pip", "install", "--target", ".",
		"--no-compile", "--only-binary=:all:", "--disable-pip-version-check",
		"--requirement", "requirements.txt", NULL};

	return run_in(dir, arguments);
}

static int install(const char *dependencies, const char *dir)
{
	_cleanup_free_ char *copy = strdup(dependencies);
	const char *name = copy ? basename(copy) : "";
	bool is_node = strcmp(name, "package.json") == 0;
	int r;

	if (!is_node && !ends_with(name, ".txt")) {
		cli_error("--dependencies %s: expected package.json, or requirements.txt",
			dependencies);
		return -EINVAL;
	}
	r = copy_file(dependencies, dir, is_node ? "package.json" : "requirements.txt");
	if (r < 0) {
		cli_error("%s: %s", dependencies, strerror(-r));
		return r;
	}
	return is_node ? install_node(dependencies, dir) : install_python(dir);
}

/* Unpacked, completed, and packed again. */
static int add_dependencies(const char *dependencies, int code_fd, const char *dir)
{
	_cleanup_fd_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	_cleanup_free_ char *error = NULL;
	int r;

	if (dir_fd < 0 || lseek(code_fd, 0, SEEK_SET) < 0)
		return -1;
	r = unpack(code_fd, dir_fd, &unpack_code_limits, &error);
	if (r < 0) {
		cli_error("%s", error ? error : strerror(-r));
		return -1;
	}
	fd = install(dependencies, dir) == 0 ? temporary_file() : -1;
	if (fd >= 0 && pack_to(dir, fd) < 0)
		return -1;
	return TAKE_FD(fd);
}

int code_gather(const struct code_source *source)
{
	_cleanup_fd_ int fd = open_code(source->path);
	_cleanup_free_ char *dir = NULL;
	int complete;

	if (fd < 0 || !source->dependencies)
		return TAKE_FD(fd);
	if (asprintf(&dir, "%s/netlambda-deploy-XXXXXX", temporary_dir()) < 0) {
		dir = NULL;
		return -1;
	}
	if (!mkdtemp(dir)) {
		cli_error("%s: %s", dir, strerror(errno));
		return -1;
	}
	complete = add_dependencies(source->dependencies, fd, dir);
	(void)tree_remove(dir);
	return complete;
}
