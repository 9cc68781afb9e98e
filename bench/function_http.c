// SPDX-License-Identifier: BSD-2-Clause
#include "bench/function_http.h"

#include "base/clock.h"
#include "base/fd.h"
#include "bench/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SAMPLES (1U << 20)

extern char **environ;

struct connection {
	bool busy;
	uint64_t due_ns;
	size_t have; /* bytes of the answer */
	char answer[1024];
};

struct client {
	struct pollfd polls[HTTP_CONNECTIONS];
	struct connection connections[HTTP_CONNECTIONS];
	uint64_t start_ns, sent, answered;
	double rate;
	double *samples;
};

/* ---- the server's process ---- */

static int spawn_node(char *const *argv, int in_fd, int out_fd, int *ret_pid)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	r = posix_spawnp(&pid, "node", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return r > 0 ? -r : -EIO;
	*ret_pid = pid;
	return 0;
}

int http_server_start(const char *handler, struct http_server *ret_server)
{
	const char *const argv[] = {"node", BENCH_FUNCTIONS "/server.js", handler, NULL};
	int in[2], out[2], port = 0, r;
	FILE *said;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	r = spawn_node((char *const *)argv, in[0], out[1], &ret_server->pid);
	close(in[0]);
	close(out[1]);
	said = fdopen(out[0], "re");
	if (r == 0 && (!said || fscanf(said, "%d", &port) != 1))
		r = -EIO;
	if (said)
		fclose(said);
	else
		close(out[0]);
	if (r < 0) {
		close(in[1]);
		return r;
	}
	ret_server->stdin_fd = in[1];
	ret_server->port = (uint16_t)port;
	return 0;
}

void http_server_stop(struct http_server *server)
{
	close(server->stdin_fd);
	waitpid(server->pid, NULL, 0);
}

int http_node_start(uint64_t *ret_ns)
{
	const char *const argv[] = {"node", "-e", "0", NULL};
	uint64_t start = clock_monotonic_ns();
	int pid = 0, status, r;

	r = spawn_node((char *const *)argv, STDIN_FILENO, STDOUT_FILENO, &pid);
	if (r < 0)
		return r;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	*ret_ns = clock_monotonic_ns() - start;
	return status == 0 ? 0 : -EIO;
}

/* ---- the client ---- */

static int open_connection(uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int post(struct client *client, unsigned int which, uint64_t due)
{
	struct connection *connection = &client->connections[which];
	char body[256], request[768];
	int body_len, len;

	body_len = snprintf(body, sizeof(body),
		"{\"srcip\":\"10.0.%u.%u\",\"dstip\":\"10.0.0.1\",\"dstport\":80,\"protocol\":6,"
		"\"first\":\"\",\"last\":\"\",\"udp\":0,\"syn\":1,\"rst\":0}",
		(unsigned int)(client->sent >> 8) & 3, (unsigned int)client->sent & 255);
	len = snprintf(request, sizeof(request),
		"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
		"event-id: 1-%llu-0\r\nevent-type: port\r\nevent-time: 2025-11-23T08:00:00Z\r\n"
		"event-namespace: switch/1\r\ncontent-length: %d\r\n\r\n%s",
		(unsigned long long)client->sent, body_len, body);
	if (send(client->polls[which].fd, request, (size_t)len, MSG_NOSIGNAL) != len)
		return -EIO;
	connection->busy = true;
	connection->due_ns = due;
	connection->have = 0;
	client->sent++;
	return 0;
}

/* Answers are empty: the header's end is the answer's. */
static int take_answer(struct client *client, unsigned int which)
{
	struct connection *connection = &client->connections[which];
	ssize_t n = recv(client->polls[which].fd, connection->answer + connection->have,
		sizeof(connection->answer) - 1 - connection->have, 0);

	if (n <= 0)
		return -EIO;
	connection->have += (size_t)n;
	connection->answer[connection->have] = '\0';
	if (!strstr(connection->answer, "\r\n\r\n"))
		return 0;
	if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
		return -EBADMSG;
	if (client->rate > 0 && client->answered < SAMPLES)
		client->samples[client->answered] =
			(double)(clock_monotonic_ns() - connection->due_ns) / 1e3;
	client->answered++;
	connection->busy = false;
	return 0;
}

/* Gives what is due to connections that are free. */
static int post_due(struct client *client, uint64_t now)
{
	for (unsigned int i = 0; i < HTTP_CONNECTIONS; i++) {
		uint64_t due = now;
		int r;

		if (client->rate > 0)
			due = client->start_ns +
			      (uint64_t)((double)client->sent * 1e9 / client->rate);
		if (client->connections[i].busy || due > now)
			continue;
		r = post(client, i, due);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_client(struct client *client, uint64_t duration_ns)
{
	uint64_t now = client->start_ns = clock_monotonic_ns();
	uint64_t end = now + duration_ns;

	while (now < end) {
		int r = post_due(client, now);

		if (r < 0)
			return r;
		if (poll(client->polls, HTTP_CONNECTIONS, client->rate > 0 ? 1 : 1000) < 0)
			return -errno;
		for (unsigned int i = 0; i < HTTP_CONNECTIONS && r == 0; i++)
			if (client->polls[i].revents)
				r = take_answer(client, i);
		if (r < 0)
			return r;
		now = clock_monotonic_ns();
	}
	return 0;
}

static void summarize(const struct client *client, struct http_load *ret_load)
{
	unsigned int count = (unsigned int)MIN(client->answered, (uint64_t)SAMPLES);

	*ret_load = (struct http_load){
		.events = client->answered,
		.seconds = (double)(clock_monotonic_ns() - client->start_ns) / 1e9,
	};
	if (client->rate <= 0 || count == 0)
		return;
	ret_load->p50_us = report_percentile(client->samples, count, 0.5);
	ret_load->p99_us = report_percentile(client->samples, count, 0.99);
	ret_load->p999_us = report_percentile(client->samples, count, 0.999);
}

int http_load(
	const struct http_server *server, double seconds, double rate, struct http_load *ret_load)
{
	struct client client = {.rate = rate};
	int r = 0;

	client.samples = calloc(SAMPLES, sizeof(client.samples[0]));
	if (!client.samples)
		return -ENOMEM;
	for (unsigned int i = 0; i < HTTP_CONNECTIONS; i++) {
		client.polls[i] = (struct pollfd){open_connection(server->port), POLLIN, 0};
		if (client.polls[i].fd < 0 && r == 0)
			r = client.polls[i].fd;
	}
	if (r == 0)
		r = run_client(&client, (uint64_t)(seconds * 1e9));
	if (r == 0)
		summarize(&client, ret_load);
	for (unsigned int i = 0; i < HTTP_CONNECTIONS; i++)
		fd_closep(&client.polls[i].fd);
	free(client.samples);
	return r;
}
