/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_API_INTERNAL_H
#define SERVER_API_INTERNAL_H

/*
 * What the files of the API share. A request goes api.c (connection, route) -> api_views.c (what is
 * small enough to be answered in one piece), api_alerts.c (streams), or api_calls.c (what the
 * server carries out) and api_code.c (uploads). api_socket.c has the socket file.
 */

#include "server/api.h"
#include "server/http_daemon.h"
#include "store/store.h"

#include <jansson.h>
#include <microhttpd.h>

#define API_CONNECTIONS_MAX 64

struct alert_stream;
struct code_room;
struct log_stream;

struct api {
	const struct api_ops *ops;
	void *user;
	struct loop *loop;
	struct http_daemon http;
	struct store *store; /* read only */
	char *socket_path;
	int listen_fd; /* -1 once the daemon has it */
	bool closing;
	struct alert_stream *streams; /* those under way */
	struct log_rings *logs;       /* borrowed */
	struct log_stream *log_streams;
	struct api_request *requests; /* those with a body */
	struct code_room *code;       /* NULL: no code is taken */
	const char *allowed;          /* methods, where one is refused */
	uint64_t responses[6];        /* by the first digit of the status code */
};

/* Makes a socket that listens on `path`: as of api_new(). */
int api_listen(const char *path, int *ret_fd, char **ret_error) _must_check_;

/* Each answers a GET. */
enum MHD_Result api_answer_health(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_metrics(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_status(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_switches(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_functions(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_dead_letters(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_alerts(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_follow(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_state(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_logs(struct api *api, struct MHD_Connection *connection);
enum MHD_Result api_answer_follow_logs(struct api *api, struct MHD_Connection *connection);

/* Sends `text`, which it takes (malloc). NULL is sent as 500, out of memory. */
enum MHD_Result api_send(struct api *api, struct MHD_Connection *connection, unsigned int code,
	const char *content_type, char *text, size_t len);

/* Takes `object`; NULL as above. */
enum MHD_Result api_send_json(
	struct api *api, struct MHD_Connection *connection, unsigned int code, json_t *object);

/* {"error": "..."} */
enum MHD_Result api_send_error(struct api *api, struct MHD_Connection *connection,
	unsigned int code, const char *fmt, ...) _printf_(4, 5);

/* Adds the headers that all responses have, counts, queues and releases `response`. */
enum MHD_Result api_queue(struct api *api, struct MHD_Connection *connection, unsigned int code,
	const char *content_type, struct MHD_Response *response);

/*
 * A query argument that is a number, from `min` on up to `max`; `fallback` where there is none.
 * 0, or -EINVAL.
 */
struct api_number {
	const char *name;
	uint64_t min, max, fallback;
};
int api_get_number(struct MHD_Connection *connection, const struct api_number *number,
	uint64_t *ret_value) _must_check_;

const char *api_get_text(struct MHD_Connection *connection, const char *name);

/*
 * A request of one of the verbs, or an upload: `answer` of the daemon from the first to the last
 * call. False: the path is none of theirs.
 */
bool api_request_begin(struct api *api, struct MHD_Connection *connection, const char *url,
	const char *method, void **ret_request, enum MHD_Result *ret_result);
enum MHD_Result api_request_go_on(struct api_request *request, const char *bytes, size_t *size);
void api_request_free(struct api_request *request);
/* Answers those that are under way: the server ends. */
void api_requests_end(struct api *api);

/* The request's answer is there. Takes `answer`. */
void api_request_answer(struct api_request *request, unsigned int code, json_t *answer);
void api_request_refuse(struct api_request *request, unsigned int code, const char *fmt, ...)
	_printf_(3, 4);

/* ---- code (api_code.c) ---- */

struct upload;

int code_room_new(struct api *api, const struct api_options *options, struct code_room **ret_room,
	char **ret_error) _must_check_;
void code_room_free(struct code_room *room);

#define CODE_BYTES_MAX (64U << 20) /* of an archive */

/* 0; -EBUSY: too many are under way; another negative errno. */
int upload_new(struct code_room *room, struct api_request *request,
	struct upload **ret_upload) _must_check_;
/* 0; -EFBIG; another negative errno. */
int upload_write(struct upload *upload, const char *bytes, size_t size) _must_check_;
/* All of it came. Answers the request, later. */
void upload_finish(struct upload *upload);
void upload_free(struct upload *upload);

/* Resident memory of a process; 0: it cannot be told. */
uint64_t api_process_memory(int pid);

void api_put_process_metrics(const struct api *api, struct metrics *metrics);

/* As http_daemon_run_soon(). */
void api_run_soon(struct api *api);

/* Ends the streams that wait for alerts, so that the daemon can be stopped. */
void api_streams_end(struct api *api);
size_t api_streams_count(const struct api *api);

#endif
