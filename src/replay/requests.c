// SPDX-License-Identifier: BSD-2-Clause
#include "replay/requests.h"

#include "base/clock.h"
#include "base/error.h"
#include "server/api_json.h"
#include "server/call_event.h"
#include "server/gateway_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the file ---- */

static bool allows(const json_t *object, const char *const *names, size_t count)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value) {
		size_t i = 0;

		while (i < count && strcmp(names[i], name) != 0)
			i++;
		if (i == count)
			return false;
	}
	return json_is_object(object);
}

static int check(const json_t *root, const char *path, char **ret_error)
{
	static const char *const members[] = {"requests", "alerts"};
	static const char *const parts[] = {
		"method", "path", "query", "headers", "body", "response"};
	const json_t *requests = json_object_get(root, "requests"), *request;
	size_t i;

	if (!allows(root, members, ARRAY_SIZE(members)) || !json_is_array(requests))
		return error_set(ret_error, -EINVAL,
			"%s: expected an object with an array \"requests\", and nothing else but "
			"\"alerts\"",
			path);
	json_array_foreach (requests, i, request) {
		const char *target = json_string_value(json_object_get(request, "path"));

		if (!allows(request, parts, ARRAY_SIZE(parts)) || !target)
			return error_set(ret_error, -EINVAL,
				"%s: requests.%zu: expected an object with \"path\", and nothing "
				"else but \"method\", \"query\", \"headers\", \"body\" and "
				"\"response\"",
				path, i);
		if (*target != '/' || strchr(target, '?'))
			return error_set(ret_error, -EINVAL,
				"%s: requests.%zu.path: expected a path, such as \"/scans\"; what "
				"is behind a \"?\" is \"query\": {\"srcip\": \"192.0.2.2\"}",
				path, i);
	}
	return 0;
}

int requests_load(const char *path, json_t **ret_requests, char **ret_error)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	int r = root ? check(root, path, ret_error)
		     : error_set(ret_error, -EINVAL, "%s:%d: %s", path, error.line, error.text);

	if (r == 0)
		*ret_requests = json_incref(json_object_get(root, "requests"));
	json_decref(root);
	return r;
}

/* ---- responses ---- */

struct exchange {
	bool done;
	json_t *response; /* NULL: no memory */
};

static json_t *make_response(unsigned int status, json_t *headers, json_t *body)
{
	json_t *response = json_object();

	json_put(&response, "status", json_integer(status));
	json_put(&response, "headers", headers);
	json_put(&response, "body", body);
	return response;
}

static void answer_error(struct exchange *exchange, unsigned int status, const char *error)
{
	json_t *body = json_object();

	json_put(&body, "error", json_text(error));
	exchange->response =
		make_response(status, json_pack("{s:s}", "content-type", "application/json"), body);
	exchange->done = true;
}

/* In lower case, as what a function is told of a request. */
static json_t *lower_names(const json_t *object)
{
	json_t *lower = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)object, name, value) {
		_cleanup_free_ char *copy = strdup(name);

		for (char *at = copy; at && *at; at++)
			*at = (char)tolower((unsigned char)*at);
		json_put(&lower, copy ? copy : "", copy ? json_incref(value) : NULL);
	}
	return lower;
}

static void answer_reply(struct exchange *exchange, const char *text)
{
	_cleanup_free_ char *error = NULL;
	struct gateway_reply reply;
	json_t *headers, *body;

	if (gateway_reply_read(text, &reply, &error) < 0) {
		answer_error(exchange, 500, "the function's reply cannot be sent");
		return;
	}
	headers = lower_names(reply.headers);
	if (reply.type && !json_object_get(headers, "content-type"))
		json_put(&headers, "content-type", json_text(reply.type));
	if (reply.body && reply.type && strcmp(reply.type, "application/json") == 0)
		body = json_embed(reply.body);
	else
		body = json_text(reply.body);
	exchange->response = make_response(reply.status, headers, body);
	exchange->done = true;
	gateway_reply_done(&reply);
}

static void on_called(void *user, enum call_end end, const char *text)
{
	struct exchange *exchange = user;

	if (end == CALL_DONE)
		answer_reply(exchange, text);
	else if (end == CALL_FAILED)
		answer_error(exchange, 500, "the function failed");
	else
		answer_error(exchange, 503, "it was not run");
}

/* ---- requests ---- */

/* {"event", "data"} as who makes an event gives it: without what is for the test. */
static json_t *event_of(const json_t *request)
{
	json_t *data = json_copy((json_t *)request);
	const json_t *headers = json_object_get(request, "headers");
	json_t *event = json_object();

	if (data)
		json_object_del(data, "response");
	if (json_is_object(headers))
		json_put(&data, "headers", lower_names(headers));
	json_put(&event, "event", json_string("http"));
	json_put(&event, "data", data);
	return event;
}

static int give(struct exchange *exchange, const json_t *request, const struct unit *unit,
	struct backend *backend, uint64_t now_ns)
{
	_cleanup_free_ char *error = NULL;
	struct caller *caller = NULL;
	struct call_event event;
	struct called_event called;
	json_t *json = event_of(request);
	int r = json ? call_event_read(json, unit->config, &event, &error) : -ENOMEM;

	json_decref(json);
	if (r == -EINVAL) {
		answer_error(exchange, 400, error);
		return 0;
	}
	if (r < 0)
		return r;
	called = call_event_called(&event, 86400 * NS_PER_SEC);
	called.time_ns = now_ns;
	r = callers_call(
		backend_callers(backend), unit->function, &called, on_called, exchange, &caller);
	call_event_done(&event);
	if (r == 0)
		r = backend_wait_for(backend, &exchange->done);
	if (r < 0 && caller && !exchange->done)
		caller_leave(caller);
	return r;
}

static int run(
	const json_t *request, struct backend *backend, uint64_t now_ns, json_t **ret_response)
{
	const char *path = json_string_value(json_object_get(request, "path"));
	const struct unit *unit = backend_find_path(backend, path);
	struct exchange exchange = {0};
	int r = 0;

	if (unit)
		r = give(&exchange, request, unit, backend, now_ns);
	else
		answer_error(&exchange, 404, "no function is there");
	if (r == 0 && !exchange.response)
		r = -ENOMEM;
	*ret_response = exchange.response;
	return r;
}

int requests_run(
	const json_t *requests, struct backend *backend, uint64_t now_ns, json_t **ret_responses)
{
	json_t *responses = json_array(), *request;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)requests, i, request) {
		json_t *response = NULL;

		if (r == 0)
			r = run(request, backend, now_ns, &response);
		if (r == 0)
			json_push(&responses, response);
		else
			json_decref(response);
	}
	if (r == 0 && !responses)
		r = -ENOMEM;
	if (r == 0)
		*ret_responses = responses;
	else
		json_decref(responses);
	return r;
}
