// SPDX-License-Identifier: BSD-2-Clause
/* port-scan.js in C: the same settings, the same state, the same alerts. */
#include <netlambda/function.h>

#define SCAN   "Detection of a Network Scan"
#define DENIAL "Attempted Denial of Service"

lambda_handler port_scan;
lambda_init_handler port_scan_init;

static struct {
	uint64_t window, refused_window, flood_window, hold_down;
	double tcp_ports, udp_ports, hosts, refused_ports, half_open, syn, burst;
} settings;

int port_scan_init(struct lambda_context *context)
{
	settings.window = lambda_config_length(context, "window", 30 * LAMBDA_SECOND);
	settings.tcp_ports = lambda_config_number(context, "tcpPorts", 20);
	settings.udp_ports = lambda_config_number(context, "udpPorts", 10);
	settings.hosts = lambda_config_number(context, "hosts", 300);
	settings.refused_ports = lambda_config_number(context, "refused.ports", 10);
	settings.refused_window =
		lambda_config_length(context, "refused.window", 5 * LAMBDA_MINUTE);
	settings.half_open = lambda_config_number(context, "flood.halfOpen", 1000);
	settings.syn = lambda_config_number(context, "flood.syn", 20000);
	settings.flood_window = lambda_config_length(context, "flood.window", 5 * LAMBDA_SECOND);
	settings.burst = lambda_config_number(context, "flood.burst", 5);
	settings.hold_down = lambda_config_length(context, "holdDown", 5 * LAMBDA_MINUTE);
	return 0;
}

static void raise_alert(
	struct lambda_context *context, const char *title, struct lambda_alert alert)
{
	alert.title = title;
	if (lambda_once(context, title, settings.hold_down))
		lambda_alert(context, &alert);
}

static void raise_scan(
	struct lambda_context *context, const char *title, const char *what, double count)
{
	raise_alert(context, title,
		(struct lambda_alert){.severity = "medium",
			.category = SCAN,
			.dstport = LAMBDA_NONE,
			.data = lambda_format(context, "{\"%s\":%.0f}", what, count)});
}

/* To many ports of one host, or to many hosts. */
static void look_for_scan(
	struct lambda_context *context, const struct port_event *port, const char *dstip)
{
	const char *name = lambda_format(context, "tcp %s", dstip);
	double ports = lambda_distinct_add_number(context, name, settings.window, 0, port->dstport);
	double hosts = lambda_distinct_add_ip(
		context, "hosts", settings.window, (unsigned int)settings.hosts + 1, &port->dstip);

	if (ports > settings.tcp_ports)
		raise_scan(context, "TCP SYN scan", "ports", ports);
	else if (hosts > settings.hosts)
		raise_alert(context, "TCP SYN scan",
			(struct lambda_alert){.severity = "medium",
				.category = SCAN,
				.dstip = "",
				.data = lambda_format(context, "{\"hosts\":%.0f}", hosts)});
}

static void look_for_refusals(
	struct lambda_context *context, const struct port_event *port, const char *dstip)
{
	const char *name = lambda_format(context, "refused %s", dstip);
	double closed = lambda_distinct_add_number(
		context, name, settings.refused_window, 0, port->dstport);

	if (closed > settings.refused_ports)
		raise_scan(context, "TCP SYN scan", "refused", closed);
}

static void look_for_udp_scan(
	struct lambda_context *context, const struct port_event *port, const char *dstip)
{
	const char *name = lambda_format(context, "udp %s", dstip);
	double ports = lambda_distinct_add_number(context, name, settings.window, 0, port->dstport);

	if (ports > settings.udp_ports)
		raise_scan(context, "UDP scan", "ports", ports);
}

static void look_for_flood(
	struct lambda_context *context, const struct port_event *port, const char *dstip)
{
	const char *service = lambda_format(context, "%s %u", dstip, port->dstport);
	double open = lambda_window_add(context, lambda_format(context, "open %s", service),
		settings.flood_window, (double)port->syn - port->completed);
	double asked = lambda_window_add(context, lambda_format(context, "syn %s", service),
		settings.flood_window, port->syn);

	if (open > settings.half_open || asked > settings.syn)
		raise_alert(context, "SYN flood suspected",
			(struct lambda_alert){.severity = "high",
				.category = DENIAL,
				.data = lambda_format(
					context, "{\"syn\":%.0f,\"halfOpen\":%.0f}", asked, open)});
}

/* State is by source. RST is not looked at: the host that is scanned sends it, too; `refused` is. */
int port_scan(const struct lambda_event *event, struct lambda_context *context)
{
	const struct port_event *port = event->port;
	const char *dstip = lambda_ip(context, &port->dstip);

	if (port->syn > 0)
		look_for_scan(context, port, dstip);
	if (port->syn > 0 && port->refused > 0)
		look_for_refusals(context, port, dstip);
	if (port->udp > 0)
		look_for_udp_scan(context, port, dstip);
	if (port->syn + port->completed >= settings.burst)
		look_for_flood(context, port, dstip);
	return 0;
}
