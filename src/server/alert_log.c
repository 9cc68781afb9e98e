// SPDX-License-Identifier: BSD-2-Clause
#include "server/alert_log.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "server/api_json.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct alert_log {
	char *path;
	int fd;
	/* A write was cut short, so the file ends in the middle of a line. */
	bool torn;
	struct alert_log_stats stats;
};

/* ---- the object ---- */

#define EVE_TIME_MAX 48

/* As Suricata writes it: "2026-11-23T07:32:59.123456+0000". */
static void eve_time(uint64_t ns, char text[static EVE_TIME_MAX])
{
	time_t seconds = (time_t)(ns / NS_PER_SEC);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(text, EVE_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, EVE_TIME_MAX - len, ".%06u+0000",
		(unsigned int)(ns % NS_PER_SEC / NS_PER_US));
}

static int eve_severity(const char *severity)
{
	if (strcmp(severity, "critical") == 0 || strcmp(severity, "high") == 0)
		return 1;
	return strcmp(severity, "medium") == 0 ? 2 : 3;
}

/* Names as EVE has them; a number where it has none that we would have to know. */
static json_t *eve_protocol(int protocol)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{IPPROTO_ICMP, "ICMP"},
		{IPPROTO_TCP, "TCP"},
		{IPPROTO_UDP, "UDP"},
		{IPPROTO_ICMPV6, "IPv6-ICMP"},
		{IPPROTO_SCTP, "SCTP"},
	};
	char text[12];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == protocol)
			return json_string(names[i].name);
	snprintf(text, sizeof(text), "%d", protocol);
	return json_string(text);
}

static void put_flow(json_t **eve, const struct alert *alert)
{
	if (alert->srcip)
		json_put(eve, "src_ip", json_text(alert->srcip));
	if (alert->srcport >= 0)
		json_put(eve, "src_port", json_integer(alert->srcport));
	if (alert->dstip)
		json_put(eve, "dest_ip", json_text(alert->dstip));
	if (alert->dstport >= 0)
		json_put(eve, "dest_port", json_integer(alert->dstport));
	if (alert->protocol >= 0)
		json_put(eve, "proto", eve_protocol(alert->protocol));
}

static json_t *make_alert_part(const struct alert *alert)
{
	json_t *part = json_object();

	json_put(&part, "signature", json_text(alert->title));
	json_put(&part, "category", json_text(alert->category ? alert->category : ""));
	json_put(&part, "severity", json_integer(eve_severity(alert->severity)));
	return part;
}

/* What EVE has no field for. */
static json_t *make_own_part(const char *function, const struct alert *alert)
{
	json_t *part = json_object();
	char id[sizeof(alert->id) + 1];

	snprintf(id, sizeof(id), "%.*s", (int)sizeof(alert->id), alert->id);
	json_put(&part, "id", json_text(id));
	json_put(&part, "function", json_text(function));
	json_put(&part, "switch", json_integer(alert->switch_id));
	json_put(&part, "event_id", json_integer(alert->event_id));
	json_put(&part, "severity", json_text(alert->severity));
	if (alert->data)
		json_put(&part, "data", json_embed(alert->data));
	return part;
}

json_t *alert_to_eve(const char *function, const struct alert *alert)
{
	json_t *eve = json_object();
	char time[EVE_TIME_MAX];

	eve_time(alert->time_ns > 0 ? alert->time_ns : alert->raised_ns, time);
	json_put(&eve, "timestamp", json_string(time));
	json_put(&eve, "event_type", json_string("alert"));
	put_flow(&eve, alert);
	json_put(&eve, "alert", make_alert_part(alert));
	json_put(&eve, "netlambda", make_own_part(function, alert));
	return eve;
}

/* ---- the file ---- */

static int open_file(const char *path)
{
	/* O_NONBLOCK: a FIFO without a reader is an error now, not a wait. */
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

int alert_log_open(const char *path, struct alert_log **ret_log)
{
	_cleanup_free_ struct alert_log *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	log->fd = open_file(path);
	if (log->fd < 0)
		return log->fd;
	log->path = strdup(path);
	if (!log->path) {
		close(log->fd);
		return -ENOMEM;
	}
	*ret_log = TAKE_PTR(log);
	return 0;
}

void alert_log_close(struct alert_log *log)
{
	if (!log)
		return;
	close(log->fd);
	free(log->path);
	free(log);
}

int alert_log_reopen(struct alert_log *log)
{
	int fd = open_file(log->path);

	if (fd < 0) {
		log_error("cannot reopen the alert file, the old one stays in use: %s path=%s",
			strerror(-fd), log->path);
		return fd;
	}
	close(log->fd);
	log->fd = fd;
	log->torn = false;
	return 0;
}

/*
 * The line with its line feed, to be freed; NULL when out of memory. After a torn line it begins
 * with a line feed, so that the file is one damaged line and not two.
 */
static char *render_line(
	const char *function, const struct alert *alert, bool torn, size_t *ret_len)
{
	json_t *eve = alert_to_eve(function, alert);
	char *object, *line = NULL;
	int len = -1;

	object = eve ? json_dumps(eve, JSON_COMPACT) : NULL;
	if (object)
		len = asprintf(&line, "%s%s\n", torn ? "\n" : "", object);
	free(object);
	json_decref(eve);
	if (len < 0)
		return NULL;
	*ret_len = (size_t)len;
	return line;
}

void alert_log_write(struct alert_log *log, const char *function, const struct alert *alert)
{
	_cleanup_free_ char *line = NULL;
	size_t len = 0;
	ssize_t n = -1;
	int error = ENOMEM;

	line = render_line(function, alert, log->torn, &len);
	if (line) {
		n = write(log->fd, line, len);
		error = n < 0 ? errno : ENOSPC;
	}
	if (line && n == (ssize_t)len) {
		log->torn = false;
		log->stats.written++;
		return;
	}
	log->torn |= n > 0;
	log->stats.failed++;
	log_limited(LOG_LEVEL_ERROR,
		"cannot write to the alert file, the alert is in the database only: %s path=%s "
		"id=%.48s",
		strerror(error), log->path, alert->id);
}

void alert_log_get_stats(const struct alert_log *log, struct alert_log_stats *ret_stats)
{
	*ret_stats = log->stats;
}
