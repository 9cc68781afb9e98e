// SPDX-License-Identifier: BSD-2-Clause
#include "server/gateway_reply.h"

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 32
#define STATUS_MIN  200
#define STATUS_MAX  599

static const char type_text[] = "text/plain; charset=utf-8", type_json[] = "application/json";

void gateway_reply_done(struct gateway_reply *reply)
{
	free(reply->body);
	json_decref(reply->headers);
	*reply = (struct gateway_reply){0};
}

/* {status, headers, body}, and nothing else: any other object is a body. */
static bool is_envelope(const json_t *value)
{
	const json_t *status = json_object_get(value, "status");
	const char *name;
	json_t *member;

	json_object_foreach ((json_t *)value, name, member)
		if (strcmp(name, "status") != 0 && strcmp(name, "headers") != 0 &&
			strcmp(name, "body") != 0)
			return false;
	return json_is_integer(status) && json_integer_value(status) >= STATUS_MIN &&
	       json_integer_value(status) <= STATUS_MAX;
}

/* RFC 9110 5.6.2 */
static bool is_token(const char *name)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-.^_`|~";

	return *name && name[strspn(name, token)] == '\0';
}

/* What the connection needs is not the function's to say. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"connection", "content-length", "date", "keep-alive",
		"te", "trailer", "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcasecmp(ours[i], name) == 0)
			return true;
	return false;
}

static bool is_value(const json_t *value)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < json_string_length(value); i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return text != NULL;
}

static int check_headers(const json_t *headers, char **ret_error)
{
	const char *name;
	json_t *value;

	if (headers && (!json_is_object(headers) || json_object_size(headers) > HEADERS_MAX))
		return error_set(ret_error, -EINVAL,
			"headers: expected an object of at most %d texts", HEADERS_MAX);
	json_object_foreach ((json_t *)headers, name, value)
		if (!is_token(name) || is_ours(name) || !is_value(value))
			return error_set(ret_error, -EINVAL,
				"headers: \"%.64s\" cannot be sent as it is", name);
	return 0;
}

static int take_body(struct gateway_reply *reply, const json_t *body)
{
	if (!body || json_is_null(body))
		return 0;
	if (json_is_string(body)) {
		reply->size = json_string_length(body);
		reply->type = type_text;
		reply->body = malloc(reply->size + 1);
		if (reply->body)
			memcpy(reply->body, json_string_value(body), reply->size + 1);
	} else {
		reply->type = type_json;
		reply->body = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
		reply->size = reply->body ? strlen(reply->body) : 0;
	}
	return reply->body ? 0 : -ENOMEM;
}

static int read_envelope(struct gateway_reply *reply, const json_t *value, char **ret_error)
{
	json_t *headers = json_object_get(value, "headers");
	int r = check_headers(headers, ret_error);

	reply->status = (unsigned int)json_integer_value(json_object_get(value, "status"));
	reply->headers = json_incref(headers);
	return r < 0 ? r : take_body(reply, json_object_get(value, "body"));
}

/* What is JSON to the runtime and not to us, such as an integer of 20 digits, is passed on as it stands. */
static int pass_on(struct gateway_reply *reply, const char *text)
{
	reply->type = type_json;
	reply->body = strdup(text);
	reply->size = strlen(text);
	return reply->body ? 0 : -ENOMEM;
}

int gateway_reply_read(const char *text, struct gateway_reply *ret_reply, char **ret_error)
{
	struct gateway_reply reply = {.status = 200};
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
	int r = 0;

	if (text && !value)
		r = pass_on(&reply, text);
	else if (is_envelope(value))
		r = read_envelope(&reply, value, ret_error);
	else if (json_is_null(value))
		r = pass_on(&reply, text);
	else if (value)
		r = take_body(&reply, value);
	else
		reply.status = 204;
	json_decref(value);
	if (r < 0)
		gateway_reply_done(&reply);
	else
		*ret_reply = reply;
	return r;
}
