// SPDX-License-Identifier: BSD-2-Clause
/*
 * Functions of a real runtime that want out, under the engine; and what functions need that a sandbox
 * must leave them. tests/unit/engine/test_isolation.c has each layer by itself.
 */
#include "base/clock.h"
#include "launcher/control.h"
#include "tests/unit/engine/targets.h"
#include "tests/unit/engine/world.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct targets targets;

/* Runs it once; its state then says what came of each attempt, by name. How many there were. */
static size_t run_attempts_with(struct world *world, const char *handler, enum isolation isolation,
	const char *const *network)
{
	struct function_options o = options(handler);
	_cleanup_free_ char *config = targets_as_json(&targets);
	struct function_stats stats;
	size_t count = 0;

	o.config = config;
	o.isolation = isolation;
	o.network = network;
	o.timeout_ns = 20 * NS_PER_SEC;
	world_init(world);
	world_add(world, &o);
	push_many(world, 0, 1);
	run_until(world, all_finished);
	function_stats(world->function, &stats);
	if (world->letter_count > 0)
		fail_msg("put aside: %s", world->letters[0].reason);
	assert_int_equal(stats.isolation, isolation);
	for (size_t i = 0; i < ROWS_MAX; i++)
		count += world->rows[i].used;
	return count;
}

static size_t run_attempts(struct world *world, const char *handler, enum isolation isolation)
{
	return run_attempts_with(world, handler, isolation, NULL);
}

/* All of the attempts, or none of them. */
static void assert_done(const struct world *world, bool done)
{
	for (size_t i = 0; i < ROWS_MAX; i++) {
		const struct row *row = &world->rows[i];

		if (row->used && (strcmp(row->value, "\"done\"") == 0) != done)
			fail_msg("%s: %s", row->name, row->value);
	}
}

/* What functions see of the layer that stops them first; test_isolation.c has the others behind it. */
static const struct {
	const char *error, *layer, *attempts;
} reasons[] = {
	{"\"ENOENT\"", "private-root",
		" secret database home environ neighbours kernel sysctl playground code mode unix "
		"shell "
		"shadow "},
	{"\"ESRCH\"", "pid-namespace", " signal killAll "},
	{"\"ECONNREFUSED\"", "network-namespace", " abstract "},
	{"\"EPERM\"", "system-calls",
		" tcp udp fetch netlink packet raw trace trace-child memory-of-child namespace "
		"mount "
		"chroot device io_uring bpf perf keyring module clock host-name "},
	{"\"ENOSYS\"", "system-calls", " root namespace-clone3 "},
	{"\"EACCES\"", "private-root", " run-written addon "},
	{"\"EAGAIN\"", "process-limit", " forks "}, /* or what every process is limited to */
};

/* JavaScript has a word of its own for some. */
static bool is_of_node(const char *value)
{
	return strncmp(value, "\"ERR_", 5) == 0;
}

static void assert_reason(const struct row *row)
{
	char name[40];

	snprintf(name, sizeof(name), " %s ", row->name);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (strstr(reasons[i].attempts, name) && !is_of_node(row->value) &&
			strcmp(row->value, reasons[i].error) != 0)
			fail_msg("%s: expected %s, by %s, got %s", row->name, reasons[i].error,
				reasons[i].layer, row->value);
}

static void assert_stopped(const char *handler, size_t least)
{
	static struct world world;

	assert_true(run_attempts(&world, handler, ISOLATION_STRICT) >= least);
	assert_done(&world, false);
	for (size_t i = 0; i < ROWS_MAX; i++)
		if (world.rows[i].used)
			assert_reason(&world.rows[i]);
	world_done(&world);
}

static void functions_cannot_get_out(void **state _unused_)
{
	assert_stopped("escape.escape", 15);
}

/* By what is not to be tried without isolation: test_isolation.c shows that it is the sandbox that stops it. */
static void functions_cannot_break_out(void **state _unused_)
{
	assert_stopped("escape.break_out", 8);
}

/* ---- forking without end ---- */

#define LOOK_NS (20 * NS_PER_MS)

static struct {
	struct function *function;
	char namespace[64]; /* of its first worker's processes; "": it is not up yet */
	unsigned int most;  /* there were at once */
	uint64_t next_look_ns;
} bomb;

static bool read_namespace(const char *pid, char text[static 64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", pid);
	n = readlink(path, text, 63);
	text[MAX(n, (ssize_t)0)] = '\0';
	return n > 0;
}

static unsigned int count_in_namespace(const char *namespace)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned int count = 0;
	char text[64];

	assert_non_null(proc);
	while ((entry = readdir(proc)))
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			 read_namespace(entry->d_name, text) && strcmp(text, namespace) == 0;
	closedir(proc);
	return count;
}

static void look_at_bomb(void)
{
	int pid = function_worker_pid(bomb.function, 0);
	char text[16];

	if (clock_monotonic_ns() < bomb.next_look_ns)
		return;
	bomb.next_look_ns = clock_monotonic_ns() + LOOK_NS;
	snprintf(text, sizeof(text), "%d", pid);
	if (!bomb.namespace[0] && pid > 0)
		(void)read_namespace(text, bomb.namespace);
	if (bomb.namespace[0])
		bomb.most = MAX(bomb.most, count_in_namespace(bomb.namespace));
}

static bool bomb_was_ended(struct world *world)
{
	struct function_stats stats;

	look_at_bomb();
	function_stats(bomb.function, &stats);
	return stats.timeouts + stats.crashes >= 1 && all_finished(world);
}

static bool bomb_is_gone(struct world *world _unused_)
{
	return count_in_namespace(bomb.namespace) == 0;
}

static bool all_finished_beside_bomb(struct world *world)
{
	look_at_bomb();
	return all_finished(world);
}

static void forking_without_end_has_its_end_and_holds_up_no_other(void **state _unused_)
{
	struct function_options o = options("sum.main");
	static struct world world;
	struct function *sum;

	memset(&bomb, 0, sizeof(bomb));
	o.timeout_ns = TEST_NS;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1);
	run_until(&world, all_finished);
	sum = world.function;
	o = options("escape.bomb");
	o.name = "bomb";
	o.timeout_ns = NS_PER_SEC;
	o.attempts = 255; /* it commits nothing */
	o.isolation = ISOLATION_STRICT;
	world_add(&world, &o);
	bomb.function = world.function;
	assert_true(push(&world, 0, 1, ORDER_NONE));
	world.function = sum;
	for (uint32_t i = 0; i < 3; i++) {
		push_many(&world, 1 + i * 10, 10);
		run_until(&world, all_finished_beside_bomb);
	}
	run_until(&world, bomb_was_ended);
	engine_remove(bomb.function);
	run_until(&world, bomb_is_gone);
	assert_in_range(bomb.most, 4, CONTROL_PROCESSES + 2); /* the launcher's, too */
	push_many(&world, 31, 10);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "41");
	world_done(&world);
}

/* So that one knows that the attempts are worth something. None of these does any harm. */
static void without_isolation_they_get_out(void **state _unused_)
{
	static const char *const possible[] = {"secret", "database", "environ", "neighbours",
		"kernel", "sysctl", "playground", "code", "mode", "tcp", "udp", "unix", "signal",
		"shell", "addon"};
	static struct world world;

	run_attempts(&world, "escape.escape", ISOLATION_NONE);
	for (size_t i = 0; i < ARRAY_SIZE(possible); i++) {
		const char *outcome = value_of(&world, "10.0.0.3", possible[i]);

		if (strcmp(outcome, "\"done\"") != 0)
			fail_msg("%s: expected \"done\", got %s", possible[i], outcome);
	}
	world_done(&world);
}

static void what_functions_need_works(void **state _unused_)
{
	static struct world world;

	assert_true(run_attempts(&world, "escape.need", ISOLATION_STRICT) > 10);
	assert_done(&world, true);
	world_done(&world);
}

/* ---- the network ---- */

static void *answer_requests(void *unused _unused_)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	char request[4096];
	ssize_t n;
	int fd;

	while ((fd = accept4(targets.tcp_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		n = recv(fd, request, sizeof(request), 0);
		if (n == 4)
			(void)send(fd, request, 4, MSG_NOSIGNAL); /* "ping" */
		else if (n > 0)
			(void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void functions_reach_who_is_allowed_and_nobody_else(void **state _unused_)
{
	char address[32], name[32];
	const char *const network[] = {address, name, NULL};
	static struct world world;
	pthread_t thread;

	snprintf(address, sizeof(address), "127.0.0.1:%s", targets.tcp_port);
	snprintf(name, sizeof(name), "localhost:%s", targets.tcp_port);
	assert_int_equal(pthread_create(&thread, NULL, answer_requests, NULL), 0);
	pthread_detach(thread);
	assert_int_equal(run_attempts_with(&world, "escape.reach", ISOLATION_STRICT, network), 2);
	assert_done(&world, true);
	world_done(&world);
	assert_true(run_attempts_with(&world, "escape.stray", ISOLATION_STRICT, network) > 7);
	assert_done(&world, false);
	world_done(&world);
}

/* They learn it as any program does. */
static void functions_have_the_environment_they_were_given(void **state _unused_)
{
	static const char *const environment[] = {"GREETING=hello world", "HOME=/tmp", NULL};
	struct function_options o = options("sum.surroundings");
	static struct world world;

	o.environment = environment;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1);
	run_until(&world, all_finished);
	assert_non_null(strstr(value_of(&world, "10.0.0.3", "seen"),
		"\"env\":[\"GREETING\",\"HOME\",\"LANG\",\"PATH\"]"));
	world_done(&world);
}

static void surroundings_that_are_none_are_refused(void **state _unused_)
{
	static const char *const bad_network[] = {"192.0.2.1", NULL}, *const bad_environment[] = {
									      "1=x", NULL};
	struct function_options o = options("sum.main");
	struct function *function = NULL;
	char *error = NULL;
	static struct world world;

	world_init(&world);
	o.network = bad_network;
	assert_int_equal(engine_add(world.engine, &o, &function, &error), -EINVAL);
	assert_non_null(strstr(error, "network: expected"));
	free(error);
	error = NULL;
	o.network = NULL;
	o.environment = bad_environment;
	assert_int_equal(engine_add(world.engine, &o, &function, &error), -EINVAL);
	assert_non_null(strstr(error, "env: expected"));
	free(error);
	world_done(&world);
}

static void system_that_lacks_a_layer_is_refused_with_its_name(void **state _unused_)
{
	struct isolation_level level = {
		.layers = LAYERS_ALL & ~LAYER_BIT(LAYER_IPC),
		.lacks[LAYER_IPC] = (char *)"unshare(CLONE_NEWIPC): Operation not permitted",
	};
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct function *function = NULL;
	_cleanup_free_ char *error = NULL;
	struct world world;

	world_init_with(&world, &level);
	assert_int_equal(engine_add(world.engine, &o, &function, &error), -EPERM);
	assert_null(function);
	assert_non_null(strstr(error, "no ipc-namespace here: unshare(CLONE_NEWIPC)"));
	assert_non_null(strstr(error, "best-effort"));
	o.isolation = ISOLATION_BEST_EFFORT;
	world_add(&world, &o);
	push_many(&world, 0, 3);
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_int_equal(stats.layers, LAYERS_ALL & ~LAYER_BIT(LAYER_IPC));
	world_done(&world);
}

/* The function's folder has its own name then. */
static void functions_run_with_whatever_layers_there_are(void **state _unused_)
{
	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		struct isolation_level level = {.layers = LAYERS_ALL & ~LAYER_BIT(layer)};
		struct function_options o = options("sum.main");
		struct world world;

		if (layer == LAYER_USER && geteuid() != 0)
			continue;
		level.lacks[layer] = (char *)"as the test has it";
		o.isolation = ISOLATION_BEST_EFFORT;
		world_init_with(&world, &level);
		world_add(&world, &o);
		push_many(&world, 0, 3);
		run_until(&world, all_finished);
		assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "3");
		world_done(&world);
	}
}

static int setup(void **state _unused_)
{
	return schema_init() < 0 ? -1 : targets_make(&targets);
}

static int teardown(void **state _unused_)
{
	return targets_remove(&targets);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_cannot_get_out),
		cmocka_unit_test(functions_cannot_break_out),
		cmocka_unit_test(forking_without_end_has_its_end_and_holds_up_no_other),
		cmocka_unit_test(without_isolation_they_get_out),
		cmocka_unit_test(what_functions_need_works),
		cmocka_unit_test(functions_reach_who_is_allowed_and_nobody_else),
		cmocka_unit_test(functions_have_the_environment_they_were_given),
		cmocka_unit_test(surroundings_that_are_none_are_refused),
		cmocka_unit_test(system_that_lacks_a_layer_is_refused_with_its_name),
		cmocka_unit_test(functions_run_with_whatever_layers_there_are),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

int main(void)
{
	return targets_run(run);
}
