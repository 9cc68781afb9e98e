// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 10L
#define LINE_MAX_BYTES  (1 << 20)

struct reader {
	CURL *curl;
	char *bytes; /* NUL-terminated */
	size_t len;
	/* For lines: called while the body comes. */
	bool (*fn)(void *user, char *line);
	void *user;
	bool ended; /* by fn */
};

static void curl_cleanupp(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

#define _cleanup_curl_ _cleanup_(curl_cleanupp)

static void reader_done(struct reader *reader)
{
	free(reader->bytes);
}

#define _cleanup_reader_ _cleanup_(reader_done)

static bool hand_over_lines(struct reader *reader)
{
	char *line = reader->bytes, *end;

	while (!reader->ended && (end = memchr(line, '\n', reader->len)) != NULL) {
		*end = '\0';
		reader->ended = !reader->fn(reader->user, line);
		reader->len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(reader->bytes, line, reader->len + 1);
	return !reader->ended && reader->len < LINE_MAX_BYTES;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct reader *reader = user;
	size_t len = size * count;
	char *grown = realloc(reader->bytes, reader->len + len + 1);
	long code = 0;

	if (!grown)
		return 0;
	reader->bytes = grown;
	memcpy(grown + reader->len, bytes, len);
	reader->len += len;
	grown[reader->len] = '\0';
	if (!reader->fn)
		return len;
	/* The body of an error is kept whole, to be shown. */
	curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &code);
	return code != 200 || hand_over_lines(reader) ? len : 0;
}

/* The empty line ends the headers: the server has taken the request. */
static size_t on_header(char *bytes, size_t size, size_t count, void *user)
{
	struct reader *reader = user;
	long code = 0;

	curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &code);
	if (size * count == 2 && memcmp(bytes, "\r\n", 2) == 0 && code == 200)
		reader->ended = !reader->fn(reader->user, NULL);
	return reader->ended ? 0 : size * count;
}

static CURL *request_new(const struct cli *cli, const char *target, struct reader *reader)
{
	CURL *curl = curl_easy_init();
	_cleanup_free_ char *url = NULL;

	if (!curl || asprintf(&url, "http://netlambda%s", target) < 0) {
		curl_easy_cleanup(curl);
		url = NULL;
		return NULL;
	}
	reader->curl = curl;
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reader);
	return curl;
}

void client_explain_lost(const struct cli *cli)
{
	struct stat st;

	errno = 0;
	if (stat(cli->socket, &st) == 0 && access(cli->socket, R_OK | W_OK) < 0 && errno == EACCES)
		cli_error("no permission for %s: use sudo, or join the group that owns it "
			  "(group id %d)",
			cli->socket, (int)st.st_gid);
	else if (errno == EACCES)
		cli_error("no permission to enter the directory of %s: use sudo", cli->socket);
	else
		cli_error("no server answers at %s: is netlambda-server running? "
			  "(--socket names another path)",
			cli->socket);
}

/* The reason in the body of an error response. */
static void explain_response(const struct cli *cli, long code, const char *body)
{
	json_t *object = body ? json_loads(body, 0, NULL) : NULL;
	const char *reason = json_string_value(json_object_get(object, "error"));

	if (reason)
		cli_error("the server says: %s", reason);
	else
		cli_error("unexpected answer %ld from %s: is that netlambda-server's socket?", code,
			cli->socket);
	json_decref(object);
}

static void explain_failure(const struct cli *cli, CURLcode result)
{
	if (result == CURLE_COULDNT_CONNECT)
		client_explain_lost(cli);
	else if (result == CURLE_OPERATION_TIMEDOUT)
		cli_error("the server at %s did not answer within %ld s", cli->socket,
			TIMEOUT_SECONDS);
	else
		cli_error("%s: %s", cli->socket, curl_easy_strerror(result));
}

/* Carries a prepared request out, and takes the answer. */
static int perform(const struct cli *cli, struct reader *reader, json_t **ret_json)
{
	CURLcode result = curl_easy_perform(reader->curl);
	json_t *json = NULL;
	long code = 0;

	curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &code);
	/* An answer that came before all was sent says why. */
	if (result != CURLE_OK && code < 400) {
		explain_failure(cli, result);
		return EXIT_FAILURE;
	}
	if (code / 100 == 2 && reader->bytes)
		json = json_loadb(reader->bytes, reader->len, 0, NULL);
	if (!json) {
		explain_response(cli, code, reader->bytes);
		return EXIT_FAILURE;
	}
	*ret_json = json;
	return 0;
}

static int out_of_memory(void)
{
	cli_error("out of memory");
	return EXIT_FAILURE;
}

int client_get(const struct cli *cli, const char *target, json_t **ret_json)
{
	_cleanup_reader_ struct reader reader = {0};
	_cleanup_curl_ CURL *curl = request_new(cli, target, &reader);

	if (!curl)
		return out_of_memory();
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_SECONDS);
	return perform(cli, &reader, ret_json);
}

int client_send(const struct cli *cli, const char *method, const char *target, const json_t *body,
	json_t **ret_json)
{
	_cleanup_reader_ struct reader reader = {0};
	_cleanup_curl_ CURL *curl = request_new(cli, target, &reader);
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");

	if (!curl || !text)
		return out_of_memory();
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	return perform(cli, &reader, ret_json);
}

/* ---- uploads ---- */

struct uploading {
	int fd;
	bool shows; /* on a terminal */
	bool shown;
	uint64_t next_ns;
};

static size_t on_read(char *bytes, size_t size, size_t count, void *user)
{
	const struct uploading *uploading = user;
	ssize_t n = read(uploading->fd, bytes, size * count);

	return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

static int on_progress(void *user, curl_off_t down_total _unused_, curl_off_t down _unused_,
	curl_off_t total, curl_off_t sent)
{
	struct uploading *uploading = user;
	uint64_t now = clock_monotonic_ns();

	if (!uploading->shows || total <= 0 || now < uploading->next_ns)
		return 0;
	uploading->next_ns = now + 200 * NS_PER_MS;
	uploading->shown = true;
	fprintf(stderr, "\rsending the code: %3d %% of %.1f MB", (int)(sent * 100 / total),
		(double)total / 1e6);
	return 0;
}

int client_upload(const struct cli *cli, const char *target, int fd, json_t **ret_json)
{
	struct uploading uploading = {
		.fd = fd,
		.shows = isatty(STDERR_FILENO),
		.next_ns = clock_monotonic_ns() + NS_PER_SEC,
	};
	_cleanup_reader_ struct reader reader = {0};
	_cleanup_curl_ CURL *curl = request_new(cli, target, &reader);
	struct stat st;
	int status;

	if (!curl || fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return out_of_memory();
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)st.st_size);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(curl, CURLOPT_READDATA, &uploading);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &uploading);
	status = perform(cli, &reader, ret_json);
	if (uploading.shown)
		fputs("\r\033[K", stderr);
	return status;
}

char *client_add_argument(const char *target, const char *name, const char *value)
{
	char *escaped = value ? curl_easy_escape(NULL, value, 0) : NULL;
	char *result = NULL;

	if (!value)
		return strdup(target);
	if (escaped && asprintf(&result, "%s%c%s=%s", target, strchr(target, '?') ? '&' : '?', name,
			       escaped) < 0)
		result = NULL;
	curl_free(escaped);
	return result;
}

/* ---- following ---- */

/* Until the transfer ends, or a signal comes: then true. */
static bool run_until_signal(CURLM *multi, int signal_fd)
{
	struct curl_waitfd signals = {.fd = signal_fd, .events = CURL_WAIT_POLLIN};
	int running = 1;

	while (running > 0) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return false;
		signals.revents = 0;
		if (running > 0 && curl_multi_poll(multi, &signals, 1, 60000, NULL) != CURLM_OK)
			return false;
		if (signals.revents)
			return true;
	}
	return false;
}

enum client_end client_follow(const struct cli *cli, const char *target, int signal_fd,
	bool (*fn)(void *user, char *line), void *user)
{
	_cleanup_reader_ struct reader reader = {.fn = fn, .user = user};
	_cleanup_curl_ CURL *curl = request_new(cli, target, &reader);
	CURLM *multi = curl ? curl_multi_init() : NULL;
	bool interrupted;
	long code = 0;

	if (!multi) {
		cli_error("out of memory");
		return CLIENT_REFUSED;
	}
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reader);
	curl_multi_add_handle(multi, curl);
	interrupted = run_until_signal(multi, signal_fd);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_multi_remove_handle(multi, curl);
	curl_multi_cleanup(multi);
	if (interrupted)
		return CLIENT_INTERRUPTED;
	if (reader.ended)
		return CLIENT_REFUSED;
	if (code == 0 || code == 200)
		return CLIENT_LOST;
	explain_response(cli, code, reader.bytes);
	return CLIENT_REFUSED;
}
