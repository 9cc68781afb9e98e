// SPDX-License-Identifier: BSD-2-Clause
/* For tests/unit/engine/test_escape.c: what a function in C tries that wants out, and what it needs to work. */
#include "../attempts.h"

#include <netlambda/function.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

lambda_handler escape, break_out, need, reach, stray, bomb;

/* Keeps "done", or the error's name. */
static void keep(struct lambda_context *context, const char *name, long result)
{
	const char *error = result < 0 ? strerrorname_np((int)-result) : "done";

	lambda_set_text(context, name, error ? error : lambda_format(context, "%ld", result));
}

/* ---- wanting out ---- */

/* Code that it wrote itself, in its own process. */
static long load_written(void)
{
	static const char written[] = "/tmp/escape.so";
	int out = open(written, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700), in = -1;
	glob_t found = {0};
	struct stat st;
	long r = -EACCES;

	if (out >= 0 && glob("/usr/lib/*/libm.so.6", 0, NULL, &found) == 0)
		in = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (in >= 0 && fstat(in, &st) == 0 && sendfile(out, in, NULL, (size_t)st.st_size) > 0 &&
		dlopen(written, RTLD_NOW))
		r = 0;
	close(in);
	close(out);
	unlink(written);
	globfree(&found);
	return r;
}

static long run_shell(void)
{
	int status = system("true");

	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

/* The argument is that, or the config's member of that name. */
struct attempt_at {
	const char *name, *attempt, *config, *argument;
};

static const struct attempt_at escapes[] = {
	{"secret", "read", "secret", NULL},
	{"database", "read", "database", NULL},
	{"shadow", "read", NULL, "/etc/shadow"},
	{"kernel", "read", NULL, "/proc/kallsyms"},
	{"sysctl", "read", NULL, "/proc/sys/kernel/osrelease"},
	{"playground", "create", "playground", NULL},
	{"code", "write", "code", NULL},
	{"run-written", "run-written", NULL, "/tmp"},
	{"unix", "unix", "unix", NULL},
	{"abstract", "abstract", "abstract", NULL},
};

/* What would do harm, or change what can be tried later, if it succeeded: not to be tried without isolation. */
static const struct attempt_at harmful[] = {
	{"device", "device", NULL, "/tmp/null"},
	{"trace-child", "trace-child", NULL, ""},
	{"memory-of-child", "memory-of-child", NULL, ""},
	{"raw", "raw-socket", NULL, ""},
	{"packet", "packet-socket", NULL, ""},
	{"netlink", "netlink-socket", NULL, ""},
	{"mount", "mount", NULL, "/tmp"},
	{"chroot", "chroot", NULL, "/tmp"},
	{"root", "root", NULL, ""},
	{"namespace", "user-namespace", NULL, ""},
	{"namespace-clone3", "clone3-user-namespace", NULL, ""},
	{"io_uring", "io_uring", NULL, ""},
	{"bpf", "bpf", NULL, ""},
	{"perf", "perf", NULL, ""},
	{"keyring", "keyring", NULL, ""},
	{"module", "module", NULL, ""},
	{"clock", "clock", NULL, ""},
	{"host-name", "host-name", NULL, "escaped"},
};

static void try_all(struct lambda_context *context, const struct attempt_at *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		keep(context, list[i].name,
			attempt(list[i].attempt,
				list[i].config ? lambda_config_text(context, list[i].config, "")
					       : list[i].argument));
}

static void try_numbers(struct lambda_context *context)
{
	int server = (int)lambda_config_number(context, "server", 0);
	const char *pid = lambda_format(context, "%d", server);

	keep(context, "signal", attempt("signal", pid));
	keep(context, "environ",
		attempt("read", lambda_format(context, "/proc/%d/environ", server)));
	keep(context, "neighbours",
		attempt("read", lambda_format(context, "/proc/%d/cmdline", server)));
	keep(context, "tcp",
		attempt("tcp",
			lambda_format(context, "%.0f", lambda_config_number(context, "tcp", 0))));
	keep(context, "udp",
		attempt("udp",
			lambda_format(context, "%.0f", lambda_config_number(context, "udp", 0))));
}

int escape(const struct lambda_event *event, struct lambda_context *context)
{
	const char *code = lambda_config_text(context, "code", "");

	(void)event;
	try_all(context, escapes, sizeof(escapes) / sizeof(escapes[0]));
	try_numbers(context);
	keep(context, "mode", chmod(code, 0666) < 0 ? -errno : 0);
	keep(context, "shell", run_shell());
	keep(context, "addon", load_written());
	return 0;
}

int break_out(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event;
	/* As many as there may be, and itself no worse for it. */
	keep(context, "forks", attempt("fork", "") >= 300 ? 0 : -EAGAIN);
	keep(context, "trace",
		attempt("trace", lambda_format(context, "%.0f",
					 lambda_config_number(context, "server", 0))));
	try_all(context, harmful, sizeof(harmful) / sizeof(harmful[0]));
	return 0;
}

/* Each process makes others, and none ends. Only where their number has a limit. */
int bomb(const struct lambda_event *event, struct lambda_context *context)
{
	struct rlimit limit;

	(void)event;
	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_max > 1000)
		return lambda_fail(context, "no limit");
	for (;;)
		(void)!fork();
}

/* ---- what is needed ---- */

static void *run_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static long use_thread(void)
{
	pthread_t thread;
	int seen = 0;
	int r = pthread_create(&thread, NULL, run_thread, &seen);

	if (r == 0)
		r = pthread_join(thread, NULL);
	return r == 0 && seen ? 0 : -EAGAIN;
}

static long use_child(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -ECHILD;
}

static long use_file(void)
{
	FILE *file = fopen("/tmp/file", "w+");
	long r = file && fputs("x", file) > 0 && fseek(file, 0, SEEK_SET) == 0 && fgetc(file) == 'x'
			 ? 0
			 : -EIO;

	if (file)
		fclose(file);
	unlink("/tmp/file");
	return r;
}

static long know_zones(void)
{
	const time_t begin = 0;
	struct tm local;

	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	return localtime_r(&begin, &local) && local.tm_hour == 9 ? 0 : -ENOENT;
}

int need(const struct lambda_event *event, struct lambda_context *context)
{
	const struct passwd *user = getpwuid(getuid());
	char bytes[16];

	(void)event;
	keep(context, "files", use_file());
	keep(context, "neighbour",
		attempt("read", "escape.so")); /* in the folder, which is where one is */
	keep(context, "user", user && strcmp(user->pw_name, "function") == 0 ? 0 : -ENOENT);
	keep(context, "random", getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes) ? 0 : -EIO);
	keep(context, "thread", use_thread());
	keep(context, "child", use_child());
	keep(context, "zone", know_zones());
	keep(context, "library", dlopen("libm.so.6", RTLD_NOW) ? 0 : -ENOENT);
	keep(context, "processors", sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : -EIO);
	keep(context, "memory", malloc(64U << 20) ? 0 : -ENOMEM);
	keep(context, "temporary", mkdtemp(strdup("/tmp/folder-XXXXXX")) ? 0 : -EIO);
	return 0;
}

/* ---- the network, where it is allowed: `tcp` at two hosts ---- */

static long talk(
	struct lambda_context *context, const char *how, const char *host, const char *port)
{
	return attempt(how,
		lambda_format(context, "%s %.0f", host, lambda_config_number(context, port, 53)));
}

int reach(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event;
	keep(context, "address", talk(context, "talk", "127.0.0.1", "tcp"));
	keep(context, "name", talk(context, "talk", "localhost", "tcp"));
	return 0;
}

int stray(const struct lambda_event *event, struct lambda_context *context)
{
	(void)event;
	keep(context, "port", talk(context, "talk", "127.0.0.1", "other"));
	keep(context, "port-of-name", talk(context, "talk", "localhost", "other"));
	keep(context, "host", talk(context, "talk", "127.0.0.2", "tcp"));
	keep(context, "outside", talk(context, "talk", "192.0.2.1", "tcp"));
	keep(context, "outside6", talk(context, "talk", "2001:db8::1", "tcp"));
	keep(context, "name", talk(context, "talk", "host.example", "tcp"));
	keep(context, "udp", talk(context, "talk-udp", "192.0.2.1", "none"));
	keep(context, "raw", attempt("raw-socket", ""));
	keep(context, "packet", attempt("packet-socket", ""));
	keep(context, "netlink", attempt("netlink-socket", ""));
	return 0;
}
