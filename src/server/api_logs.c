// SPDX-License-Identifier: BSD-2-Clause
#include "server/api_json.h"
#include "server/api_wait.h"
#include "server/log_ring.h"

#include <stdio.h>
#include <string.h>

/* What a function printed lately, and what it prints from now on. */

#define LINES_MAX     2048
#define LINES_DEFAULT 100

struct log_stream {
	struct api_wait wait;
	struct log_stream *next;
	char *function;
	uint64_t number; /* of the last line taken */
	char *text;      /* of the line being sent: [pos, len) */
	size_t pos, len;
};

static json_t *line_json(const struct log_line *line)
{
	json_t *object = json_object();

	json_put(&object, "number", json_count(line->number));
	json_put(&object, "time", json_time(line->time_ns));
	json_put(&object, "text", json_text(line->text));
	return object;
}

/* The function and where to begin. 0, or -1 and `*ret_result` is the refusal. */
static int get_arguments(struct api *api, struct MHD_Connection *connection, uint64_t fallback,
	const char **ret_function, uint64_t *ret_after, enum MHD_Result *ret_result)
{
	const struct api_number lines_number = {"lines", 0, LINES_MAX, fallback};
	static const struct api_number after_number = {"after", 0, INT64_MAX, 0};
	uint64_t lines;

	*ret_function = api_get_text(connection, "function");
	if (!*ret_function || !api->logs) {
		*ret_result = api_send_error(api, connection, MHD_HTTP_BAD_REQUEST,
			"function: expected the name of one");
		return -1;
	}
	if (api_get_number(connection, &lines_number, &lines) < 0 ||
		api_get_number(connection, &after_number, ret_after) < 0) {
		*ret_result = api_send_error(api, connection, MHD_HTTP_BAD_REQUEST,
			"lines: expected a number from 0 to %d; after: that of a line", LINES_MAX);
		return -1;
	}
	/* The number is of an earlier run of the server: all that there is came after it. */
	if (*ret_after > log_rings_newest(api->logs))
		*ret_after = 0;
	if (!api_get_text(connection, "after"))
		*ret_after = log_rings_before(api->logs, *ret_function, lines);
	return 0;
}

enum MHD_Result api_answer_logs(struct api *api, struct MHD_Connection *connection)
{
	json_t *object = json_object(), *lines = json_array();
	enum MHD_Result result;
	struct log_line line;
	const char *function;
	uint64_t after;

	if (get_arguments(api, connection, LINES_DEFAULT, &function, &after, &result) < 0) {
		json_decref(object);
		json_decref(lines);
		return result;
	}
	for (; log_rings_next(api->logs, function, after, &line) == 0; after = line.number)
		json_push(&lines, line_json(&line));
	json_put(&object, "lines", lines);
	json_put(&object, "lost", json_count(log_rings_lost(api->logs, function)));
	return api_send_json(api, connection, MHD_HTTP_OK, object);
}

/* ---- following ---- */

static int stream_take_line(struct log_stream *stream)
{
	struct log_line line;
	json_t *object;

	stream->pos = stream->len = 0;
	if (log_rings_next(stream->wait.api->logs, stream->function, stream->number, &line) < 0)
		return 0;
	stream->number = line.number;
	object = line_json(&line);
	free(stream->text);
	stream->text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!stream->text)
		return -1;
	stream->len = strlen(stream->text);
	/* In the place of the NUL: the text is bytes from here on. */
	stream->text[stream->len++] = '\n';
	return 0;
}

static ssize_t read_stream(void *cls, uint64_t pos _unused_, char *buffer, size_t max)
{
	struct log_stream *stream = cls;
	size_t len;

	if (stream->wait.gone || stream->wait.api->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->pos == stream->len && stream_take_line(stream) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	len = MIN(stream->len - stream->pos, max);
	if (len == 0)
		return api_wait_begin(&stream->wait) < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
	memcpy(buffer, stream->text + stream->pos, len);
	stream->pos += len;
	return (ssize_t)len;
}

static void stream_free(void *cls)
{
	struct log_stream *stream = cls;
	struct log_stream **at = &stream->wait.api->log_streams;

	while (*at && *at != stream)
		at = &(*at)->next;
	if (*at)
		*at = stream->next;
	if (stream->wait.suspended)
		loop_remove_io(&stream->wait.io);
	free(stream->function);
	free(stream->text);
	free(stream);
}

enum MHD_Result api_answer_follow_logs(struct api *api, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	struct log_stream *stream;
	enum MHD_Result result;
	const char *function;
	uint64_t after;

	if (get_arguments(api, connection, 0, &function, &after, &result) < 0)
		return result;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return api_send_json(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	*stream = (struct log_stream){
		.wait = {.api = api, .connection = connection},
		.next = api->log_streams,
		.function = strdup(function),
		.number = after,
	};
	api->log_streams = stream;
	response = stream->function ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096,
					      read_stream, stream, stream_free)
				    : NULL;
	if (!response)
		stream_free(stream);
	return api_queue(api, connection, MHD_HTTP_OK, "application/x-ndjson", response);
}

void api_logs_added(struct api *api, const char *function)
{
	for (struct log_stream *stream = api->log_streams; stream; stream = stream->next)
		if (!function || strcmp(stream->function, function) == 0)
			api_wait_end(&stream->wait);
}
