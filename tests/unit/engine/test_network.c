// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a worker reaches of the network: the hosts and ports that it was given, through the doors that its
 * launcher keeps (launcher/door.h), and nothing else; and that the launcher's relays are no way out.
 */
#include "base/fd.h"
#include "engine/isolation.h"
#include "launcher/cgroup.h"
#include "tests/unit/engine/sandboxed.h"
#include "tests/unit/engine/targets.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT(name) LAYER_BIT(LAYER_##name)
#define WAIT_MS   60000

static struct targets target;
static struct isolation_level here; /* what this system has */

/* ---- hosts that echo: they hear to the end, or a word, then say it all again ---- */

struct echo_host {
	int fd;
	char port[8];
	atomic_int connections;
};

static struct echo_host host4, other4, host6; /* other4: on another port */

static void echo(int fd)
{
	static _Thread_local char bytes[8U << 20];
	size_t len = 0, sent = 0;
	ssize_t n;

	while ((n = recv(fd, bytes + len, sizeof(bytes) - len, 0)) > 0) {
		len += (size_t)n;
		if (len == 4 && memcmp(bytes, "ping", 4) == 0 &&
			send(fd, bytes, 4, MSG_NOSIGNAL) == 4)
			len = 0;
	}
	while (sent < len && (n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
}

struct guest {
	struct echo_host *host;
	int fd;
};

static void *serve_guest(void *arg)
{
	struct guest *guest = arg;

	echo(guest->fd);
	close(guest->fd);
	guest->host->connections--;
	free(guest);
	return NULL;
}

static void *serve(void *arg)
{
	struct echo_host *host = arg;
	pthread_t thread;
	int fd;

	while ((fd = accept4(host->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct guest *guest = malloc(sizeof(*guest));

		if (!guest)
			return NULL;
		*guest = (struct guest){host, fd};
		host->connections++;
		if (pthread_create(&thread, NULL, serve_guest, guest) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

/* False: there is no such address here. */
static bool host_begin(struct echo_host *host, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_in6 bound;
	pthread_t thread;

	host->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (host->fd < 0 || bind(host->fd, address, size) < 0)
		return false;
	size = sizeof(bound);
	assert_int_equal(getsockname(host->fd, (struct sockaddr *)&bound, &size), 0);
	snprintf(host->port, sizeof(host->port), "%u",
		ntohs(bound.sin6_port)); /* where IPv4 has it, too */
	assert_int_equal(listen(host->fd, 64), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, host), 0);
	pthread_detach(thread);
	return true;
}

/* ---- workers ---- */

static struct spawned start_with(uint32_t layers, const char *const *network)
{
	struct spawned spawned =
		sandbox_start(&(struct sandbox_options){.layers = layers, .network = network});

	sandbox_specialise(&spawned, target.function, &(struct control_specialise){0});
	sandbox_await(&spawned, NULL);
	return spawned;
}

static char *join(const char *host, const char *separator, const char *port)
{
	static char texts[8][64];
	static size_t next;
	char *text = texts[next++ % ARRAY_SIZE(texts)];

	snprintf(text, sizeof(texts[0]), "%s%s%s", host, separator, port);
	return text;
}

/* All that may be reached. */
static struct spawned start(uint32_t layers)
{
	const char *const network[] = {join("127.0.0.1", ":", host4.port),
		join("localhost", ":", host4.port), "localhost:1",
		host6.port[0] ? join("[::1]", ":", host6.port) : NULL, NULL};

	return start_with(layers, network);
}

static void expect(
	const struct spawned *spawned, const char *attempt, const char *argument, int64_t expected)
{
	int64_t answer = try(spawned, attempt, argument);

	if (answer != expected)
		fail_msg("%s %s: expected %s, got %s", attempt, argument ? argument : "",
			expected < 0 ? strerror((int)-expected) : "an answer",
			answer < 0 ? strerror((int)-answer) : "an answer");
}

/* ---- tests ---- */

static void who_is_allowed_is_reached_by_address_and_name(void **state _unused_)
{
	struct spawned spawned = start(here.layers);

	expect(&spawned, "talk", join("127.0.0.1", " ", host4.port), 4);
	expect(&spawned, "talk", join("localhost", " ", host4.port), 4);
	if (host6.port[0])
		expect(&spawned, "talk", join("::1", " ", host6.port), 4);
	else
		print_message("no IPv6 here\n");
	finish(&spawned);
}

static void expect_nothing_else(const struct spawned *spawned)
{
	expect(spawned, "talk", join("127.0.0.1", " ", other4.port), -ECONNREFUSED);
	expect(spawned, "talk", join("localhost", " ", other4.port), -ECONNREFUSED);
	expect(spawned, "talk", join("127.0.0.2", " ", host4.port), -ECONNREFUSED);
	expect(spawned, "talk", join("192.0.2.1", " ", host4.port), -ENETUNREACH);
	expect(spawned, "talk", join("2001:db8::1", " ", host4.port), -ENETUNREACH);
	expect(spawned, "talk", join("host.example", " ", host4.port), -EHOSTUNREACH);
	expect(spawned, "talk-udp", join("127.0.0.1", " ", host4.port), -ECONNREFUSED);
	expect(spawned, "talk-udp", "192.0.2.1 53", -ENETUNREACH);
	assert_true(try(spawned, "abstract", target.socket_name) < 0);
}

/* By the network's being its own alone; the other layers refuse some of it earlier. */
static void nobody_else_is_reached(void **state _unused_)
{
	static const char *const sockets[] = {
		"raw-socket", "packet-socket", "netlink-socket", "vsock-socket", "crypto-socket"};
	struct spawned spawned = start(here.layers & ~(BIT(SYSCALLS) | BIT(LANDLOCK)));

	expect_nothing_else(&spawned);
	finish(&spawned);
	spawned = start(here.layers);
	assert_true(try(&spawned, "talk", join("127.0.0.1", " ", other4.port)) < 0);
	assert_true(try(&spawned, "talk", join("192.0.2.1", " ", host4.port)) < 0);
	assert_true(try(&spawned, "talk-udp", "192.0.2.1 53") < 0);
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
		assert_true(try(&spawned, sockets[i], NULL) < 0);
	finish(&spawned);
	assert_int_equal(other4.connections, 0);
}

static void without_a_list_nobody_is_reached(void **state _unused_)
{
	const char *const none[] = {NULL};
	struct spawned spawned = start_with(here.layers, none);

	expect(&spawned, "talk", join("127.0.0.1", " ", host4.port), -EPERM);
	finish(&spawned);
	spawned = start_with(here.layers & ~(BIT(SYSCALLS) | BIT(LANDLOCK)), NULL);
	expect(&spawned, "talk", join("127.0.0.1", " ", host4.port), -ENETUNREACH);
	expect(&spawned, "talk", join("localhost", " ", host4.port), -EHOSTUNREACH);
	finish(&spawned);
}

/* Each side says its last by itself, and all that was said before that arrives. */
static void both_sides_are_heard_to_the_end(void **state _unused_)
{
	struct spawned spawned = start(here.layers);

	expect(&spawned, "exchange", join("127.0.0.1", " ", host4.port), 4 << 20);
	finish(&spawned);
}

static void host_that_does_not_answer_is_said_in_the_output(void **state _unused_)
{
	struct spawned spawned = start(here.layers);
	char text[512];
	ssize_t n;

	expect(&spawned, "talk", "localhost 1", -ECONNRESET);
	wait_readable(spawned.output_fd, "the relay to say something");
	n = read(spawned.output_fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "network: localhost:1: Connection refused\n");
	finish(&spawned);
}

/* More than are carried at once. */
static void crowd_is_let_in_by_and_by(void **state _unused_)
{
	struct spawned spawned = start(here.layers);

	expect(&spawned, "crowd", join("127.0.0.1", " ", host4.port), 40);
	expect(&spawned, "talk", join("127.0.0.1", " ", host4.port), 4);
	finish(&spawned);
}

static void await_no_connection(void)
{
	for (int i = 0; i < WAIT_MS / 10 && host4.connections > 0; i++)
		usleep(10000);
	assert_int_equal(host4.connections, 0);
}

static void connections_end_with_the_worker(void **state _unused_)
{
	struct spawned spawned = start(here.layers);

	await_no_connection();
	expect(&spawned, "talk-on", join("127.0.0.1", " ", host4.port), 4);
	assert_int_equal(host4.connections, 1);
	finish(&spawned);
	await_no_connection();
	/* However that ends. */
	spawned = start(here.layers);
	expect(&spawned, "talk-on", join("127.0.0.1", " ", host4.port), 4);
	assert_int_equal(kill(spawned.pid, SIGKILL), 0);
	finish(&spawned);
	await_no_connection();
}

/* ---- relays ---- */

static void read_of(pid_t pid, const char *name, char text[static 4096])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, 4095, file)] = '\0';
	fclose(file);
}

static size_t count_entries(pid_t pid, const char *name)
{
	size_t count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* The last child that the launcher made. */
static pid_t find_relay(const struct spawned *spawned)
{
	char path[64], text[4096], *last;

	snprintf(path, sizeof(path), "task/%d/children", spawned->pid);
	read_of(spawned->pid, path, text);
	while ((last = strrchr(text, ' ')) && last[1] == '\0')
		*last = '\0';
	assert_non_null(last);
	return atoi(last);
}

/* It carries foreign bytes, outside of the sandbox: it has nothing else. */
static void relay_is_no_more_than_the_worker(void **state _unused_)
{
	static const char *const lines[] = {"CapPrm:\t0000000000000000\n",
		"CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"};
	struct spawned spawned = start(here.layers);
	char text[4096], groups[2][4096];
	pid_t relay;

	expect(&spawned, "talk-on", join("127.0.0.1", " ", host4.port), 4);
	relay = find_relay(&spawned);
	read_of(relay, "status", text);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("expected \"%s\" in %s", lines[i], text);
	assert_null(strstr(text, "Uid:\t0"));
	if (geteuid() == 0)
		assert_non_null(strstr(text, "CapBnd:\t0000000000000000\n"));
	/* Two sockets, and where it says what goes wrong. */
	assert_int_equal(count_entries(relay, "fd"), 3);
	if (here.layers & BIT(MEMORY)) {
		read_of(relay, "cgroup", groups[0]);
		read_of(spawned.pid, "cgroup", groups[1]);
		assert_string_not_equal(groups[0], groups[1]);
	}
	finish(&spawned);
}

/* ---- environment ---- */

static void environment_is_what_was_given_besides_the_usual(void **state _unused_)
{
	const char *const environment[] = {"PORT=8086", "HOME=77", NULL};
	struct spawned spawned = sandbox_start(
		&(struct sandbox_options){.layers = here.layers, .environment = environment});

	sandbox_specialise(&spawned, target.function, &(struct control_specialise){0});
	sandbox_await(&spawned, NULL);
	assert_int_equal(try(&spawned, "environment", NULL), 4);
	assert_int_equal(try(&spawned, "variable", "PORT"), 8086);
	assert_int_equal(try(&spawned, "variable", "HOME"), 77);
	finish(&spawned);
}

static int setup(void **state _unused_)
{
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	char *error = NULL;

	if (isolation_probe(getenv("NETLAMBDA_WORKER"), &here, &error) < 0)
		fail_msg("%s", error);
	assert_true(host_begin(&host4, (const struct sockaddr *)&v4, sizeof(v4)));
	assert_true(host_begin(&other4, (const struct sockaddr *)&v4, sizeof(v4)));
	(void)host_begin(&host6, (const struct sockaddr *)&v6, sizeof(v6));
	return targets_make(&target);
}

static int teardown(void **state _unused_)
{
	isolation_level_done(&here);
	cgroup_prepare(); /* sweeps what killed launchers left */
	return targets_remove(&target);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_allowed_is_reached_by_address_and_name),
		cmocka_unit_test(nobody_else_is_reached),
		cmocka_unit_test(without_a_list_nobody_is_reached),
		cmocka_unit_test(both_sides_are_heard_to_the_end),
		cmocka_unit_test(host_that_does_not_answer_is_said_in_the_output),
		cmocka_unit_test(crowd_is_let_in_by_and_by),
		cmocka_unit_test(connections_end_with_the_worker),
		cmocka_unit_test(relay_is_no_more_than_the_worker),
		cmocka_unit_test(environment_is_what_was_given_besides_the_usual),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

int main(void)
{
	return targets_run(run);
}
