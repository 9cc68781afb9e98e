// SPDX-License-Identifier: BSD-2-Clause
#include "net/tls_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static int fd_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int socket_read(BIO *bio, char *bytes, int size)
{
	ssize_t n = recv(fd_of(bio), bytes, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (again(n))
		BIO_set_retry_read(bio);
	return (int)n;
}

static int socket_write(BIO *bio, const char *bytes, int size)
{
	ssize_t n = send(fd_of(bio), bytes, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (again(n))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long socket_control(
	BIO *bio _unused_, int command, long number _unused_, void *pointer _unused_)
{
	return command == BIO_CTRL_FLUSH;
}

static int socket_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");

	if (method && BIO_meth_set_read(method, socket_read) == 1 &&
		BIO_meth_set_write(method, socket_write) == 1 &&
		BIO_meth_set_ctrl(method, socket_control) == 1 &&
		BIO_meth_set_create(method, socket_create) == 1)
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* Made once, for the life of the process and all its threads. */
static const BIO_METHOD *get_method(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static BIO_METHOD *method;
	const BIO_METHOD *got;

	pthread_mutex_lock(&lock);
	if (!method)
		method = make_method();
	got = method;
	pthread_mutex_unlock(&lock);
	return got;
}

BIO *tls_socket_bio(int fd)
{
	const BIO_METHOD *method = get_method();
	BIO *bio = method ? BIO_new(method) : NULL;

	if (bio)
		BIO_set_data(bio, (void *)(intptr_t)fd);
	return bio;
}

void tls_socket_tune(int fd, unsigned int stall_ms)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof(stall_ms));
}
