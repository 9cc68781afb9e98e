// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/log.h"
#include "server/alert_log.h"
#include "server/api_json.h"
#include "server/api_wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Alerts are sent as they are read: a chunk is taken from the database, rendered, and sent before
 * the next one is read, so neither a long list nor a slow client costs memory. Between chunks no
 * read transaction is open, so a slow client does not keep SQLite from shrinking its -wal file
 * either.
 *
 * A follower's stream has no end. When it has sent all there is, it waits (api_wait.h) for
 * api_alerts_committed().
 */

#define CHUNK_BYTES    (32 << 10)
#define ALERTS_DEFAULT 100
#define ALERTS_MAX     10000

struct alert_stream {
	struct api_wait wait;
	struct alert_stream *next;
	bool follow; /* lines without an end; else {"alerts": [...]} */
	bool closed; /* the closing bracket is written */

	char *function; /* NULL = any */
	uint64_t since_ns;
	uint64_t row;  /* of the last alert taken */
	uint64_t left; /* alerts that may still be taken */
	bool first;

	char *chunk; /* what is not sent yet: [pos, len) */
	size_t pos, len, size;
};

/* ---- chunks ---- */

static int chunk_append(struct alert_stream *stream, const char *text, size_t len)
{
	if (stream->len + len > stream->size) {
		size_t size = stream->len + len + CHUNK_BYTES;
		char *chunk = realloc(stream->chunk, size);

		if (!chunk)
			return -ENOMEM;
		stream->chunk = chunk;
		stream->size = size;
	}
	memcpy(stream->chunk + stream->len, text, len);
	stream->len += len;
	return 0;
}

/* The alert as the alert file has it, and its row, from which a client can go on. */
static char *render_alert(uint64_t row, const char *function, const struct alert *alert)
{
	json_t *eve = alert_to_eve(function, alert);
	json_t *own = json_object_get(eve, "netlambda");
	char *text = NULL;

	if (json_object_set_new(own, "row", json_count(row)) == 0)
		text = json_dumps(eve, JSON_COMPACT);
	json_decref(eve);
	return text;
}

/* 1 ends the reading: the chunk is large enough, or the limit is reached. */
static int take_alert(void *user, uint64_t row, const char *function, const struct alert *alert)
{
	struct alert_stream *stream = user;
	_cleanup_free_ char *text = render_alert(row, function, alert);
	int r = text ? 0 : -ENOMEM;

	if (r == 0 && !stream->follow && !stream->first)
		r = chunk_append(stream, ",", 1);
	if (r == 0)
		r = chunk_append(stream, text, strlen(text));
	if (r == 0 && stream->follow)
		r = chunk_append(stream, "\n", 1);
	if (r < 0)
		return r;
	stream->first = false;
	stream->row = row;
	stream->left--;
	return stream->left == 0 || stream->len >= CHUNK_BYTES;
}

/* Reads on, after all of the chunk was sent. 0, with an empty chunk if there is nothing (now). */
static int fill_chunk(struct alert_stream *stream)
{
	const struct alert_filter filter = {
		.after_row = stream->row,
		.since_ns = stream->since_ns,
		.function = stream->function,
	};
	int r = 0;

	stream->pos = stream->len = 0;
	if (stream->left > 0)
		r = store_each_alert(stream->wait.api->store, &filter, take_alert, stream);
	if (r >= 0 && stream->len == 0 && !stream->follow && !stream->closed) {
		stream->closed = true;
		r = chunk_append(stream, "]}\n", 3);
	}
	return MIN(r, 0);
}

void api_alerts_committed(struct api *api)
{
	for (struct alert_stream *stream = api->streams; stream; stream = stream->next)
		api_wait_end(&stream->wait);
}

void api_streams_end(struct api *api)
{
	api_alerts_committed(api);
	api_logs_added(api, NULL);
	MHD_run(api->http.daemon);
}

size_t api_streams_count(const struct api *api)
{
	size_t count = 0;

	for (const struct alert_stream *stream = api->streams; stream; stream = stream->next)
		count += stream->follow;
	return count;
}

/* ---- libmicrohttpd's side ---- */

static ssize_t read_stream(void *cls, uint64_t pos _unused_, char *buffer, size_t max)
{
	struct alert_stream *stream = cls;
	size_t len;

	if (stream->wait.gone || stream->wait.api->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->pos == stream->len && fill_chunk(stream) < 0) {
		log_limited(LOG_LEVEL_ERROR, "cannot read alerts for the API: %s",
			store_error(stream->wait.api->store));
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	len = MIN(stream->len - stream->pos, max);
	if (len == 0 && !stream->follow)
		return MHD_CONTENT_READER_END_OF_STREAM;
	/* Whatever comes now is newer. */
	stream->since_ns = len == 0 ? 0 : stream->since_ns;
	if (len == 0)
		return api_wait_begin(&stream->wait) < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
	memcpy(buffer, stream->chunk + stream->pos, len);
	stream->pos += len;
	return (ssize_t)len;
}

static void stream_free(void *cls)
{
	struct alert_stream *stream = cls;

	for (struct alert_stream **at = &stream->wait.api->streams; *at; at = &(*at)->next) {
		if (*at == stream) {
			*at = stream->next;
			break;
		}
	}
	if (stream->wait.suspended)
		loop_remove_io(&stream->wait.io);
	free(stream->function);
	free(stream->chunk);
	free(stream);
}

DEFINE_CLEANUP(struct alert_stream, stream_free)

/* ---- where to begin ---- */

static int take_row(
	void *user, uint64_t row, const char *function _unused_, const struct alert *alert _unused_)
{
	*(uint64_t *)user = row;
	return 1;
}

/* So that the newest `limit` follow: before the oldest of them. With 0: after the newest of all. */
static int begin_at_newest(struct alert_stream *stream, uint64_t limit)
{
	const struct alert_filter filter = {
		.since_ns = limit > 0 ? stream->since_ns : 0,
		.function = limit > 0 ? stream->function : NULL,
		.limit = limit > 0 ? (unsigned int)limit : 1,
	};
	uint64_t row = 0;
	int r;

	r = store_each_alert(stream->wait.api->store, &filter, take_row, &row);
	if (r < 0)
		return r;
	stream->row = limit > 0 && row > 0 ? row - 1 : row;
	return 0;
}

struct alert_arguments {
	uint64_t after, since, limit;
	bool has_after, has_since, has_limit;
};

/* 0, or -EINVAL with what was expected in `ret_expected`. */
static int get_arguments(struct MHD_Connection *connection, struct alert_arguments *ret_arguments,
	const char **ret_expected)
{
	static const struct api_number after = {"after", 0, INT64_MAX, 0};
	static const struct api_number since = {"since", 0, INT64_MAX / NS_PER_SEC, 0};
	static const struct api_number limit = {"limit", 1, ALERTS_MAX, ALERTS_DEFAULT};
	struct alert_arguments arguments = {
		.has_after = api_get_text(connection, "after"),
		.has_since = api_get_text(connection, "since"),
		.has_limit = api_get_text(connection, "limit"),
	};

	*ret_expected = "after: expected the row number of an alert";
	if (api_get_number(connection, &after, &arguments.after) < 0)
		return -EINVAL;
	*ret_expected = "since: expected a UNIX time in seconds";
	if (api_get_number(connection, &since, &arguments.since) < 0)
		return -EINVAL;
	*ret_expected = "limit: expected a number from 1 to 10000";
	if (api_get_number(connection, &limit, &arguments.limit) < 0)
		return -EINVAL;
	*ret_arguments = arguments;
	return 0;
}

/*
 * after: go on from that row, oldest first. Else the newest `limit`; a follower that names neither
 * a limit nor a time gets only what comes from now on.
 */
static int stream_begin(struct alert_stream *stream, const struct alert_arguments *arguments)
{
	stream->since_ns = arguments->since * NS_PER_SEC;
	stream->left = stream->follow ? UINT64_MAX : arguments->limit;
	if (arguments->has_after) {
		stream->row = arguments->after;
		return 0;
	}
	if (!stream->follow || arguments->has_limit)
		return begin_at_newest(stream, arguments->limit);
	return arguments->has_since ? 0 : begin_at_newest(stream, 0);
}

static int stream_new(struct api *api, struct MHD_Connection *connection, bool follow,
	struct alert_stream **ret_stream)
{
	const char *function = api_get_text(connection, "function");
	_cleanup_(stream_freep) struct alert_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->wait.api = api;
	stream->wait.connection = connection;
	stream->follow = follow;
	stream->first = true;
	stream->next = api->streams;
	api->streams = stream;
	if (function) {
		stream->function = strdup(function);
		if (!stream->function)
			return -ENOMEM;
	}
	if (!follow && chunk_append(stream, "{\"alerts\":[", strlen("{\"alerts\":[")) < 0)
		return -ENOMEM;
	*ret_stream = TAKE_PTR(stream);
	return 0;
}

static enum MHD_Result answer_stream(
	struct api *api, struct MHD_Connection *connection, bool follow)
{
	_cleanup_(stream_freep) struct alert_stream *stream = NULL;
	struct alert_arguments arguments;
	struct MHD_Response *response;
	const char *expected;

	if (get_arguments(connection, &arguments, &expected) < 0)
		return api_send_error(api, connection, MHD_HTTP_BAD_REQUEST, "%s", expected);
	if (stream_new(api, connection, follow, &stream) < 0)
		return api_send_json(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	if (stream_begin(stream, &arguments) < 0)
		return api_send_error(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot read alerts: %s", store_error(api->store));
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, CHUNK_BYTES, read_stream, stream, stream_free);
	if (response)
		TAKE_PTR(stream);
	return api_queue(api, connection, MHD_HTTP_OK,
		follow ? "application/x-ndjson" : "application/json", response);
}

enum MHD_Result api_answer_alerts(struct api *api, struct MHD_Connection *connection)
{
	return answer_stream(api, connection, false);
}

enum MHD_Result api_answer_follow(struct api *api, struct MHD_Connection *connection)
{
	return answer_stream(api, connection, true);
}
