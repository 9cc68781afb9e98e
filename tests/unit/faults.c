// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/faults.h"

#include "base/attr.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP 7 /* of the pass over all calls, unless all are asked for */

static struct {
	bool armed, all;        /* all: OpenSSL's too, not ours alone */
	unsigned int at, count; /* the call to fail, and those since faults_arm() */
	const char *fired;
} faults;

void faults_begin(void)
{
	faults.all = false;
	faults.at = 0;
	faults.fired = "";
}

bool faults_more(void)
{
	/* The number was higher than there are calls: the pass is over. */
	if (!faults.fired) {
		if (faults.all)
			return false;
		faults.all = true;
		faults.at = 0;
	}
	faults.at += faults.at == 0 || !faults.all || getenv("NETLAMBDA_ALL_FAULTS") ? 1 : STEP;
	return true;
}

void faults_arm(void)
{
	faults.count = 0;
	faults.fired = NULL;
	faults.armed = true;
}

const char *faults_disarm(void)
{
	faults.armed = false;
	return faults.fired;
}

bool faults_call(const char *name, bool ours)
{
	if (!faults.armed || (!ours && !faults.all) || ++faults.count != faults.at)
		return false;
	faults.fired = name;
	return true;
}

/* ---- OpenSSL's memory ---- */

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);

static void *crypto_malloc(size_t size, const char *file _unused_, int line _unused_)
{
	return faults_call("OPENSSL_malloc", false) ? NULL : __real_malloc(size);
}

static void *crypto_realloc(void *old, size_t size, const char *file _unused_, int line _unused_)
{
	return faults_call("OPENSSL_realloc", false) ? NULL : __real_realloc(old, size);
}

static void crypto_free(void *bytes, const char *file _unused_, int line _unused_)
{
	free(bytes);
}

void faults_init(void)
{
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
		abort();
}

/* ---- ours ---- */

/* A function like the real one, but for the call that fails. */
#define WRAP(type, name, failure, error, parameters, arguments)                                    \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (!faults_call(#name, true))                                                     \
			return __real_##name arguments;                                            \
		errno = (error);                                                                   \
		return (failure);                                                                  \
	}

WRAP(void *, malloc, NULL, ENOMEM, (size_t size), (size))
WRAP(void *, calloc, NULL, ENOMEM, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, NULL, ENOMEM, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, NULL, ENOMEM, (void *old, size_t count, size_t size), (old, count, size))
WRAP(char *, strdup, NULL, ENOMEM, (const char *text), (text))
WRAP(char *, strndup, NULL, ENOMEM, (const char *text, size_t size), (text, size))
WRAP(int, vasprintf, -1, ENOMEM, (char **text, const char *fmt, va_list ap), (text, fmt, ap))
WRAP(FILE *, open_memstream, NULL, ENOMEM, (char **text, size_t *size), (text, size))

WRAP(ssize_t, read, -1, EIO, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, write, -1, ENOSPC, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(int, fsync, -1, EIO, (int fd), (fd))
WRAP(int, fchmod, -1, EPERM, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, -1, EPERM, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, chmod, -1, EPERM, (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdir, -1, EACCES, (const char *path, mode_t mode), (path, mode))
WRAP(char *, mkdtemp, NULL, EACCES, (char *path), (path))
WRAP(int, mkostemp64, -1, EACCES, (char *path, int flags), (path, flags))
WRAP(int, rename, -1, EIO, (const char *from, const char *to), (from, to))
WRAP(int, renameat2, -1, EIO,
	(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags),
	(from_fd, from, to_fd, to, flags))
WRAP(int, flock, -1, ENOLCK, (int fd, int operation), (fd, operation))

WRAP(int, epoll_ctl, -1, ENOMEM, (int epoll, int operation, int fd, struct epoll_event *event),
	(epoll, operation, fd, event))
WRAP(int, socket, -1, EMFILE, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, connect, -1, ENETUNREACH, (int fd, const struct sockaddr *to, socklen_t size),
	(fd, to, size))
WRAP(int, bind, -1, EADDRINUSE, (int fd, const struct sockaddr *at, socklen_t size), (fd, at, size))
WRAP(int, listen, -1, EADDRINUSE, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, -1, EMFILE, (int fd, struct sockaddr *from, socklen_t *size, int flags),
	(fd, from, size, flags))
WRAP(int, setsockopt, -1, ENOPROTOOPT,
	(int fd, int level, int name, const void *value, socklen_t size),
	(fd, level, name, value, size))

WRAP(ssize_t, recv, -1, ECONNRESET, (int fd, void *bytes, size_t size, int flags),
	(fd, bytes, size, flags))
WRAP(ssize_t, send, -1, EPIPE, (int fd, const void *bytes, size_t size, int flags),
	(fd, bytes, size, flags))
WRAP(ssize_t, getrandom, -1, EAGAIN, (void *bytes, size_t size, unsigned int flags),
	(bytes, size, flags))

/* close(2) frees the descriptor also when it fails. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int r = __real_close(fd);

	if (!faults_call("close", true))
		return r;
	errno = EIO;
	return -1;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	if (faults_call("open", true)) {
		errno = EMFILE;
		return -1;
	}
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_open64(path, flags, mode);
}
