// SPDX-License-Identifier: BSD-2-Clause
/* What there is to see of version 2. */
#include "base/clock.h"
#include "server/link_private.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const lane_names[V2_LANES] = {"urgent", "port", "last", "update"};

/* ---- switches ---- */

static void fill_lane(const struct client *client, const struct session_view *view, int lane,
	struct api_lane *ret_lane)
{
	const struct lane *of = &client->agent->lanes[lane];

	*ret_lane = (struct api_lane){
		.name = lane_names[lane],
		.received = view->events[lane],
		.processed = of->stream.processed,
		.waiting = of->stream.next - MIN(of->stream.next, of->stream.processed),
		.shed = view->shed[lane],
		.lost = of->lost,
	};
}

static void fill_session(const struct client *client, const struct session_view *view,
	struct api_session *ret_session)
{
	*ret_session = (struct api_session){
		.name = client->name,
		.serial = client->serial,
		.until_ns = (uint64_t)client->until_s * NS_PER_SEC,
		.opened_ns = client->number != 0 ? client->opened_ns : 0,
		.cipher = v2_cipher_name(client->cipher),
		.connected =
			control_server_connected(client->link->control, client->agent->switch_id),
		.validated = view->validated,
		.epoch = client->agent->epoch,
		.since_ns = client->agent->since_ns,
		.datagram_bytes = view->datagram_bytes,
		.datagrams = view->datagrams,
		.refused = view->refused,
		.path_changes = view->path_changes,
		.sessions = client->sessions,
		.takeovers = client->takeovers,
	};
	for (int lane = 0; lane < V2_LANES; lane++)
		fill_lane(client, view, lane, &ret_session->lanes[lane]);
}

static uint64_t sum_lanes(const uint64_t values[static V2_LANES])
{
	uint64_t sum = 0;

	for (int lane = 0; lane < V2_LANES; lane++)
		sum += values[lane];
	return sum;
}

static void show_client(const struct client *client, api_switch_fn fn, void *arg)
{
	struct interface_sums sums = interface_table_sum(&client->interfaces);
	char address[ENDPOINT_TEXT_MAX] = "";
	struct api_session session;
	struct session_view view;
	struct api_switch item = {
		.id = client->agent->switch_id,
		.session = &session,
		.address = address,
		.first_seen_ns = client->first_seen_ns,
		.restarts = client->agent->epoch > 0 ? client->agent->epoch - 1 : 0,
		.packets = sums.packets,
		.bytes = sums.bytes,
		.shed = sums.shed,
	};

	session_get_view(client->session, &view);
	fill_session(client, &view, &session);
	item.last_seen_ns = MAX(client->last_seen_ns, view.heard_ns);
	item.events = sum_lanes(view.events);
	item.duplicates = view.duplicates;
	if (view.address.len > 0)
		endpoint_render(&view.address, address);
	else if (client->control_address.len > 0)
		endpoint_render(&client->control_address, address);
	fn(arg, &item);
}

/* One that was not heard of since the server started. */
static void show_agent(const struct agent *agent, api_switch_fn fn, void *arg)
{
	struct api_session session = {
		.name = "", .serial = "", .epoch = agent->epoch, .since_ns = agent->since_ns};
	const struct api_switch item = {
		.id = agent->switch_id,
		.session = &session,
		.address = "",
		.restarts = agent->epoch > 0 ? agent->epoch - 1 : 0,
	};

	for (int lane = 0; lane < V2_LANES; lane++)
		session.lanes[lane] = (struct api_lane){
			.name = lane_names[lane], .processed = agent->lanes[lane].stream.processed};
	fn(arg, &item);
}

void link_each_switch(struct link *link, api_switch_fn fn, void *arg)
{
	for (size_t i = 0; i < agents_count(link->agents); i++) {
		const struct agent *agent = agents_at(link->agents, i);

		if (agent->user)
			show_client(agent->user, fn, arg);
		else
			show_agent(agent, fn, arg);
	}
}

/* ---- totals ---- */

int link_error(const struct link *link)
{
	int r = 0;

	for (unsigned int i = 0; i < link->worker_count && r == 0; i++)
		r = receive_worker_error(link->workers[i]);
	return r;
}

static void sum_workers(const struct link *link, struct receive_worker_stats *ret_sum)
{
	*ret_sum = (struct receive_worker_stats){0};
	for (unsigned int i = 0; i < link->worker_count; i++) {
		struct receive_worker_stats stats;

		receive_worker_get_stats(link->workers[i], &stats);
		ret_sum->datagrams += stats.datagrams;
		ret_sum->version1 += stats.version1;
		ret_sum->simulated_drops += stats.simulated_drops;
		ret_sum->no_room += stats.no_room;
		for (int error = 0; error < V2_ERROR_COUNT; error++)
			ret_sum->errors[error] += stats.errors[error];
		for (int class = 0; class < 2; class ++)
			ret_sum->events[class] += stats.events[class];
	}
}

void link_get_totals(struct link *link, struct link_totals *ret_totals)
{
	struct receive_worker_stats sum;

	sum_workers(link, &sum);
	*ret_totals = (struct link_totals){
		.datagrams = sum.datagrams,
		.malformed = sum.version1,
		.version1 = sum.version1,
		.simulated_drops = sum.simulated_drops,
		.events = {sum.events[0], sum.events[1]},
		.shed = sum.no_room,
	};
	for (int error = V2_OK + 1; error < V2_ERROR_COUNT; error++)
		ret_totals->malformed += sum.errors[error];
	for (size_t i = 0; i < agents_count(link->agents); i++)
		for (int lane = 0; lane < V2_LANES; lane++) {
			const struct lane *of = &agents_at(link->agents, i)->lanes[lane];

			ret_totals->shed += of->stream.shed;
			ret_totals->unrouted += of->unrouted;
		}
}

/* ---- metrics ---- */

struct worker_metric {
	const char *name, *help;
	enum metric_type type;
	size_t offset; /* of a uint64_t in struct receive_worker_stats */
};

static const struct worker_metric worker_metrics[] = {
#define COUNTER(field) METRIC_COUNTER, offsetof(struct receive_worker_stats, field)
	{"netlambda_link_datagrams_total", "Datagrams that came to a receive worker.",
		COUNTER(datagrams)},
	{"netlambda_link_bytes_total", "Their UDP payload, in bytes.", COUNTER(bytes)},
	{"netlambda_link_answers_total", "Datagrams sent to agents.", COUNTER(answers)},
	{"netlambda_link_answer_failures_total", "Answers that the system would not send.",
		COUNTER(answer_failures)},
	{"netlambda_link_version1_refused_total", "Datagrams of protocol version 1, which is off.",
		COUNTER(version1)},
	{"netlambda_link_no_room_total",
		"Updates lost since the control thread was too slow for them.", COUNTER(no_room)},
	{"netlambda_link_receive_failures_total", "System calls for receiving that failed.",
		COUNTER(receive_failures)},
	{"netlambda_link_socket_drops_total", "Datagrams that found the socket's buffer full.",
		COUNTER(socket_drops)},
#undef COUNTER
};

static void write_worker_metric(struct metrics *m, const struct worker_metric *metric,
	const struct receive_worker_stats *stats, unsigned int count)
{
	metrics_family(m, metric->name, metric->type, metric->help);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t value;
		char worker[8];

		memcpy(&value, (const char *)&stats[i] + metric->offset, sizeof(value));
		snprintf(worker, sizeof(worker), "%u", i % 1000);
		metrics_sample(m, (const struct metric_label[]){{"worker", worker}, {0}}, value);
	}
}

static void write_errors(struct metrics *m, const struct receive_worker_stats *sum)
{
	metrics_family(m, "netlambda_link_refused_total", METRIC_COUNTER,
		"Datagrams that were not taken, by cause.");
	for (int error = V2_OK + 1; error < V2_ERROR_COUNT; error++)
		metrics_sample(m,
			(const struct metric_label[]){
				{"cause", v2_error_name((enum v2_error)error)}, {0}},
			sum->errors[error]);
}

static void write_workers(struct metrics *m, const struct link *link)
{
	struct receive_worker_stats stats[RECEIVE_WORKERS_MAX], sum;
	char worker[8];

	for (unsigned int i = 0; i < link->worker_count; i++)
		receive_worker_get_stats(link->workers[i], &stats[i]);
	for (size_t i = 0; i < ARRAY_SIZE(worker_metrics); i++)
		write_worker_metric(m, &worker_metrics[i], stats, link->worker_count);
	metrics_family(m, "netlambda_link_worker_seconds_total", METRIC_COUNTER,
		"CPU time of a receive worker.");
	for (unsigned int i = 0; i < link->worker_count; i++) {
		snprintf(worker, sizeof(worker), "%u", i % 1000);
		metrics_sample_seconds(m, (const struct metric_label[]){{"worker", worker}, {0}},
			stats[i].busy_ns);
	}
	sum_workers(link, &sum);
	write_errors(m, &sum);
}

static void write_away(struct metrics *m, const struct tls_server_stats *stats)
{
	metrics_family(m, "netlambda_control_turned_away_total", METRIC_COUNTER,
		"Connections closed at once, before anything was known but the address, by what "
		"there was too much of.");
	for (int excess = EXCESS_NONE + 1; excess < EXCESS_COUNT; excess++)
		metrics_sample(m,
			(const struct metric_label[]){
				{"cause", connection_excess_name((enum connection_excess)excess)},
				{0}},
			stats->away[excess]);
}

static void write_control(struct metrics *m, const struct link *link)
{
	struct control_server_stats stats = {0};

	if (link->control)
		control_server_stats(link->control, &stats);
	metrics_single(
		m, "netlambda_link_sessions", METRIC_GAUGE, "Sessions that live.", stats.sessions);
	metrics_single(m, "netlambda_link_sessions_alone", METRIC_GAUGE,
		"Of these, sessions whose control connection is gone.", stats.sessions_alone);
	metrics_single(m, "netlambda_link_sessions_opened_total", METRIC_COUNTER,
		"Sessions opened.", stats.welcomed);
	metrics_single(m, "netlambda_control_connections", METRIC_GAUGE,
		"Control connections of agents that are believed.", stats.tls.channels);
	metrics_single(m, "netlambda_control_handshakes", METRIC_GAUGE,
		"Connections whose handshake is under way.", stats.tls.handshakes);
	metrics_single(m, "netlambda_control_accepted_total", METRIC_COUNTER,
		"TCP connections taken.", stats.tls.accepted);
	metrics_single(m, "netlambda_control_opened_total", METRIC_COUNTER,
		"Of these, agents that were believed.", stats.tls.opened);
	metrics_family(m, "netlambda_control_ended_total", METRIC_COUNTER,
		"Connections that ended, also before they were believed, by cause.");
	for (int end = TLS_END_NONE + 1; end < TLS_ENDS; end++)
		metrics_sample(m,
			(const struct metric_label[]){
				{"cause", tls_end_name((enum tls_end)end)}, {0}},
			stats.tls.ends[end]);
	write_away(m, &stats.tls);
	metrics_single(m, "netlambda_control_accept_failures_total", METRIC_COUNTER,
		"Connections that could not be taken, for want of descriptors or memory.",
		stats.tls.accept_failures);
	metrics_single(m, "netlambda_control_bad_messages_total", METRIC_COUNTER,
		"Messages of believed agents that were not understood.", stats.bad_messages);
	metrics_single(m, "netlambda_control_refused_total", METRIC_COUNTER,
		"Agents that were believed and refused: other version, other layouts of records, "
		"or stale.",
		stats.refused);
	metrics_family(m, "netlambda_control_put_off_total", METRIC_COUNTER,
		"What agents asked for too often, and have to wait for: sessions (hello), and new "
		"incarnations (restart).");
	metrics_sample(
		m, (const struct metric_label[]){{"what", "hello"}, {0}}, link->hellos_put_off);
	metrics_sample(m, (const struct metric_label[]){{"what", "restart"}, {0}},
		agents_put_off(link->agents));
}

void link_write_metrics(struct link *link, struct metrics *metrics)
{
	write_workers(metrics, link);
	write_control(metrics, link);
}
