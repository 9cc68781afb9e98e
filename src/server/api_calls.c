// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "server/api_internal.h"
#include "server/api_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Requests that may have a body. libmicrohttpd calls first without one, then with its pieces, then
 * once more; from there the request is suspended until its answer is there, and called again to
 * send it.
 */

#define BODY_BYTES_MAX (1U << 20) /* of JSON */
#define REQUESTS_MAX   32

enum request_state {
	REQUEST_READING,
	REQUEST_WORKING, /* the server, or the helper, has it */
	REQUEST_ANSWERED,
	REQUEST_SENT,
};

#define FUNCTIONS "/v1/functions/"

static const struct verb {
	const char *method;
	const char *path; /* "*": the function's name */
	const char *name;
	enum api_verb verb;
	bool changes;
} verbs[] = {
	{"GET", FUNCTIONS "*", "describe", API_DESCRIBE, false},
	{"PUT", FUNCTIONS "*", "deploy", API_DEPLOY, true},
	{"PATCH", FUNCTIONS "*", "update", API_UPDATE, true},
	{"DELETE", FUNCTIONS "*", "delete", API_DELETE, true},
	{"POST", FUNCTIONS "*/rollback", "rollback", API_ROLLBACK, true},
	{"POST", FUNCTIONS "*/call", "call", API_CALL, true},
	{"POST", "/v1/dead-letters/retry", "retry", API_RETRY, true},
	{"POST", "/v1/dead-letters/drop", "drop", API_DROP, true},
};

struct api_request {
	struct api *api;
	struct MHD_Connection *connection;
	struct api_request *next;
	const struct verb *verb; /* NULL: an upload */
	char *function;
	struct peer peer;
	enum request_state state;
	bool suspended;
	char *body;
	size_t body_size;
	struct upload *upload;
	struct api_call *call; /* the server's; it has a way back here */
	unsigned int code;
	json_t *answer;
};

static size_t requests_count(const struct api *api)
{
	size_t count = 0;

	for (const struct api_request *request = api->requests; request; request = request->next)
		count++;
	return count;
}

void api_request_free(struct api_request *request)
{
	struct api_request **at = &request->api->requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
	if (request->call)
		request->call->request = NULL;
	upload_free(request->upload);
	free(request->function);
	free(request->body);
	json_decref(request->answer);
	free(request);
}

/* ---- answers ---- */

static json_t *error_object(const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return NULL;
	}
	return json_pack("{s:o}", "error", json_text(text));
}

void api_request_answer(struct api_request *request, unsigned int code, json_t *answer)
{
	request->code = answer ? code : MHD_HTTP_INTERNAL_SERVER_ERROR;
	request->answer = answer;
	request->state = REQUEST_ANSWERED;
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	api_run_soon(request->api);
}

void api_request_refuse(struct api_request *request, unsigned int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	api_request_answer(request, code, error_object(fmt, ap));
	va_end(ap);
}

/* So that who did what can be found out later. */
static void call_audit(const struct api_call *call, unsigned int code, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (call->verb == API_DESCRIBE)
		return;
	log_info("audit verb=%s function=%s uid=%u pid=%d status=%u%s%s", call->name,
		call->function ? call->function : "-", (unsigned int)call->peer.uid,
		(int)call->peer.pid, code, error ? ": " : "", error ? error : "");
}

void api_call_answer(struct api_call *call, unsigned int code, json_t *answer)
{
	call_audit(call, code, answer);
	if (call->request) {
		call->request->call = NULL;
		api_request_answer(call->request, code, answer);
	} else {
		json_decref(answer);
	}
	free(call->function);
	json_decref(call->body);
	free(call);
}

void api_call_refuse(struct api_call *call, unsigned int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	api_call_answer(call, code, error_object(fmt, ap));
	va_end(ap);
}

static enum MHD_Result request_send(struct api_request *request)
{
	request->state = REQUEST_SENT;
	return api_send_json(
		request->api, request->connection, request->code, TAKE_PTR(request->answer));
}

/* ---- bodies ---- */

static int body_append(struct api_request *request, const char *bytes, size_t size)
{
	char *body;

	if (request->body_size + size > BODY_BYTES_MAX)
		return -EFBIG;
	body = realloc(request->body, request->body_size + size + 1);
	if (!body)
		return -ENOMEM;
	memcpy(body + request->body_size, bytes, size);
	request->body = body;
	request->body_size += size;
	body[request->body_size] = '\0';
	return 0;
}

/* What comes after a refusal is read and dropped, so that the client hears the answer. */
static void request_take(struct api_request *request, const char *bytes, size_t size)
{
	int r;

	if (request->state != REQUEST_READING)
		return;
	r = request->upload ? upload_write(request->upload, bytes, size)
			    : body_append(request, bytes, size);
	if (r == -EFBIG)
		api_request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "more than %u bytes",
			request->upload ? CODE_BYTES_MAX : BODY_BYTES_MAX);
	else if (r < 0)
		api_request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot take it: %s",
			strerror(-r));
}

/* A body, or the arguments where there is none. */
static json_t *request_parse(struct api_request *request)
{
	json_error_t error;
	json_t *body;

	if (request->body_size == 0)
		return json_object();
	body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(body))
		return body;
	json_decref(body);
	api_request_refuse(request, MHD_HTTP_BAD_REQUEST, "the body is no JSON object: %s",
		body ? "it is something else" : error.text);
	return NULL;
}

static void request_call(struct api_request *request)
{
	struct api *api = request->api;
	struct api_call *call;
	json_t *body = request_parse(request);

	if (!body)
		return;
	call = calloc(1, sizeof(*call));
	if (!call) {
		json_decref(body);
		api_request_answer(request, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	*call = (struct api_call){
		.verb = request->verb->verb,
		.name = request->verb->name,
		.function = TAKE_PTR(request->function),
		.body = body,
		.peer = request->peer,
		.request = request,
	};
	request->call = call;
	request->state = REQUEST_WORKING;
	if (api->ops->call)
		api->ops->call(api->user, call);
	else
		api_call_refuse(call, MHD_HTTP_NOT_IMPLEMENTED, "this server takes no changes");
}

static enum MHD_Result request_complete(struct api_request *request)
{
	if (request->state == REQUEST_READING && request->upload) {
		request->state = REQUEST_WORKING;
		upload_finish(request->upload);
	} else if (request->state == REQUEST_READING) {
		request_call(request);
	}
	if (request->state == REQUEST_ANSWERED)
		return request_send(request);
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

enum MHD_Result api_request_go_on(struct api_request *request, const char *bytes, size_t *size)
{
	if (*size > 0) {
		request_take(request, bytes, *size);
		*size = 0;
		return MHD_YES;
	}
	return request_complete(request);
}

/* ---- beginning ---- */

/*
 * The part of `url` that stands for the path's "*", whose length is `*ret_len`; NULL: it is another
 * path.
 */
static const char *match_path(const char *path, const char *url, size_t *ret_len)
{
	size_t head = strcspn(path, "*");
	const char *name = url + head;

	*ret_len = 0;
	if (strncmp(path, url, head) != 0)
		return NULL;
	if (!path[head])
		return *name ? NULL : name;
	*ret_len = strcspn(name, "/");
	return *ret_len > 0 && strcmp(name + *ret_len, path + head + 1) == 0 ? name : NULL;
}

/* Finds the verb and copies the function's name. */
static const struct verb *find_verb(
	const char *url, const char *method, char **ret_function, bool *ret_known_path)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		size_t len;
		const char *name = match_path(verbs[i].path, url, &len);

		if (!name)
			continue;
		*ret_known_path = true;
		if (strcmp(method, verbs[i].method) != 0)
			continue;
		*ret_function = len > 0 ? strndup(name, len) : NULL;
		return &verbs[i];
	}
	return NULL;
}

static int request_new(
	struct api *api, struct MHD_Connection *connection, struct api_request **ret_request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct api_request *request;
	struct peer peer;
	int r;

	if (requests_count(api) >= REQUESTS_MAX)
		return -EBUSY;
	if (!info)
		return -EIO;
	r = peer_read(info->connect_fd, api->socket_path, &peer);
	if (r < 0)
		return r;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	*request = (struct api_request){
		.api = api, .connection = connection, .peer = peer, .next = api->requests};
	api->requests = request;
	*ret_request = request;
	return 0;
}

static void request_check_permission(struct api_request *request, const char *what)
{
	if (request->peer.may_change)
		return;
	log_warning("audit verb=%s uid=%u pid=%d refused: not permitted", what,
		(unsigned int)request->peer.uid, (int)request->peer.pid);
	api_request_refuse(request, MHD_HTTP_FORBIDDEN,
		"user id %u may look but not change: use sudo, or join the group that owns the "
		"server's socket",
		(unsigned int)request->peer.uid);
}

static void request_begin_upload(struct api_request *request)
{
	int r;

	if (!request->api->code) {
		api_request_refuse(request, MHD_HTTP_NOT_IMPLEMENTED, "this server takes no code");
		return;
	}
	r = upload_new(request->api->code, request, &request->upload);
	if (r == -EBUSY)
		api_request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			"too many uploads are under way: try again");
	else if (r < 0)
		api_request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot take code: %s",
			strerror(-r));
}

bool api_request_begin(struct api *api, struct MHD_Connection *connection, const char *url,
	const char *method, void **ret_request, enum MHD_Result *ret_result)
{
	bool is_upload = strcmp(url, "/v1/code") == 0, known_path = is_upload;
	struct api_request *request = NULL;
	const struct verb *verb = NULL;
	_cleanup_free_ char *function = NULL;
	int r;

	verb = find_verb(url, method, &function, &known_path);
	if (!known_path)
		return false;
	if (!verb && !(is_upload && strcmp(method, "POST") == 0)) {
		api->allowed = strncmp(url, FUNCTIONS, strlen(FUNCTIONS)) == 0 &&
					       !strchr(url + strlen(FUNCTIONS), '/')
				       ? "GET, PUT, PATCH, DELETE"
				       : "POST";
		*ret_result = api_send_error(api, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			"%.256s does not answer %.16s", url, method);
		return true;
	}
	r = request_new(api, connection, &request);
	if (r < 0) {
		*ret_result = api_send_error(api, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"cannot take the request now: %s", strerror(-r));
		return true;
	}
	request->verb = verb;
	request->function = TAKE_PTR(function);
	if (is_upload || verb->changes)
		request_check_permission(request, is_upload ? "upload" : verb->name);
	if (is_upload && request->state == REQUEST_READING)
		request_begin_upload(request);
	*ret_request = request;
	*ret_result = MHD_YES;
	return true;
}

void api_requests_end(struct api *api)
{
	for (struct api_request *request = api->requests; request; request = request->next) {
		if (!request->suspended)
			continue;
		if (request->call)
			request->call->request = NULL;
		request->call = NULL;
		api_request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
	}
	MHD_run(api->http.daemon);
}
