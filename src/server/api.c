// SPDX-License-Identifier: BSD-2-Clause
#include "server/api.h"

#include "base/log.h"
#include "server/api_internal.h"
#include "server/api_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Requests of api_calls.c have a body. One that is sent with another is not read. */

static const struct route {
	const char *path;
	enum MHD_Result (*answer)(struct api *api, struct MHD_Connection *connection);
	const char *arguments[7]; /* ends with NULL */
} routes[] = {
	{"/healthz", api_answer_health, {NULL}},
	{"/metrics", api_answer_metrics, {NULL}},
	{"/v1/status", api_answer_status, {NULL}},
	{"/v1/switches", api_answer_switches, {NULL}},
	{"/v1/functions", api_answer_functions, {NULL}},
	{"/v1/alerts", api_answer_alerts, {"after", "since", "function", "limit", NULL}},
	{"/v1/alerts/follow", api_answer_follow, {"after", "since", "function", "limit", NULL}},
	{"/v1/logs", api_answer_logs, {"function", "lines", "after", NULL}},
	{"/v1/logs/follow", api_answer_follow_logs, {"function", "lines", "after", NULL}},
	{"/v1/dead-letters", api_answer_dead_letters, {"function", "limit", NULL}},
	{"/v1/state", api_answer_state,
		{"function", "key", "limit", "after_hash", "after_key", "after_name", NULL}},
};

/* ---- answers ---- */

enum MHD_Result api_queue(struct api *api, struct MHD_Connection *connection, unsigned int code,
	const char *content_type, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, api->allowed);
	api->responses[code / 100]++;
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result api_send(struct api *api, struct MHD_Connection *connection, unsigned int code,
	const char *content_type, char *text, size_t len)
{
	static char no_memory[] = "{\"error\": \"out of memory\"}\n";
	struct MHD_Response *response;

	if (!text)
		return api_queue(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"application/json",
			MHD_create_response_from_buffer(
				strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT));
	response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return api_queue(api, connection, code, content_type, response);
}

enum MHD_Result api_send_json(
	struct api *api, struct MHD_Connection *connection, unsigned int code, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return api_send(api, connection, code, "application/json", text, text ? strlen(text) : 0);
}

enum MHD_Result api_send_error(
	struct api *api, struct MHD_Connection *connection, unsigned int code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return api_send_json(
		api, connection, code, text ? json_pack("{s:o}", "error", json_text(text)) : NULL);
}

/* ---- arguments ---- */

struct argument_check {
	const char *const *known;
	const char *unknown;
};

static enum MHD_Result check_argument(
	void *cls, enum MHD_ValueKind kind _unused_, const char *key, const char *value _unused_)
{
	struct argument_check *check = cls;

	for (const char *const *known = check->known; *known; known++)
		if (strcmp(*known, key) == 0)
			return MHD_YES;
	check->unknown = key;
	return MHD_NO;
}

const char *api_get_text(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

int api_get_number(
	struct MHD_Connection *connection, const struct api_number *number, uint64_t *ret_value)
{
	const char *text = api_get_text(connection, number->name);
	unsigned long long value;
	char *end;

	if (!text) {
		*ret_value = number->fallback;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < number->min || value > number->max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* ---- requests ---- */

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version _unused_, const char *upload, size_t *upload_size,
	void **request)
{
	struct api *api = cls;
	const struct route *route = NULL;
	struct argument_check check = {0};
	enum MHD_Result result;

	if (*request)
		return api_request_go_on(*request, upload, upload_size);
	if (api_request_begin(api, connection, url, method, request, &result))
		return result;
	for (size_t i = 0; i < ARRAY_SIZE(routes) && !route; i++)
		if (strcmp(routes[i].path, url) == 0)
			route = &routes[i];
	if (!route)
		return api_send_error(
			api, connection, MHD_HTTP_NOT_FOUND, "nothing is at %.256s", url);
	api->allowed = "GET, HEAD";
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return api_send_error(api, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			"%s answers GET and HEAD only", url);
	check.known = route->arguments;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, check_argument, &check);
	if (check.unknown)
		return api_send_error(api, connection, MHD_HTTP_BAD_REQUEST,
			"%s has no argument \"%.64s\"", url, check.unknown);
	return route->answer(api, connection);
}

static void on_completed(void *cls _unused_, struct MHD_Connection *connection _unused_,
	void **request, enum MHD_RequestTerminationCode code _unused_)
{
	if (*request)
		api_request_free(*request);
	*request = NULL;
}

/* ---- the loop ---- */

void api_run_soon(struct api *api)
{
	http_daemon_run_soon(&api->http);
}

static int start_daemon(struct api *api)
{
	int r = http_daemon_start(&api->http, api->loop,
		&(struct http_daemon_options){
			.listen_fd = api->listen_fd,
			.connections_max = API_CONNECTIONS_MAX,
			.answer = answer,
			.completed = on_completed,
			.user = api,
		});

	if (api->http.daemon)
		api->listen_fd = -1;
	return r;
}

int api_new(struct loop *loop, const struct api_options *options, const struct api_ops *ops,
	void *user, struct api **ret_api, char **ret_error)
{
	_cleanup_(api_freep) struct api *api = calloc(1, sizeof(*api));
	_cleanup_free_ char *error = NULL;
	int r;

	if (api) {
		*api = (struct api){.ops = ops,
			.user = user,
			.loop = loop,
			.listen_fd = -1,
			.logs = options->logs};
	}
	r = api ? store_open(options->store_path, STORE_READ_ONLY, &api->store, &error) : -ENOMEM;
	if (r == 0 && options->code_dir)
		r = code_room_new(api, options, &api->code, &error);
	if (r == 0)
		r = api_listen(options->socket_path, &api->listen_fd, &error);
	if (r == 0) {
		api->socket_path = strdup(options->socket_path);
		r = api->socket_path ? start_daemon(api) : -ENOMEM;
	}
	if (r == 0) {
		*ret_api = TAKE_PTR(api);
		return 0;
	}
	if (!error && asprintf(&error, "%s: cannot start the API: %s", options->socket_path,
			      strerror(-r)) < 0)
		error = NULL;
	*ret_error = TAKE_PTR(error);
	return r;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	/* First: what comes after us may make its own. */
	if (api->socket_path)
		unlink(api->socket_path);
	api->closing = true;
	if (api->http.daemon) {
		api_streams_end(api);
		api_requests_end(api);
		http_daemon_stop(&api->http);
	}
	if (api->listen_fd >= 0)
		close(api->listen_fd);
	code_room_free(api->code);
	store_close(api->store);
	free(api->socket_path);
	free(api);
}
