// SPDX-License-Identifier: BSD-2-Clause
/* What an unpacker that is taken over can still do: each attempt is made in a process of its own, from inside. */
#include "archive/confine.h"

#include "archive/tree.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES (1U << 20)
#define MEMORY     (1UL << 30)

struct place {
	char around[64], secret[96], dir[96], file[128];
	int dir_fd;
};

static int place_new(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	FILE *secret;

	if (!place)
		return -1;
	strcpy(place->around, "/tmp/netlambda-confine.XXXXXX");
	if (!mkdtemp(place->around))
		return -1;
	snprintf(place->secret, sizeof(place->secret), "%s/secret", place->around);
	snprintf(place->dir, sizeof(place->dir), "%s/in", place->around);
	snprintf(place->file, sizeof(place->file), "%s/file", place->dir);
	secret = fopen(place->secret, "we");
	if (!secret || fclose(secret) != 0 || mkdir(place->dir, 0700) < 0)
		return -1;
	place->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = place;
	return place->dir_fd < 0;
}

static int place_free(void **state)
{
	struct place *place = *state;

	close(place->dir_fd);
	(void)tree_remove(place->around);
	free(place);
	return 0;
}

/* 0, or the errno of what failed. */
static int as_errno(long result)
{
	return result < 0 ? errno : 0;
}

/* ---- what it is for ---- */

static int make_files(const struct place *place)
{
	char byte = 'x';
	int fd = openat(place->dir_fd, "file", O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, &byte, 1) != 1 || fchmod(fd, 0444) < 0 || close(fd) < 0 ||
		mkdirat(place->dir_fd, "folder", 0755) < 0)
		return errno;
	fd = open(place->file, O_RDONLY);
	if (fd < 0 || read(fd, &byte, 1) != 1 || chmod(place->dir, 0555) < 0 ||
		syncfs(place->dir_fd) < 0)
		return errno;
	return 0;
}

/* ---- files ---- */

static int read_what_is_there(const struct place *place _unused_)
{
	return as_errno(open("/etc/passwd", O_RDONLY));
}

static int read_beside(const struct place *place)
{
	return as_errno(openat(place->dir_fd, "../secret", O_RDONLY));
}

static int list_around(const struct place *place)
{
	return as_errno(open(place->around, O_RDONLY | O_DIRECTORY));
}

static int write_beside(const struct place *place)
{
	return as_errno(openat(place->dir_fd, "../new", O_WRONLY | O_CREAT, 0600));
}

static int change_beside(const struct place *place)
{
	return as_errno(open(place->secret, O_WRONLY | O_TRUNC));
}

static int read_memory(const struct place *place _unused_)
{
	return as_errno(open("/proc/self/mem", O_RDWR));
}

/* ---- system calls ---- */

static int remove_something(const struct place *place)
{
	return as_errno(unlinkat(place->dir_fd, "../secret", 0));
}

static int move_something(const struct place *place)
{
	return as_errno(renameat(place->dir_fd, "../secret", place->dir_fd, "secret"));
}

static int link_something(const struct place *place)
{
	return as_errno(linkat(place->dir_fd, "../secret", place->dir_fd, "secret", 0));
}

static int make_symbolic_link(const struct place *place)
{
	return as_errno(symlinkat("/etc", place->dir_fd, "etc"));
}

/* Of the API, say: no rule about files would keep it from connecting. */
static int open_unix_socket(const struct place *place _unused_)
{
	return as_errno(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int open_internet_socket(const struct place *place _unused_)
{
	return as_errno(socket(AF_INET, SOCK_DGRAM, 0));
}

static int start_process(const struct place *place _unused_)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return as_errno(pid);
}

static int execute(const struct place *place _unused_)
{
	return as_errno(execl("/bin/true", "true", (char *)NULL));
}

static int signal_parent(const struct place *place _unused_)
{
	return as_errno(kill(getppid(), 0));
}

static int trace_parent(const struct place *place _unused_)
{
	return as_errno(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int map_code(const struct place *place _unused_)
{
	void *memory = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : 0;
}

static int make_namespace(const struct place *place _unused_)
{
	return as_errno(unshare(CLONE_NEWUSER));
}

static int use_ring(const struct place *place _unused_)
{
	char params[120] = {0};

	return as_errno(syscall(SYS_io_uring_setup, 1, params));
}

static int raise_limit(const struct place *place _unused_)
{
	const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	return as_errno(setrlimit(RLIMIT_FSIZE, &limit));
}

/* ---- bounds ---- */

static int take_memory(const struct place *place _unused_)
{
	void *memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : 0;
}

static int write_large_file(const struct place *place)
{
	int fd = openat(place->dir_fd, "large", O_WRONLY | O_CREAT, 0600);
	char byte = 'x';

	signal(SIGXFSZ, SIG_IGN);
	if (fd < 0 || lseek(fd, FILE_BYTES, SEEK_SET) < 0)
		return -1;
	return as_errno(write(fd, &byte, 1));
}

/* ---- */

static const struct attempt {
	const char *what;
	int (*run)(const struct place *place);
	int expected;
	bool takes_landlock;
} attempts[] = {
	{"make files and a folder in the folder", make_files, 0, false},
	{"read a file of the system", read_what_is_there, EACCES, true},
	{"read a file beside the folder", read_beside, EACCES, true},
	{"list the folder around", list_around, EACCES, true},
	{"make a file beside the folder", write_beside, EACCES, true},
	{"empty a file beside the folder", change_beside, EACCES, true},
	{"open its memory", read_memory, EACCES, true},
	{"remove a file", remove_something, EPERM, false},
	{"move a file", move_something, EPERM, false},
	{"link a file", link_something, EPERM, false},
	{"make a symbolic link", make_symbolic_link, EPERM, false},
	{"open a Unix socket", open_unix_socket, EPERM, false},
	{"open an internet socket", open_internet_socket, EPERM, false},
	{"start a process", start_process, EPERM, false},
	{"execute a program", execute, EPERM, false},
	{"signal its parent", signal_parent, EPERM, false},
	{"trace its parent", trace_parent, EPERM, false},
	{"map code", map_code, EPERM, false},
	{"make a namespace", make_namespace, EPERM, false},
	{"use io_uring", use_ring, EPERM, false},
	{"raise a limit", raise_limit, EPERM, false},
	{"take a gigabyte of memory", take_memory, ENOMEM, false},
	{"write a file that is too large", write_large_file, EFBIG, false},
};

static bool has_landlock(void)
{
	struct landlock landlock;

	if (landlock_open(&(struct landlock_denied){.files = LANDLOCK_READ}, &landlock) < 0)
		return false;
	landlock_close(&landlock);
	return true;
}

/* The errno that it ends with; 255: it cannot be confined. */
static int try(const struct attempt *attempt, const struct place *place)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unpack_confine(place->dir, FILE_BYTES) < 0 ? 255 : attempt->run(place));
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void nothing_but_unpacking_is_left(void **state)
{
	const bool landlock = has_landlock();

#ifdef SANITIZED
	skip(); /* a sanitizer's runtime could not work in it */
#endif
	if (!landlock)
		print_message("no Landlock here: attempts on files are left out\n");
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		int found;

		if (attempts[i].takes_landlock && !landlock)
			continue;
		found = try(&attempts[i], *state);
		if (found != attempts[i].expected)
			fail_msg("%s: expected %d (%s), found %d (%s)", attempts[i].what,
				attempts[i].expected, strerror(attempts[i].expected), found,
				strerror(found));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			nothing_but_unpacking_is_left, place_new, place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
