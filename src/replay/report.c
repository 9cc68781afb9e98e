// SPDX-License-Identifier: BSD-2-Clause
#include "replay/report.h"

#include "base/clock.h"
#include "event/render.h"
#include "event/schema.h"
#include "replay/columns.h"
#include "server/api_json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Events that a switch sends. */
static const uint32_t event_ids[] = {
	EVENT_PORT, EVENT_FLOW, EVENT_SOURCE, EVENT_TARGET, EVENT_INTERFACE};

/* What the capture's own shape kept from being replayed as it was, beside what the parser says. */
struct remark {
	const char *name;
	const char *text;
	uint64_t count;
};

#define REMARKS 7

static void get_remarks(const struct report *report, struct remark remarks[static REMARKS])
{
	const struct capture_counters *capture = report->capture;
	const struct remark all[REMARKS] = {
		{"cut", "cut by the snapshot length, filled up with zeros", capture->cut},
		{"late", "dated before the packet ahead of them, taken as of its time",
			capture->late},
		{"too_short", "without a whole Ethernet header, left out", capture->too_short},
		{"too_long", "too long, left out", capture->too_long + report->probe->refused},
		{"no_protocol", "of no known network protocol, left out", capture->no_protocol},
		{"flow_shed", "in no flow, the table being full (see --flows)",
			report->totals->flow_shed},
		{"port_shed", "in no port event, the table being full (see --ports)",
			report->totals->port_shed},
	};

	memcpy(remarks, all, sizeof(all));
}

/* Calls `fn` for each event and function; for an event that no function takes, with a row of zeros. */
static void each_row(const struct report *report,
	void (*fn)(const struct report *report, const struct backend_row *row, void *arg),
	void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_ids); i++) {
		bool taken = false;

		for (size_t j = 0; j < report->row_count; j++) {
			if (report->rows[j].event_id != event_ids[i])
				continue;
			fn(report, &report->rows[j], arg);
			taken = true;
		}
		if (!taken)
			fn(report, &(struct backend_row){.event_id = event_ids[i]}, arg);
	}
}

/* ---- for people ---- */

static const char *text_at(const json_t *object, const char *part, const char *key)
{
	return json_string_value(
		json_object_get(part ? json_object_get(object, part) : object, key));
}

/* To the millisecond: the period's end, mostly. */
static const char *short_time(uint64_t ns, char text[static TIME_TEXT_MAX])
{
	time_render(ns / NS_PER_MS * NS_PER_MS, text);
	strcpy(text + strlen("2026-11-23T07:32:59.123"), "Z");
	return text;
}

static const char *endpoint_text(
	const json_t *eve, const char *ip_key, const char *port_key, char *text, size_t size)
{
	const char *ip = text_at(eve, NULL, ip_key);
	const json_t *port = json_object_get(eve, port_key);

	if (!ip)
		return NULL;
	if (!port)
		return ip;
	snprintf(text, size, strchr(ip, ':') ? "[%s]:%lld" : "%s:%lld", ip,
		(long long)json_integer_value(port));
	return text;
}

static void print_alerts(const struct report *report, FILE *out)
{
	static const char *const headers[] = {
		"TIME", "SEVERITY", "FUNCTION", "ALERT", "SOURCE", "DESTINATION"};
	_cleanup_(columns_freep) struct columns *columns =
		columns_new(headers, ARRAY_SIZE(headers));

	if (report->alerts.count == 0) {
		fputs("no alerts\n", out);
		return;
	}
	for (size_t i = 0; i < report->alerts.count; i++) {
		const struct finding *alert = &report->alerts.items[i];
		char time[TIME_TEXT_MAX], source[128], destination[128];

		columns_text(columns, short_time(alert->time_ns, time));
		columns_text(columns, text_at(alert->json, "netlambda", "severity"));
		columns_text(columns, alert->function);
		columns_text(columns, text_at(alert->json, "alert", "signature"));
		columns_text(columns,
			endpoint_text(alert->json, "src_ip", "src_port", source, sizeof(source)));
		columns_text(columns, endpoint_text(alert->json, "dest_ip", "dest_port",
					      destination, sizeof(destination)));
	}
	columns_print(columns, out);
}

static void print_dead_letters(const struct report *report, FILE *out)
{
	static const char *const headers[] = {"TIME", "FUNCTION", ">ATTEMPTS", "DEAD LETTER"};
	_cleanup_(columns_freep) struct columns *columns =
		columns_new(headers, ARRAY_SIZE(headers));

	if (report->dead_letters.count == 0)
		return;
	for (size_t i = 0; i < report->dead_letters.count; i++) {
		const struct finding *letter = &report->dead_letters.items[i];
		char time[TIME_TEXT_MAX];

		columns_text(columns, short_time(letter->time_ns, time));
		columns_text(columns, letter->function);
		columns_count(columns,
			(uint64_t)json_integer_value(json_object_get(letter->json, "attempts")));
		columns_text(columns, text_at(letter->json, NULL, "reason"));
	}
	fputc('\n', out);
	columns_print(columns, out);
}

static void add_event_row(const struct report *report, const struct backend_row *row, void *arg)
{
	const struct courier_tally *tally = courier_tally(report->courier, row->event_id);
	struct columns *columns = arg;
	char event[64];

	snprintf(event, sizeof(event), "%u %s", row->event_id, schema_builtin(row->event_id)->name);
	columns_text(columns, event);
	columns_text(columns, row->function);
	columns_count(columns, tally->events);
	columns_count(columns, row->alerts);
	columns_count(columns, row->dead_letters);
	columns_count(columns, tally->packets);
	if (row->event_id == EVENT_PORT)
		columns_text(columns, NULL);
	else
		columns_count(columns, tally->bytes);
}

static void print_events(const struct report *report, FILE *out)
{
	static const char *const headers[] = {
		"EVENT", "FUNCTION", ">EVENTS", ">ALERTS", ">DEAD LETTERS", ">PACKETS", ">BYTES"};
	_cleanup_(columns_freep) struct columns *columns =
		columns_new(headers, ARRAY_SIZE(headers));

	each_row(report, add_event_row, columns);
	fputc('\n', out);
	columns_print(columns, out);
}

static void print_not_understood(const struct report *report, FILE *out)
{
	static const char *const headers[] = {"NOT UNDERSTOOD", ">PACKETS", ">BYTES"};
	_cleanup_(columns_freep) struct columns *columns =
		columns_new(headers, ARRAY_SIZE(headers));
	bool any = false;

	for (unsigned int verdict = PARSE_OK + 1; verdict < PARSE_VERDICTS; verdict++) {
		if (report->probe->unparsed.causes[verdict].packets == 0)
			continue;
		columns_text(columns, parse_verdict_name(verdict));
		columns_count(columns, report->probe->unparsed.causes[verdict].packets);
		columns_count(columns, report->probe->unparsed.causes[verdict].bytes);
		any = true;
	}
	if (!any)
		return;
	fputc('\n', out);
	columns_print(columns, out);
}

static void print_capture(const struct report *report, FILE *out)
{
	const struct capture_counters *capture = report->capture;
	struct remark remarks[REMARKS];
	char first[TIME_TEXT_MAX];

	fprintf(out, "\n%s: %" PRIu64 " packets, %" PRIu64 " bytes, link type %s", report->file,
		capture->packets, capture->bytes, report->link_name);
	if (capture->last_ns > 0)
		fprintf(out, ", %.3f s from %s",
			(double)(capture->last_ns - capture->first_ns) / (double)NS_PER_SEC,
			short_time(capture->first_ns, first));
	fputc('\n', out);
	get_remarks(report, remarks);
	for (size_t i = 0; i < REMARKS; i++)
		if (remarks[i].count > 0)
			fprintf(out, "%" PRIu64 " packets %s\n", remarks[i].count, remarks[i].text);
	if (capture->first_late > 0)
		fprintf(out, "the first packet with such a date is number %" PRIu64 "\n",
			capture->first_late);
	if (courier_clamped(report->courier) > 0)
		fprintf(out, "%" PRIu64 " counters did not fit protocol version 1\n",
			courier_clamped(report->courier));
}

static void print_responses(const struct report *report, FILE *out)
{
	static const char *const headers[] = {"REQUEST", "STATUS", "RESPONSE"};
	_cleanup_(columns_freep) struct columns *columns =
		columns_new(headers, ARRAY_SIZE(headers));
	const json_t *request;
	size_t i;

	if (!columns || json_array_size(report->responses) == 0)
		return;
	json_array_foreach (report->requests, i, request) {
		const json_t *response = json_array_get(report->responses, i);
		const json_t *body = json_object_get(response, "body");
		_cleanup_free_ char *text = json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT);

		columns_text(columns, json_string_value(json_object_get(request, "path")));
		columns_count(
			columns, (uint64_t)json_integer_value(json_object_get(response, "status")));
		columns_text(columns, json_is_null(body) ? "-" : text);
	}
	columns_print(columns, out);
	fputc('\n', out);
}

void report_print_tables(const struct report *report, FILE *out)
{
	print_alerts(report, out);
	print_dead_letters(report, out);
	print_responses(report, out);
	if (!report->file)
		return;
	print_events(report, out);
	print_not_understood(report, out);
	print_capture(report, out);
}

/* ---- JSON ---- */

static json_t *make_capture(const struct report *report)
{
	const struct capture_counters *capture = report->capture;
	struct remark remarks[REMARKS];
	json_t *json = json_object();

	json_put(&json, "file", json_text(report->file));
	json_put(&json, "link_type", json_text(report->link_name));
	json_put(&json, "complete", json_boolean(!report->damage));
	json_put(&json, "damage", json_text(report->damage));
	json_put(&json, "packets", json_count(capture->packets));
	json_put(&json, "bytes", json_count(capture->bytes));
	json_put(&json, "first", json_time(capture->first_ns));
	json_put(&json, "last", json_time(capture->last_ns));
	get_remarks(report, remarks);
	for (size_t i = 0; i < REMARKS; i++)
		json_put(&json, remarks[i].name, json_count(remarks[i].count));
	json_put(&json, "first_late", json_count(capture->first_late));
	json_put(&json, "clamped", json_count(courier_clamped(report->courier)));
	return json;
}

static void push_event_row(const struct report *report, const struct backend_row *row, void *arg)
{
	const struct courier_tally *tally = courier_tally(report->courier, row->event_id);
	json_t *json = json_object();

	json_put(&json, "id", json_integer(row->event_id));
	json_put(&json, "name", json_text(schema_builtin(row->event_id)->name));
	json_put(&json, "function", json_text(row->function));
	json_put(&json, "events", json_count(tally->events));
	json_put(&json, "handled", json_count(row->events));
	json_put(&json, "alerts", json_count(row->alerts));
	json_put(&json, "dead_letters", json_count(row->dead_letters));
	json_put(&json, "packets", json_count(tally->packets));
	json_put(&json, "bytes",
		row->event_id == EVENT_PORT ? json_null() : json_count(tally->bytes));
	json_push(arg, json);
}

static json_t *make_not_understood(const struct report *report)
{
	json_t *array = json_array();

	for (unsigned int verdict = PARSE_OK + 1; verdict < PARSE_VERDICTS; verdict++) {
		json_t *json;

		if (report->probe->unparsed.causes[verdict].packets == 0)
			continue;
		json = json_object();
		json_put(&json, "cause", json_text(parse_verdict_name(verdict)));
		json_put(&json, "packets",
			json_count(report->probe->unparsed.causes[verdict].packets));
		json_put(&json, "bytes", json_count(report->probe->unparsed.causes[verdict].bytes));
		json_push(&array, json);
	}
	return array;
}

/* As the XDP program counted. */
static json_t *make_interface(const struct report *report)
{
	const struct interface_event *totals = report->totals;
	json_t *json = json_object();

	json_put(&json, "packets", json_count(totals->packets));
	json_put(&json, "bytes", json_count(totals->size));
	json_put(&json, "not_ip", json_count(totals->not_ip));
	json_put(&json, "malformed", json_count(totals->malformed));
	return json;
}

static json_t *make_array(const struct findings *findings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < findings->count; i++)
		json_push(&array, json_incref(findings->items[i].json));
	return array;
}

int report_print_json(const struct report *report, FILE *out)
{
	json_t *root = json_object(), *events = json_array();
	int r = -ENOMEM;

	each_row(report, push_event_row, &events);
	json_put(&root, "capture", make_capture(report));
	json_put(&root, "alerts", make_array(&report->alerts));
	json_put(&root, "dead_letters", make_array(&report->dead_letters));
	if (report->responses)
		json_put(&root, "responses", json_deep_copy(report->responses));
	json_put(&root, "events", events);
	json_put(&root, "not_understood", make_not_understood(report));
	json_put(&root, "interface", make_interface(report));
	if (root) {
		/* What cannot be written shows in the stream's error indicator. */
		(void)json_dumpf(root, out, JSON_INDENT(2));
		fputc('\n', out);
		r = 0;
	}
	json_decref(root);
	return r;
}
