// SPDX-License-Identifier: BSD-2-Clause
/* For bench/relay.c: asks a host as often as its settings say, and tells in an alert how long an answer took. */
#include <netlambda/function.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX  1000
#define REQUEST_BYTES 200

lambda_handler asks;
lambda_init_handler asks_init;

static unsigned int requests;
static uint16_t port;
static int keeps; /* one connection for all requests of an event */
static double took_us[REQUESTS_MAX];

int asks_init(struct lambda_context *context)
{
	requests = (unsigned int)lambda_config_number(context, "requests", 0);
	port = (uint16_t)lambda_config_number(context, "port", 0);
	keeps = lambda_config_bool(context, "keeps", false);
	return requests <= REQUESTS_MAX ? 0 : lambda_fail(context, "too many requests");
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int open_connection(void)
{
	const struct sockaddr_in host = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int ask(int fd)
{
	char bytes[REQUEST_BYTES] = "what do you know?";

	if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return -1;
	return recv(fd, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes) ? 0 : -1;
}

static int compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

static double percentile(double fraction)
{
	return took_us[(unsigned int)((requests - 1) * fraction)];
}

int asks(const struct lambda_event *event, struct lambda_context *context)
{
	int fd = -1;

	(void)event;
	for (unsigned int i = 0; i < requests; i++) {
		const double start = now_us();

		if (fd < 0)
			fd = open_connection();
		if (fd < 0 || ask(fd) < 0)
			return lambda_fail(context, "no answer");
		took_us[i] = now_us() - start;
		if (!keeps || i + 1 == requests) {
			close(fd);
			fd = -1;
		}
	}
	qsort(took_us, requests, sizeof(took_us[0]), compare);
	lambda_alert(context,
		&(struct lambda_alert){
			.title = "latency",
			.data = lambda_format(context, "{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f}",
				percentile(0.5), percentile(0.99), percentile(0.999)),
		});
	return 0;
}
