// SPDX-License-Identifier: BSD-2-Clause
/* Over the real socket, with a real HTTP client. */
#include "server/api.h"

#include "base/clock.h"
#include "base/fd.h"
#include "tests/unit/server/live_api.h"
#include "tests/unit/test.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct answer {
	long code;
	char type[96];
	char *body;
	size_t len;
};

static void answer_done(struct answer *answer)
{
	free(answer->body);
}

#define _cleanup_answer_ _cleanup_(answer_done)

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct answer *answer = user;
	char *body = realloc(answer->body, answer->len + size * count + 1);

	assert_non_null(body);
	memcpy(body + answer->len, bytes, size * count);
	answer->body = body;
	answer->len += size * count;
	body[answer->len] = '\0';
	return size * count;
}

static struct answer request(const struct live_api *live, const char *method, const char *target)
{
	CURL *curl = curl_easy_init();
	struct answer answer = {0};
	const char *type = NULL;
	char url[4096];

	assert_non_null(curl);
	assert_true((size_t)snprintf(url, sizeof(url), "http://localhost%s", target) < sizeof(url));
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, live->socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.code);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	snprintf(answer.type, sizeof(answer.type), "%s", type ? type : "");
	curl_easy_cleanup(curl);
	return answer;
}

static struct answer get(const struct live_api *live, const char *target)
{
	return request(live, "GET", target);
}

/* The body of a 200 answer as JSON, for json_decref(). */
static json_t *get_json(const struct live_api *live, const char *target)
{
	_cleanup_answer_ struct answer answer = get(live, target);
	json_t *object;

	assert_int_equal(answer.code, 200);
	assert_string_equal(answer.type, "application/json");
	object = json_loadb(answer.body, answer.len, 0, NULL);
	if (!object)
		fail_msg("not JSON: %s", answer.body);
	return object;
}

static void assert_error(
	const struct live_api *live, const char *target, long code, const char *in_message)
{
	_cleanup_answer_ struct answer answer = get(live, target);
	json_t *object = json_loadb(answer.body, answer.len, 0, NULL);
	const char *error = json_string_value(json_object_get(object, "error"));

	assert_int_equal(answer.code, code);
	assert_string_equal(answer.type, "application/json");
	if (!error || !strstr(error, in_message))
		fail_msg("expected \"%s\" in %s", in_message, answer.body);
	json_decref(object);
}

static void health_is_ok_or_503_with_reasons(void **state)
{
	struct live_api *live = *state;
	_cleanup_answer_ struct answer well = get(live, "/healthz");
	_cleanup_answer_ struct answer sick = {0};
	json_t *status;

	assert_int_equal(well.code, 200);
	assert_string_equal(well.body, "ok\n");
	__atomic_store_n(&live->unhealthy, "store: database or disk is full", __ATOMIC_SEQ_CST);
	sick = get(live, "/healthz");
	assert_int_equal(sick.code, 503);
	assert_string_equal(sick.body, "store: database or disk is full\n");
	status = get_json(live, "/v1/status");
	assert_true(json_is_false(json_object_get(status, "healthy")));
	assert_int_equal(json_array_size(json_object_get(status, "reasons")), 1);
	json_decref(status);
}

static void status_says_what_the_server_says(void **state)
{
	json_t *status = get_json(*state, "/v1/status");

	assert_true(json_is_true(json_object_get(status, "healthy")));
	assert_string_equal(
		json_string_value(json_object_get(status, "version")), NETLAMBDA_VERSION);
	assert_int_equal(json_integer_value(json_object_get(status, "pid")), getpid());
	assert_in_range(json_integer_value(json_object_get(status, "uptime_seconds")), 3661, 3671);
	assert_int_equal(json_integer_value(json_object_get(status, "events")), 4000);
	json_decref(status);
}

static void switches_and_functions_are_listed(void **state)
{
	json_t *switches = get_json(*state, "/v1/switches");
	json_t *functions = get_json(*state, "/v1/functions");
	json_t *item;

	assert_int_equal(json_array_size(json_object_get(switches, "switches")), 3);
	item = json_array_get(json_object_get(switches, "switches"), 1);
	assert_int_equal(json_integer_value(json_object_get(item, "id")), 4294967295);
	assert_true(json_is_null(json_object_get(item, "last_seen")));
	assert_null(json_object_get(item, "lanes"));
	item = json_array_get(json_object_get(switches, "switches"), 2);
	assert_int_equal(json_integer_value(json_object_get(item, "version")), 2);
	assert_int_equal(json_array_size(json_object_get(item, "lanes")), V2_LANES);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(item, "session"), "cipher")),
		"AES-256-GCM");
	item = json_array_get(json_object_get(functions, "functions"), 0);
	assert_string_equal(json_string_value(json_object_get(item, "name")), "port-scan");
	assert_string_equal(json_string_value(json_object_get(item, "error")),
		"TypeError: \"x\" \xef\xbf\xbd\033[31m");
	assert_true(json_is_string(json_object_get(item, "error_time")));
	assert_string_equal(json_string_value(json_object_get(item, "isolation")), "best-effort");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(item, "isolation_lacks"), 0)),
		"landlock");
	json_decref(switches);
	json_decref(functions);
}

/* The value of a metric without labels; fails if there is none. */
static double metric(const char *body, const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(body, line);
	if (!at)
		fail_msg("no %s in:\n%s", name, body);
	return strtod(at + strlen(line), NULL);
}

static void metrics_have_the_prometheus_type(void **state)
{
	_cleanup_answer_ struct answer first = get(*state, "/metrics");
	_cleanup_answer_ struct answer answer = get(*state, "/metrics");

	assert_non_null(strstr(first.body, "netlambda_api_responses_total{code=\"2xx\"} 0\n"));
	assert_string_equal(answer.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(answer.body, "\nnetlambda_test 42\n"));
	assert_true(metric(answer.body, "process_resident_memory_bytes") > 100000);
	assert_in_range(metric(answer.body, "process_open_fds"), 5, 100);
	assert_true(metric(answer.body, "process_start_time_seconds") > 1000000000);
	assert_non_null(
		strstr(answer.body, "netlambda_build_info{version=\"" NETLAMBDA_VERSION "\"} 1\n"));
	assert_non_null(strstr(answer.body, "netlambda_api_responses_total{code=\"2xx\"} 1\n"));
}

static void head_has_no_body(void **state)
{
	_cleanup_answer_ struct answer answer = request(*state, "HEAD", "/v1/status");

	assert_int_equal(answer.code, 200);
	assert_null(answer.body);
}

static void wrong_requests_are_told_what_was_expected(void **state)
{
	_cleanup_answer_ struct answer post = request(*state, "POST", "/v1/status");
	_cleanup_answer_ struct answer missing = request(*state, "POST", "/v1/nothing");

	assert_int_equal(post.code, 405);
	assert_int_equal(missing.code, 404);
	assert_error(*state, "/v1", 404, "/v1");
	assert_error(*state, "/v1/status/", 404, "/v1/status/");
	assert_error(*state, "/v1/status?verbose=1", 400, "verbose");
	assert_error(*state, "/v1/alerts?limit=0", 400, "1 to 10000");
	assert_error(*state, "/v1/alerts?limit=-1", 400, "limit");
	assert_error(*state, "/v1/alerts?limit=", 400, "limit");
	assert_error(*state, "/v1/alerts?after=1x", 400, "after");
	assert_error(*state, "/v1/alerts?since=99999999999999999999", 400, "since");
	assert_error(*state, "/v1/dead-letters?limit=1001", 400, "1 to 1000");
}

static void dead_letters_are_listed_with_their_event(void **state)
{
	struct live_api *live = *state;
	json_t *object, *letter;

	live_api_dead_letter(live, "port-scan");
	live_api_dead_letter(live, "other");
	object = get_json(live, "/v1/dead-letters");
	assert_int_equal(json_array_size(json_object_get(object, "dead_letters")), 2);
	json_decref(object);
	object = get_json(live, "/v1/dead-letters?function=port-scan&limit=5");
	letter = json_array_get(json_object_get(object, "dead_letters"), 0);
	assert_int_equal(json_array_size(json_object_get(object, "dead_letters")), 1);
	assert_string_equal(json_string_value(json_object_get(letter, "reason")), "TypeError: boo");
	assert_int_equal(json_integer_value(json_object_get(letter, "attempts")), 3);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(letter, "data"), "syn")), 12);
	json_decref(object);
}

/* ---- alerts ---- */

static void commit_alerts(struct live_api *live, unsigned int count)
{
	char id[16];

	for (unsigned int i = 1; i <= count; i++) {
		snprintf(id, sizeof(id), "a-%u", i);
		live_api_alert(live, id, i % 2 == 1 ? "odd" : "even");
	}
}

static json_int_t alert_row(const json_t *alert)
{
	return json_integer_value(json_object_get(json_object_get(alert, "netlambda"), "row"));
}

/* Rows first, first + step, ... */
static void assert_alert_rows(const struct live_api *live, const char *target, json_int_t first,
	json_int_t step, size_t count)
{
	json_t *object = get_json(live, target);
	json_t *alerts = json_object_get(object, "alerts");

	assert_int_equal(json_array_size(alerts), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			alert_row(json_array_get(alerts, i)), first + (json_int_t)i * step);
	json_decref(object);
}

static void alerts_are_filtered_and_paged(void **state)
{
	struct live_api *live = *state;
	char target[64];

	assert_alert_rows(live, "/v1/alerts", 0, 0, 0);
	commit_alerts(live, 10);
	assert_alert_rows(live, "/v1/alerts", 1, 1, 10);
	assert_alert_rows(live, "/v1/alerts?limit=3", 8, 1, 3);
	assert_alert_rows(live, "/v1/alerts?after=4&limit=3", 5, 1, 3);
	assert_alert_rows(live, "/v1/alerts?after=10", 0, 0, 0);
	assert_alert_rows(live, "/v1/alerts?function=even", 2, 2, 5);
	assert_alert_rows(live, "/v1/alerts?function=even&limit=2", 8, 2, 2);
	assert_alert_rows(live, "/v1/alerts?function=none", 0, 0, 0);
	snprintf(target, sizeof(target), "/v1/alerts?since=%llu",
		(unsigned long long)(clock_realtime_ns() / NS_PER_SEC + 60));
	assert_alert_rows(live, target, 0, 0, 0);
	snprintf(target, sizeof(target), "/v1/alerts?since=%llu",
		(unsigned long long)(clock_realtime_ns() / NS_PER_SEC - 60));
	assert_alert_rows(live, target, 1, 1, 10);
}

static void long_list_of_alerts_is_complete(void **state)
{
	struct live_api *live = *state;

	/* Some 160 KB: several chunks. */
	commit_alerts(live, 400);
	assert_alert_rows(live, "/v1/alerts?limit=10000", 1, 1, 400);
	assert_alert_rows(live, "/v1/alerts?limit=399", 2, 1, 399);
}

/* ---- following, by hand: what matters is when bytes come ---- */

static int connect_to(const struct live_api *live)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", live->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int follow(const struct live_api *live, const char *query)
{
	int fd = connect_to(live);

	dprintf(fd, "GET /v1/alerts/follow%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
	return fd;
}

/* Reads until `text` comes, for at most a minute; false if the connection ends before. */
static bool wait_for(int fd, const char *text)
{
	char bytes[16384];
	size_t len = 0;
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	while (len < sizeof(bytes) - 1) {
		ssize_t n;

		if (poll(&poller, 1, 60000) != 1)
			return false;
		n = read(fd, bytes + len, sizeof(bytes) - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		bytes[len] = '\0';
		if (strstr(bytes, text))
			return true;
	}
	return false;
}

static bool is_silent(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	return poll(&poller, 1, 100) == 0;
}

static void follower_gets_alerts_as_they_are_committed(void **state)
{
	struct live_api *live = *state;
	_cleanup_fd_ int all = -1, even = -1, old = -1;

	live_api_alert(live, "before", "odd");
	all = follow(live, "");
	even = follow(live, "?function=even");
	old = follow(live, "?after=0");
	assert_true(wait_for(all, "\r\n\r\n"));
	assert_true(wait_for(even, "\r\n\r\n"));
	assert_true(wait_for(old, "\"before\""));
	assert_true(is_silent(all));
	/* It is the loop that must not wait for followers. */
	health_is_ok_or_503_with_reasons(state);

	live_api_alert(live, "first", "odd");
	assert_true(wait_for(all, "\"first\""));
	assert_true(wait_for(old, "\"first\""));
	assert_true(is_silent(even));
	live_api_alert(live, "second", "even");
	assert_true(wait_for(all, "\"second\""));
	assert_true(wait_for(even, "\"second\""));
}

static long count_followers(const struct live_api *live)
{
	_cleanup_answer_ struct answer answer = get(live, "/metrics");

	return (long)metric(answer.body, "netlambda_api_followers");
}

static void followers_that_leave_make_room(void **state)
{
	struct live_api *live = *state;

	/* More than there may be connections, without an alert between them. */
	for (unsigned int i = 0; i < 200; i++) {
		_cleanup_fd_ int fd = follow(live, "");

		assert_true(wait_for(fd, "\r\n\r\n"));
	}
	for (unsigned int tries = 0; count_followers(live) > 0; tries++) {
		assert_true(tries < 3000);
		usleep(20000);
	}
}

static void stopping_ends_followers(void **state)
{
	struct live_api *live = *state;
	_cleanup_fd_ int fd = follow(live, "");

	assert_true(wait_for(fd, "\r\n\r\n"));
	live_api_close(live);
	assert_false(wait_for(fd, "never"));
	live_api_open(live);
}

/* ---- hostile input, and the socket file ---- */

static void requests_that_are_too_large_are_refused(void **state)
{
	struct live_api *live = *state;
	_cleanup_fd_ int fd = connect_to(live);
	char target[3000];

	memset(target, 'a', sizeof(target));
	target[0] = '/';
	target[sizeof(target) - 1] = '\0';
	assert_error(live, target, 404, "/aaa");
	dprintf(fd, "GET /");
	for (unsigned int i = 0; i < 40; i++)
		if (send(fd, target, sizeof(target), MSG_NOSIGNAL) < 0)
			break;
	assert_true(wait_for(fd, "HTTP/1.1 414"));
	health_is_ok_or_503_with_reasons(state);
}

static void rubbish_ends_only_its_connection(void **state)
{
	struct live_api *live = *state;
	_cleanup_fd_ int fd = connect_to(live);
	_cleanup_fd_ int cut = connect_to(live);

	dprintf(cut, "GET /v1/sta");
	dprintf(fd, "\x16\x03\x01 not http at all\r\n\r\n");
	assert_false(wait_for(fd, "200 OK"));
	health_is_ok_or_503_with_reasons(state);
}

static int try_new(const struct live_api *live, const char *path, char **ret_error)
{
	const struct api_options options = {.socket_path = path, .store_path = live->db};
	_cleanup_(loop_freep) struct loop *loop = NULL;
	const struct api_ops ops = {0};
	struct api *api = NULL;
	int r;

	assert_int_equal(loop_new(&loop), 0);
	r = api_new(loop, &options, &ops, NULL, &api, ret_error);
	api_free(api);
	return r;
}

static void live_socket_is_refused_and_a_stale_one_replaced(void **state)
{
	struct live_api *live = *state;
	_cleanup_free_ char *busy = NULL, *file = NULL, *none = NULL, *error = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[128];
	struct stat st;
	int fd;

	assert_int_equal(stat(live->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(try_new(live, live->socket, &busy), -EADDRINUSE);
	assert_non_null(strstr(busy, "answers there already"));
	assert_int_equal(try_new(live, live->db, &file), -EEXIST);
	assert_non_null(strstr(file, "another kind of file"));
	snprintf(path, sizeof(path), "%s/none/api.sock", live->dir);
	assert_int_equal(try_new(live, path, &none), -ENOENT);

	/* As a killed server leaves it. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/stale.sock", live->dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(try_new(live, address.sun_path, &error), 0);
	assert_int_equal(stat(address.sun_path, &st), -1);
	health_is_ok_or_503_with_reasons(state);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_api_start, live_api_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(health_is_ok_or_503_with_reasons),
		LIVE(status_says_what_the_server_says),
		LIVE(switches_and_functions_are_listed),
		LIVE(metrics_have_the_prometheus_type),
		LIVE(head_has_no_body),
		LIVE(wrong_requests_are_told_what_was_expected),
		LIVE(dead_letters_are_listed_with_their_event),
		LIVE(alerts_are_filtered_and_paged),
		LIVE(long_list_of_alerts_is_complete),
		LIVE(follower_gets_alerts_as_they_are_committed),
		LIVE(followers_that_leave_make_room),
		LIVE(stopping_ends_followers),
		LIVE(requests_that_are_too_large_are_refused),
		LIVE(rubbish_ends_only_its_connection),
		LIVE(live_socket_is_refused_and_a_stale_one_replaced),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
