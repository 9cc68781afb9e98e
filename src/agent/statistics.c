// SPDX-License-Identifier: BSD-2-Clause
#include "agent/statistics.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "netlambda_agent_"

static void add_totals(struct interface_event *sum, const struct interface_event *totals)
{
	sum->packets += totals->packets;
	sum->size += totals->size;
	sum->not_ip += totals->not_ip;
	sum->malformed += totals->malformed;
	sum->flow_shed += totals->flow_shed;
	sum->port_shed += totals->port_shed;
}

void statistics_collect(const struct counting *counting, const struct spool *spool,
	const struct uplink *uplink, struct statistics *ret_statistics)
{
	struct slots *slots = counting_slots(counting);
	struct statistics statistics = {0};

	counting_get_stats(counting, &statistics.counting);
	uplink_get_stats(uplink, &statistics.uplink);
	for (int i = 0; i < SPOOL_CLASSES; i++) {
		statistics.spool[i].pushed = spool_pushed(spool, i);
		statistics.spool[i].shed = spool_shed(spool, i);
		statistics.spool[i].waiting = spool_count(spool, i) + uplink_outstanding(uplink, i);
		statistics.spool[i].resumed = spool_resumed(spool, i);
		statistics.spool[i].predecessor_lost = spool_predecessor_lost(spool, i);
	}
	slots_get_stats(slots, &statistics.slots);
	slots_read_past(slots, &statistics.totals);
	for (unsigned int slot = 0; slot < slots_count(slots); slot++) {
		struct interface_event totals;

		if (slots_read(slots, slot, &totals) == 0)
			add_totals(&statistics.totals, &totals);
	}
	*ret_statistics = statistics;
}

/* ---- Prometheus ---- */

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void write_plain(
	FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	write_head(out, name, type, help);
	fprintf(out, PREFIX "%s %" PRIu64 "\n", name, value);
}

static const struct {
	const char *name;
	const char *help;
	size_t offset;
} interface_metrics[] = {
	{"packets_total", "Packets received", offsetof(struct interface_event, packets)},
	{"bytes_total", "Bytes received, Ethernet header included",
		offsetof(struct interface_event, size)},
	{"not_ip_total", "Packets that are neither IPv4 nor IPv6",
		offsetof(struct interface_event, not_ip)},
	{"malformed_total", "Packets whose headers do not hold together",
		offsetof(struct interface_event, malformed)},
	{"flow_shed_total", "Packets in no flow record, there being no place for one",
		offsetof(struct interface_event, flow_shed)},
	{"port_shed_total", "Port counts that were given up, likewise",
		offsetof(struct interface_event, port_shed)},
};

static void write_interface_metric(FILE *out, struct slots *slots, unsigned int slot, size_t metric)
{
	struct interface_event totals;
	struct slot_info info;
	uint64_t value;

	if (!slots_get(slots, slot, &info) || slots_read(slots, slot, &totals) < 0)
		return;
	memcpy(&value, (const char *)&totals + interface_metrics[metric].offset, sizeof(value));
	fprintf(out, PREFIX "%s{interface=\"%s\",mode=\"%s\"} %" PRIu64 "\n",
		interface_metrics[metric].name, info.name, attach_mode_name(info.mode), value);
}

/* Of each interface those causes that there were: a metric of 22 zeros an interface helps nobody. */
static void write_causes(FILE *out, struct slots *slots, unsigned int slot, bool bytes)
{
	struct unparsed unparsed;
	struct slot_info info;

	if (!slots_get(slots, slot, &info) || slots_read_unparsed(slots, slot, &unparsed) < 0)
		return;
	for (unsigned int cause = 0; cause < PARSE_VERDICTS; cause++)
		if (unparsed.causes[cause].packets > 0)
			fprintf(out,
				PREFIX "unparsed_%s_total{interface=\"%s\",mode=\"%s\","
				       "cause=\"%s\"} %" PRIu64 "\n",
				bytes ? "bytes" : "packets", info.name, attach_mode_name(info.mode),
				parse_verdict_name(cause),
				bytes ? unparsed.causes[cause].bytes
				      : unparsed.causes[cause].packets);
}

static void write_unparsed(FILE *out, struct slots *slots)
{
	write_head(out, "unparsed_packets_total", "counter",
		"Packets without a key, so in the interface's totals only, by cause");
	for (unsigned int slot = 0; slot < slots_count(slots); slot++)
		write_causes(out, slots, slot, false);
	write_head(out, "unparsed_bytes_total", "counter", "Their bytes");
	for (unsigned int slot = 0; slot < slots_count(slots); slot++)
		write_causes(out, slots, slot, true);
}

static void write_attached(FILE *out, struct slots *slots)
{
	struct slot_info info;

	write_head(out, "interface_attached", "gauge",
		"1: packets are counted there; 0: the interface is gone");
	for (unsigned int slot = 0; slot < slots_count(slots); slot++)
		if (slots_get(slots, slot, &info))
			fprintf(out, PREFIX "interface_attached{interface=\"%s\",mode=\"%s\"} %d\n",
				info.name, attach_mode_name(info.mode), info.attached);
}

static void write_interfaces(FILE *out, const struct statistics *statistics, struct slots *slots)
{
	for (size_t i = 0; i < ARRAY_SIZE(interface_metrics); i++) {
		write_head(out, interface_metrics[i].name, "counter", interface_metrics[i].help);
		for (unsigned int slot = 0; slot < slots_count(slots); slot++)
			write_interface_metric(out, slots, slot, i);
	}
	write_unparsed(out, slots);
	write_attached(out, slots);
	write_plain(out, "interfaces_attached", "gauge", "Interfaces that are counted on",
		statistics->slots.attached);
	write_plain(out, "interfaces_generic", "gauge",
		"Interfaces in generic mode, which costs more: alarm if it is not what you chose",
		statistics->slots.generic);
	write_plain(out, "interfaces_missing", "gauge",
		"Interfaces asked for that are not there, or that cannot be attached to",
		statistics->slots.missing);
	write_plain(out, "interfaces_pinned", "gauge",
		"Interfaces whose link and counters outlive the agent", statistics->slots.pinned);
	write_plain(out, "interfaces_resumed", "gauge",
		"Interfaces that an earlier agent counted on till this one came",
		statistics->slots.resumed);
	write_plain(out, "interface_changes_total", "counter", "Interfaces attached to or lost",
		statistics->slots.changes);
}

static void write_classes(
	FILE *out, const char *name, const char *type, const char *help, const uint64_t *values)
{
	write_head(out, name, type, help);
	for (int i = 0; i < SPOOL_CLASSES; i++)
		fprintf(out, PREFIX "%s{class=\"%s\"} %" PRIu64 "\n", name, spool_class_name(i),
			values[i]);
}

static void write_spool(FILE *out, const struct statistics *statistics)
{
	uint64_t pushed[SPOOL_CLASSES], shed[SPOOL_CLASSES], waiting[SPOOL_CLASSES];
	uint64_t resumed[SPOOL_CLASSES], lost[SPOOL_CLASSES];

	for (int i = 0; i < SPOOL_CLASSES; i++) {
		pushed[i] = statistics->spool[i].pushed;
		shed[i] = statistics->spool[i].shed;
		waiting[i] = statistics->spool[i].waiting;
		resumed[i] = statistics->spool[i].resumed;
		lost[i] = statistics->spool[i].predecessor_lost;
	}
	write_classes(out, "events_total", "counter", "Events taken into the spool", pushed);
	write_classes(
		out, "events_shed_total", "counter", "Events given up, the spool being full", shed);
	write_classes(
		out, "events_waiting", "gauge", "Events not sent or not answered yet", waiting);
	write_classes(out, "events_sent_total", "counter",
		"Events sent; of acknowledged classes, answered", statistics->uplink.sent);
	write_classes(out, "events_lost_total", "counter",
		"Events that could not be sent and will not be again", statistics->uplink.lost);
	write_classes(out, "events_resumed_total", "counter",
		"Events that the agent before left in its journal, and that this one goes on with",
		resumed);
	write_classes(out, "predecessor_lost_events", "gauge",
		"Events that it may have sent and that this one cannot, or that cannot be read: at "
		"most so many",
		lost);
}

static void write_fanout(FILE *out, const struct counting *counting)
{
	struct fanout_counters counters;

	if (!counting_read_fanout(counting, &counters))
		return;
	write_plain(out, "source_shed_total", "counter",
		"Packets in no source's record, the table being full", counters.source_shed);
	write_plain(out, "target_shed_total", "counter",
		"Packets in no target's record, the table being full", counters.target_shed);
	write_plain(out, "alarms_put_off_total", "counter",
		"Alarms that came later, the ring being full", counters.put_off);
}

static void write_version1(FILE *out, const struct uplink_stats *uplink)
{
	write_plain(out, "stale_acks_total", "counter", "Answers to what was not outstanding",
		uplink->stale_acks);
	write_plain(out, "strange_datagrams_total", "counter", "Datagrams that are no answer",
		uplink->strange);
	write_plain(out, "clamped_total", "counter", "Counters too large for their field",
		uplink->clamped);
}

static void write_lanes(FILE *out, const struct uplink_session *session)
{
	static const char *const names[V2_LANES] = {"urgent", "port", "last", "update"};
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} metrics[] = {
#define LANE(field) offsetof(__typeof__(session->lanes[0]), field)
		{"lane_waiting", "gauge", "Events of a lane that are not processed yet",
			LANE(waiting)},
		{"lane_shed_total", "counter", "Events of a lane that are declared as given up",
			LANE(shed)},
#undef LANE
	};

	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		write_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		for (int lane = 0; lane < V2_LANES; lane++) {
			uint64_t value;

			memcpy(&value, (const char *)&session->lanes[lane] + metrics[i].offset,
				sizeof(value));
			fprintf(out, PREFIX "%s{lane=\"%s\"} %" PRIu64 "\n", metrics[i].name,
				names[lane], value);
		}
	}
}

static void write_session(FILE *out, const struct uplink_session *session)
{
	write_plain(out, "connected", "gauge", "Whether the control connection is up",
		session->connected);
	write_plain(out, "session_open", "gauge", "Whether there is a session", session->open);
	write_plain(out, "epoch", "gauge",
		"Which of this switch's agents the server takes this for; 0: not said yet",
		session->epoch);
	write_plain(out, "connects_total", "counter", "Control connections that came up",
		session->connects);
	write_plain(out, "connect_failures_total", "counter", "Attempts to connect that failed",
		session->connect_failures);
	write_plain(out, "sessions_total", "counter", "Sessions opened", session->sessions);
	write_plain(out, "restarts_total", "counter",
		"Times that the server had all this agent held given up", session->restarts);
	write_plain(out, "abandoned_total", "counter", "Events lost by that", session->abandoned);
	write_plain(out, "packets_lost_total", "counter", "Datagrams taken for lost",
		session->packets_lost);
	write_plain(out, "packets_spurious_total", "counter", "Of these, that arrived after all",
		session->spurious);
	write_plain(out, "probe_timeouts_total", "counter", "Times that no answer came in time",
		session->probe_timeouts);
	write_plain(out, "black_holes_total", "counter",
		"Times that the path did not carry large datagrams any more", session->black_holes);
	write_plain(out, "answers_refused_total", "counter",
		"Datagrams of the server's that were not taken", session->refused);
	write_plain(out, "datagram_bytes", "gauge", "Datagrams that the path is known to carry",
		session->datagram_bytes);
	write_plain(out, "window_bytes", "gauge", "What may fly at a time", session->window_bytes);
	write_plain(out, "flying_bytes", "gauge", "What flies now", session->flying_bytes);
	write_plain(out, "certificate_expires_timestamp_seconds", "gauge",
		"When this switch's certificate does", (uint64_t)session->certificate_until_s);
	write_lanes(out, session);
}

void statistics_write(
	const struct statistics *statistics, const struct counting *counting, FILE *out)
{
	const struct uplink_stats *uplink = &statistics->uplink;

	write_interfaces(out, statistics, counting_slots(counting));
	write_spool(out, statistics);
	write_fanout(out, counting);
	write_plain(out, "alarm_reloads_total", "counter", "Thresholds read again",
		statistics->alarm_reloads);
	write_plain(out, "alarm_reload_errors_total", "counter",
		"Files of thresholds that were wrong, and changed nothing",
		statistics->alarm_errors);
	write_plain(out, "flows", "gauge", "Flows remembered", statistics->counting.flows);
	write_plain(out, "flow_end_shed_total", "counter",
		"Flows without a last record, more having ended than --flow-events allows",
		statistics->counting.shed_flows);
	write_plain(out, "flow_end_shed_packets_total", "counter", "Their packets",
		statistics->counting.shed_packets);
	write_plain(out, "flow_end_shed_bytes_total", "counter", "Their bytes",
		statistics->counting.shed_bytes);
	write_plain(out, "periods_total", "counter", "Collections", statistics->counting.periods);
	write_plain(out, "periods_late_total", "counter",
		"Collections that took longer than the period", statistics->counting.late);
	write_plain(out, "collect_errors_total", "counter", "Collections that the kernel refused",
		statistics->counting.errors);
	write_plain(out, "predecessor_lost_packets", "gauge",
		"Packets in flows that a killed agent had taken and perhaps not sent: at most so "
		"many",
		statistics->counting.lost_packets);
	write_plain(out, "predecessor_lost_port_records", "gauge",
		"Records of event 1 that it may have sent and that this one cannot: at most so "
		"many",
		statistics->counting.lost_ports + statistics->spool[SPOOL_PORT].predecessor_lost);
	write_plain(out, "datagrams_total", "counter", "Datagrams sent", uplink->datagrams);
	write_plain(out, "resends_total", "counter",
		"Events sent again; with version 1, transactions", uplink->resends);
	write_plain(out, "send_errors_total", "counter", "Datagrams that the network refused",
		uplink->send_errors);
	if (uplink->has_session)
		write_session(out, &uplink->session);
	else
		write_version1(out, uplink);
	write_head(out, "rtt_seconds", "gauge", "The last answer's delay; 0: none came yet");
	fprintf(out, PREFIX "rtt_seconds %.9f\n", (double)uplink->rtt_ns / 1e9);
}

int statistics_write_file(
	const struct statistics *statistics, const struct counting *counting, const char *path)
{
	_cleanup_free_ char *temporary = NULL;
	FILE *out;
	int r = 0;

	if (asprintf(&temporary, "%s.tmp", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	out = fopen(temporary, "we");
	if (!out)
		return -errno;
	statistics_write(statistics, counting, out);
	if (ferror(out))
		r = -EIO;
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

/* ---- log ---- */

void statistics_log_summary(const struct statistics *statistics)
{
	uint64_t sent = 0, shed = 0, lost = 0, unsent = 0;

	for (int i = 0; i < SPOOL_CLASSES; i++) {
		sent += statistics->uplink.sent[i];
		shed += statistics->spool[i].shed;
		lost += statistics->uplink.lost[i];
		unsent += statistics->spool[i].waiting;
	}
	log_info("stopped packets=%" PRIu64 " bytes=%" PRIu64 " events_sent=%" PRIu64
		 " port=%" PRIu64 " flow_end=%" PRIu64 " shed=%" PRIu64 " lost=%" PRIu64
		 " unsent=%" PRIu64 " packets_shed=%" PRIu64 " resends=%" PRIu64,
		(uint64_t)statistics->totals.packets, (uint64_t)statistics->totals.size, sent,
		statistics->uplink.sent[SPOOL_PORT], statistics->uplink.sent[SPOOL_FLOW_END], shed,
		lost, unsent,
		(uint64_t)(statistics->totals.flow_shed + statistics->totals.port_shed),
		statistics->uplink.resends);
}

void statistics_log_losses(const struct statistics *statistics, const struct statistics *before)
{
	const struct interface_event *now = &statistics->totals, *then = &before->totals;

	for (int i = 0; i < SPOOL_CLASSES; i++) {
		uint64_t shed = statistics->spool[i].shed - before->spool[i].shed;
		uint64_t lost = statistics->uplink.lost[i] - before->uplink.lost[i];

		if (shed + lost > 0)
			log_warning("events given up class=%s shed=%" PRIu64 " lost=%" PRIu64
				    " shed_total=%" PRIu64 " lost_total=%" PRIu64,
				spool_class_name(i), shed, lost, statistics->spool[i].shed,
				statistics->uplink.lost[i]);
	}
	if (statistics->counting.shed_packets > before->counting.shed_packets)
		log_warning(
			"more flows ended than may be told of (see --flow-events) flows=%" PRIu64
			" packets=%" PRIu64,
			statistics->counting.shed_flows - before->counting.shed_flows,
			statistics->counting.shed_packets - before->counting.shed_packets);
	if (now->flow_shed > then->flow_shed || now->port_shed > then->port_shed)
		log_warning("a table was full: packets without detail (see --flows, --ports) "
			    "flow_shed=%" PRIu64 " port_shed=%" PRIu64,
			(uint64_t)(now->flow_shed - then->flow_shed),
			(uint64_t)(now->port_shed - then->port_shed));
}
