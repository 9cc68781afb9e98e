// SPDX-License-Identifier: BSD-2-Clause
#include "server/gateway.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/endpoint.h"
#include "server/address_limit.h"
#include "server/api_json.h"
#include "server/call_event.h"
#include "server/gateway_reply.h"
#include "server/gateway_secrets.h"
#include "server/http_daemon.h"
#include "server/http_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define REQUESTS_MAX   64 /* with a body, or with a function */
#define BODY_BYTES_MAX (256U << 10)
#define WAIT_NS        (5 * NS_PER_SEC) /* beyond the time that the function may take */

enum request_state {
	REQUEST_READING,
	REQUEST_WORKING, /* with the function */
	REQUEST_ANSWERED,
};

struct gateway_request {
	struct gateway *gateway;
	struct gateway_request *next;
	struct MHD_Connection *connection;
	char function[64];
	enum request_state state;
	bool suspended;
	char *body;
	size_t size;
	struct caller *caller; /* NULL: no function has it */
	struct MHD_Response *response;
	unsigned int code;
};

struct gateway {
	struct http_daemon http;
	const struct http_triggers *triggers;
	struct callers *callers;
	struct units *units;
	struct gateway_counts *counts;
	struct address_limit limit;
	struct secrets secrets;
	char *listen;
	int listen_fd; /* the daemon has a copy */
	bool retired;
	struct gateway_request *requests;
	size_t request_count;
};

/* ---- responses ---- */

static struct MHD_Response *text_response(char *text, size_t size, const char *type)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(text);
		return NULL;
	}
	if (type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	return response;
}

static struct MHD_Response *error_response(unsigned int code, const char *message)
{
	json_t *object = json_pack("{s:s}", "error", message);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	struct MHD_Response *response;

	json_decref(object);
	response = text ? text_response(text, strlen(text), "application/json") : NULL;
	if (response && code == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	if (response && code == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	return response;
}

/* Takes `response`; NULL: no memory. */
static enum MHD_Result gateway_send(struct gateway *gateway, struct MHD_Connection *connection,
	unsigned int code, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	if (gateway->retired)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	gateway->counts->responses[code / 100]++;
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_error(struct gateway *gateway, struct MHD_Connection *connection,
	unsigned int code, const char *message)
{
	return gateway_send(gateway, connection, code, error_response(code, message));
}

/* Takes `response`, to be sent now or when libmicrohttpd asks. */
static void request_answer(
	struct gateway_request *request, unsigned int code, struct MHD_Response *response)
{
	request->state = REQUEST_ANSWERED;
	request->code = code;
	request->response = response;
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	http_daemon_run_soon(&request->gateway->http);
}

static void request_refuse(struct gateway_request *request, unsigned int code, const char *message)
{
	request_answer(request, code, error_response(code, message));
}

static struct MHD_Response *reply_response(struct gateway_reply *reply)
{
	const char *type = reply->type, *name;
	struct MHD_Response *response;
	json_t *value;

	json_object_foreach (reply->headers, name, value)
		if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0)
			type = NULL;
	response = text_response(TAKE_PTR(reply->body), reply->size, type);
	if (response)
		json_object_foreach (reply->headers, name, value)
			MHD_add_response_header(response, name, json_string_value(value));
	return response;
}

static void answer_reply(struct gateway_request *request, const char *text)
{
	_cleanup_free_ char *error = NULL;
	struct gateway_reply reply;
	int r = gateway_reply_read(text, &reply, &error);

	if (r < 0) {
		log_limited(LOG_LEVEL_WARNING, "function=%s its reply cannot be sent: %s",
			request->function, error ? error : strerror(-r));
		request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"the function's reply cannot be sent");
		return;
	}
	request_answer(request, reply.status, reply_response(&reply));
	gateway_reply_done(&reply);
}

/* Why it failed is for the operator: it is in the dead letter. */
static void on_called(void *user, enum call_end end, const char *text)
{
	struct gateway_request *request = user;

	request->caller = NULL;
	switch (end) {
	case CALL_DONE:
		answer_reply(request, text);
		break;
	case CALL_FAILED:
		request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the function failed");
		break;
	case CALL_NOT_RUN:
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the function could not take it: it was not run");
		break;
	case CALL_LATE:
		request_refuse(request, MHD_HTTP_GATEWAY_TIMEOUT,
			"the function is not done in time: it may be yet");
		break;
	}
}

/* ---- what a function is told ---- */

struct pairs {
	json_t *object;
	bool lower, hide_token;
};

static enum MHD_Result put_pair(
	void *cls, enum MHD_ValueKind kind _unused_, const char *key, const char *value)
{
	struct pairs *pairs = cls;
	char name[256];
	size_t i;

	if (pairs->hide_token && strcasecmp(key, MHD_HTTP_HEADER_AUTHORIZATION) == 0)
		return MHD_YES;
	for (i = 0; key[i] && i < sizeof(name) - 1; i++)
		name[i] = pairs->lower && key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] + 32)
									 : key[i];
	name[i] = '\0';
	json_object_set_new(pairs->object, name, json_text(value ? value : ""));
	return MHD_YES;
}

static json_t *pairs_json(const struct gateway_request *request, enum MHD_ValueKind kind)
{
	struct pairs pairs = {
		.object = json_object(),
		.lower = kind == MHD_HEADER_KIND,
		.hide_token = kind == MHD_HEADER_KIND && request->gateway->secrets.token,
	};

	if (pairs.object)
		MHD_get_connection_values(request->connection, kind, put_pair, &pairs);
	return pairs.object;
}

static bool says_json(const struct gateway_request *request)
{
	const char *type = MHD_lookup_connection_value(
		request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	size_t len = type ? strcspn(type, "; \t") : 0;

	return (len == 16 && strncasecmp(type, "application/json", len) == 0) ||
	       (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* NULL: it is refused. */
static json_t *body_json(struct gateway_request *request)
{
	json_t *body;

	if (request->size == 0)
		return json_null();
	if (says_json(request)) {
		body = json_loadb(request->body, request->size,
			JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		if (!body)
			request_refuse(request, MHD_HTTP_BAD_REQUEST, "the body is not JSON");
		return body;
	}
	body = json_stringn(request->body, request->size);
	if (!body)
		request_refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			"the body is neither JSON nor UTF-8 text");
	return body;
}

static json_t *request_json(struct gateway_request *request, const char *url, const char *method)
{
	json_t *object = json_object(), *body = body_json(request);

	if (!body) {
		json_decref(object);
		return NULL;
	}
	json_put(&object, "method", json_text(method));
	json_put(&object, "path", json_text(url));
	json_put(&object, "query", pairs_json(request, MHD_GET_ARGUMENT_KIND));
	json_put(&object, "headers", pairs_json(request, MHD_HEADER_KIND));
	json_put(&object, "body", body);
	if (!object)
		request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
	return object;
}

/* ---- to the function ---- */

static int request_give(struct gateway_request *request, const struct unit *unit,
	const json_t *object, char **ret_error)
{
	const struct function_config *config = unit->config;
	struct call_event event;
	struct called_event called;
	int r = call_event_request(object, request->size, config, &event, ret_error);

	if (r < 0)
		return r;
	called = call_event_called(&event, config->timeout_ns * config->attempts + WAIT_NS);
	request->state = REQUEST_WORKING;
	r = callers_call(request->gateway->callers, unit->function, &called, on_called, request,
		&request->caller);
	call_event_done(&event);
	return r;
}

static void request_run(struct gateway_request *request, const char *url, const char *method)
{
	struct unit *unit = units_find_live(request->gateway->units, request->function);
	_cleanup_free_ char *error = NULL;
	json_t *object;
	int r;

	if (!unit) {
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the function is not there");
		return;
	}
	object = request_json(request, url, method);
	if (!object)
		return;
	r = request_give(request, unit, object, &error);
	json_decref(object);
	if (r == -EBUSY) {
		unit->calls_refused++;
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the function has too much to do: it was not run");
	} else if (r == -EINVAL)
		request_refuse(request, MHD_HTTP_BAD_REQUEST, error ? error : "bad request");
	else if (r < 0)
		request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
}

static enum MHD_Result request_complete(
	struct gateway_request *request, const char *url, const char *method)
{
	struct MHD_Response *response;

	if (request->state == REQUEST_READING)
		request_run(request, url, method);
	if (request->state == REQUEST_ANSWERED) {
		response = TAKE_PTR(request->response);
		return gateway_send(request->gateway, request->connection, request->code, response);
	}
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

/* What comes after a refusal is read and dropped, so that the client hears the answer. */
static void request_take(struct gateway_request *request, const char *bytes, size_t size)
{
	char *body;

	if (request->state != REQUEST_READING)
		return;
	if (request->size + size > BODY_BYTES_MAX) {
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "more than 256 KiB");
		return;
	}
	body = realloc(request->body, request->size + size);
	if (!body) {
		request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	memcpy(body + request->size, bytes, size);
	request->body = body;
	request->size += size;
}

static void request_free(struct gateway_request *request)
{
	struct gateway *gateway = request->gateway;
	struct gateway_request **at = &gateway->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	gateway->request_count--;
	if (request->caller)
		caller_leave(request->caller);
	if (request->response)
		MHD_destroy_response(request->response);
	free(request->body);
	free(request);
}

/* ---- who may ask, and for what ---- */

/* Takes as long wherever it is wrong. */
static bool text_is(const char *text, const char *secret)
{
	size_t len = strlen(secret);
	unsigned char differ = 0;

	if (strlen(text) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(text[i] ^ secret[i]);
	return differ == 0;
}

static bool is_permitted(const struct gateway *gateway, struct MHD_Connection *connection)
{
	const char *header = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

	if (!gateway->secrets.token)
		return true;
	return header && strncasecmp(header, "Bearer ", 7) == 0 &&
	       text_is(header + 7, gateway->secrets.token);
}

/* Where no token is asked for, a web page of anybody's must not ask through an operator's browser. */
static bool is_from_elsewhere(const struct gateway *gateway, struct MHD_Connection *connection)
{
	const char *origin =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	const char *at = origin ? strstr(origin, "://") : NULL;

	if (gateway->secrets.token || !origin)
		return false;
	return !at || !host || strcasecmp(at + 3, host) != 0;
}

static int request_new(struct gateway *gateway, struct MHD_Connection *connection,
	const char *function, struct gateway_request **ret_request)
{
	struct gateway_request *request = NULL;

	if (gateway->request_count < REQUESTS_MAX)
		request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	*request = (struct gateway_request){
		.gateway = gateway, .next = gateway->requests, .connection = connection};
	snprintf(request->function, sizeof(request->function), "%s", function);
	gateway->requests = request;
	gateway->request_count++;
	*ret_request = request;
	return 0;
}

static void note_refused(struct gateway *gateway, const char *function)
{
	struct unit *unit = units_find_live(gateway->units, function);

	if (unit)
		unit->calls_refused++;
}

static enum MHD_Result request_begin(struct gateway *gateway, struct MHD_Connection *connection,
	const char *url, void **ret_request)
{
	const struct http_trigger *trigger = http_triggers_find(gateway->triggers, url);
	struct gateway_request *request;

	/* By which settings it would be judged nobody says any more. */
	if (gateway->retired)
		return send_error(gateway, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the server has new settings: connect again");
	if (!is_permitted(gateway, connection))
		return send_error(gateway, connection, MHD_HTTP_UNAUTHORIZED,
			"expected the server's token, as Authorization: Bearer TOKEN");
	if (is_from_elsewhere(gateway, connection))
		return send_error(gateway, connection, MHD_HTTP_FORBIDDEN,
			"this comes from another site's page");
	if (!trigger)
		return send_error(gateway, connection, MHD_HTTP_NOT_FOUND, "no function is there");
	if (request_new(gateway, connection, trigger->function, &request) < 0) {
		note_refused(gateway, trigger->function);
		return send_error(gateway, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"too many requests are under way");
	}
	*ret_request = request;
	return MHD_YES;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version _unused_, const char *upload, size_t *upload_size,
	void **user)
{
	struct gateway_request *request = *user;

	if (!request)
		return request_begin(cls, connection, url, user);
	if (*upload_size == 0)
		return request_complete(request, url, method);
	request_take(request, upload, *upload_size);
	*upload_size = 0;
	return MHD_YES;
}

static void on_completed(void *cls _unused_, struct MHD_Connection *connection _unused_,
	void **user, enum MHD_RequestTerminationCode code _unused_)
{
	if (*user)
		request_free(*user);
	*user = NULL;
}

/* ---- how many connections ---- */

static struct endpoint endpoint_of(const struct sockaddr *address, socklen_t len)
{
	struct endpoint endpoint = {.len = MIN(len, (socklen_t)sizeof(endpoint.address))};

	memcpy(&endpoint.address, address, endpoint.len);
	return endpoint;
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t len)
{
	struct gateway *gateway = cls;
	const struct endpoint endpoint = endpoint_of(address, len);
	char text[ENDPOINT_TEXT_MAX];

	if (address_limit_permits(&gateway->limit, &endpoint))
		return MHD_YES;
	gateway->counts->connections_refused++;
	log_limited(LOG_LEVEL_WARNING,
		"http: no more connections are taken from client=%s "
		"(http.connections_per_address)",
		endpoint_render(&endpoint, text));
	return MHD_NO;
}

static void on_connected(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct gateway *gateway = cls;
	const union MHD_ConnectionInfo *info;
	struct endpoint endpoint;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*socket_context)
			address_limit_remove(*socket_context);
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || !info->client_addr)
		return;
	endpoint = endpoint_of(info->client_addr, info->client_addr->sa_family == AF_INET6
							  ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in));
	*socket_context = address_limit_add(&gateway->limit, &endpoint);
}

/* ---- beginning and end ---- */

static int start(struct gateway *gateway, struct loop *loop, char **ret_error)
{
	int fd = fcntl(gateway->listen_fd, F_DUPFD_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = http_daemon_start(&gateway->http, loop,
		&(struct http_daemon_options){
			.listen_fd = fd,
			.connections_max = ADDRESS_LIMIT_CONNECTIONS,
			.accept = on_accept,
			.connected = on_connected,
			.answer = answer,
			.completed = on_completed,
			.user = gateway,
			.certificate = gateway->secrets.certificate,
			.key = gateway->secrets.key,
		});
	if (!gateway->http.daemon)
		close(fd);
	if (r == -EIO && gateway->secrets.key)
		return error_set(ret_error, r, "certificate and key cannot be used together");
	return r < 0 ? error_set(ret_error, r, "%s", strerror(-r)) : 0;
}

/* An address can be listened on once: what listens there already is shared. */
static int take_address(
	struct gateway *gateway, const char *listen, const struct gateway *before, char **ret_error)
{
	gateway->listen = strdup(listen);
	if (!gateway->listen)
		return -ENOMEM;
	if (!before || strcmp(before->listen, listen) != 0)
		return http_listen(
			listen, before ? before->listen_fd : -1, &gateway->listen_fd, ret_error);
	gateway->listen_fd = fcntl(before->listen_fd, F_DUPFD_CLOEXEC, 0);
	return gateway->listen_fd < 0 ? -errno : 0;
}

int gateway_new(const struct gateway_options *options, const struct gateway *before,
	struct gateway **ret_gateway, char **ret_error)
{
	_cleanup_(gateway_freep) struct gateway *gateway = calloc(1, sizeof(*gateway));
	int r;

	if (!gateway)
		return -ENOMEM;
	*gateway = (struct gateway){
		.triggers = options->triggers,
		.callers = options->callers,
		.units = options->units,
		.counts = options->counts,
		.limit = {.max = options->settings->connections_per_address},
		.listen_fd = -1,
	};
	r = secrets_read(options->settings, &gateway->secrets, ret_error);
	if (r == 0)
		r = take_address(gateway, options->settings->listen, before, ret_error);
	if (r == 0)
		r = start(gateway, options->loop, ret_error);
	if (r == 0)
		*ret_gateway = TAKE_PTR(gateway);
	return r;
}

/* One of which nothing was asked is not run any more: connections that wait are the next one's. */
static void end_requests(struct gateway *gateway)
{
	for (struct gateway_request *request = gateway->requests; request; request = request->next)
		if (request->suspended) {
			if (request->caller)
				caller_leave(request->caller);
			on_called(request, CALL_LATE, NULL);
		}
	if (gateway->requests)
		MHD_run(gateway->http.daemon);
}

void gateway_free(struct gateway *gateway)
{
	if (!gateway)
		return;
	if (gateway->http.daemon) {
		end_requests(gateway);
		http_daemon_stop(&gateway->http);
	}
	if (gateway->listen_fd >= 0)
		close(gateway->listen_fd);
	secrets_done(&gateway->secrets);
	free(gateway->listen);
	free(gateway);
}

int gateway_differs(const struct gateway *gateway, const struct http_settings *settings,
	bool *ret_differs, char **ret_error)
{
	struct secrets now;
	int r = secrets_read(settings, &now, ret_error);

	if (r == 0)
		*ret_differs = strcmp(gateway->listen, settings->listen) != 0 ||
			       gateway->limit.max != settings->connections_per_address ||
			       !secrets_equal(&gateway->secrets, &now);
	secrets_done(&now);
	return r;
}

void gateway_retire(struct gateway *gateway)
{
	gateway->retired = true;
	http_daemon_close_door(&gateway->http);
	close(gateway->listen_fd);
	gateway->listen_fd = -1;
}

bool gateway_is_done(const struct gateway *gateway)
{
	return http_daemon_connections(&gateway->http) == 0;
}

void gateway_put_metrics(const struct gateway_counts *counts, struct metrics *metrics)
{
	static const char *const classes[] = {NULL, NULL, "2xx", "3xx", "4xx", "5xx"};

	metrics_family(metrics, "netlambda_http_responses_total", METRIC_COUNTER,
		"Responses to requests of HTTP triggers, by class of status.");
	for (size_t i = 2; i < ARRAY_SIZE(classes); i++)
		metrics_sample(metrics,
			(const struct metric_label[]){{"class", classes[i]}, {NULL, NULL}},
			counts->responses[i]);
	metrics_single(metrics, "netlambda_http_connections_refused_total", METRIC_COUNTER,
		"Connections refused since their client had as many as one may have.",
		counts->connections_refused);
}
