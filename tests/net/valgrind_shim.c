// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded into a program under valgrind 3.19 (Debian 12's), for two things that it does not do.
 * Everything else of the program runs as it is.
 *
 * pidfd_open() is unknown to it: answered with an eventfd that a waiting thread makes readable when
 * the child has ended; the child is left to be reaped by who polls.
 *
 * It keeps descriptors for itself and refuses to lower their hard limit: setrlimit() lets that pass.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct waiting {
	pid_t pid;
	int fd; /* a duplicate of the eventfd, closed by the thread */
};

static void *wait_for_child(void *arg)
{
	struct waiting *waiting = arg;
	uint64_t one = 1;

	while (waitid(P_PID, (id_t)waiting->pid, &(siginfo_t){0}, WEXITED | WNOWAIT) < 0 &&
		errno == EINTR)
		;
	if (write(waiting->fd, &one, sizeof(one)) < 0)
		abort();
	close(waiting->fd);
	free(waiting);
	return NULL;
}

int pidfd_open(pid_t pid, unsigned int flags)
{
	struct waiting *waiting = malloc(sizeof(*waiting));
	int fd = eventfd(0, EFD_CLOEXEC);
	pthread_attr_t detached;
	pthread_t thread;

	(void)flags;
	if (!waiting || fd < 0)
		abort();
	*waiting = (struct waiting){.pid = pid, .fd = dup(fd)};
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (waiting->fd < 0 || pthread_create(&thread, &detached, wait_for_child, waiting) != 0)
		abort();
	pthread_attr_destroy(&detached);
	return fd;
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (syscall(SYS_setrlimit, resource, limit) == 0)
		return 0;
	return resource == RLIMIT_NOFILE && errno == EPERM ? 0 : -1;
}
