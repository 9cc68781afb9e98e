// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v1_payload.h"

#define PORT_BYTES      28
#define FLOW_BYTES      28
#define IPV6_MORE_BYTES 24 /* two addresses of 16 bytes instead of 4 */
#define PORT_MORE_BYTES 8  /* completed and refused, unless both are 0 */
#define INTERFACE_BYTES 52
#define FANOUT_BYTES    65 /* events 3 and 4 */
#define FANOUT_V6_BYTES (FANOUT_BYTES + 12)

#define PORT_NUM_MAX 0xffff
#define PROTOCOL_MAX 0xff

/* RFC 4291 2.5.5.2: what stands before the IPv4 address in a v4-mapped one. */
static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool ip_is_v4(const ip_addr *ip)
{
	return memcmp(ip->bytes, v4_mapped, sizeof(v4_mapped)) == 0;
}

bool payload_known(uint32_t event_id)
{
	return event_id >= EVENT_PORT && event_id <= EVENT_INTERFACE;
}

/* Of a size that a port payload has. */
static bool port_has_more(size_t size)
{
	return size == PORT_BYTES + PORT_MORE_BYTES ||
	       size == PORT_BYTES + IPV6_MORE_BYTES + PORT_MORE_BYTES;
}

/* Of a size that a port or flow payload has. */
static bool has_ipv6_form(size_t size)
{
	return size >= PORT_BYTES + IPV6_MORE_BYTES;
}

bool payload_has_size(uint32_t event_id, size_t size)
{
	switch (event_id) {
	case EVENT_PORT:
		size -= port_has_more(size) ? PORT_MORE_BYTES : 0;
		return size == PORT_BYTES || size == PORT_BYTES + IPV6_MORE_BYTES;
	case EVENT_FLOW:
		return size == FLOW_BYTES || size == FLOW_BYTES + IPV6_MORE_BYTES;
	case EVENT_SOURCE:
	case EVENT_TARGET:
		return size == FANOUT_BYTES || size == FANOUT_V6_BYTES;
	case EVENT_INTERFACE:
		return size == INTERFACE_BYTES;
	default:
		return false;
	}
}

/* ---- reading ---- */

static void get_ip(struct cursor *c, bool v6, ip_addr *ret_ip)
{
	if (v6) {
		cursor_get_bytes(c, ret_ip->bytes, sizeof(ret_ip->bytes));
		return;
	}
	memcpy(ret_ip->bytes, v4_mapped, sizeof(v4_mapped));
	cursor_get_bytes(c, ret_ip->bytes + sizeof(v4_mapped), 4);
}

/* Both addresses. False if they are IPv4 and yet in the IPv6 form. */
static bool get_addresses(struct cursor *c, bool v6, ip_addr *ret_src, ip_addr *ret_dst)
{
	get_ip(c, v6, ret_src);
	get_ip(c, v6, ret_dst);
	return !v6 || !ip_is_v4(ret_src) || !ip_is_v4(ret_dst);
}

static enum v1_error fanout_check(const uint8_t *bytes, size_t size)
{
	struct cursor c;
	ip_addr ip;

	cursor_read_init(&c, bytes, size);
	get_ip(&c, size == FANOUT_V6_BYTES, &ip);
	if (size == FANOUT_V6_BYTES && ip_is_v4(&ip))
		return V1_BAD_PAYLOAD;
	return bytes[size - 1] > 1 ? V1_BAD_PAYLOAD : V1_OK;
}

enum v1_error payload_check(uint32_t event_id, const uint8_t *bytes, size_t size)
{
	ip_addr src, dst;
	struct cursor c;
	uint32_t ports, protocol;

	if (event_id == EVENT_INTERFACE)
		return V1_OK;
	if (event_id == EVENT_SOURCE || event_id == EVENT_TARGET)
		return fanout_check(bytes, size);
	cursor_read_init(&c, bytes, size);
	if (!get_addresses(&c, has_ipv6_form(size), &src, &dst))
		return V1_BAD_PAYLOAD;
	ports = cursor_get_be32(&c);
	if (event_id == EVENT_PORT && ports > PORT_NUM_MAX)
		return V1_BAD_PAYLOAD;
	protocol = cursor_get_be32(&c);
	if (protocol > PROTOCOL_MAX)
		return V1_BAD_PAYLOAD;
	if (event_id != EVENT_PORT || !port_has_more(size))
		return V1_OK;
	cursor_read_init(&c, bytes + size - PORT_MORE_BYTES, PORT_MORE_BYTES);
	return cursor_get_be64(&c) == 0 ? V1_BAD_PAYLOAD : V1_OK;
}

static void get_port(struct cursor *c, size_t size, struct port_event *port)
{
	get_addresses(c, has_ipv6_form(size), &port->srcip, &port->dstip);
	port->dstport = (port_num)cursor_get_be32(c);
	port->protocol = (ip_proto)cursor_get_be32(c);
	port->udp = cursor_get_be32(c);
	port->syn = cursor_get_be32(c);
	port->rst = cursor_get_be32(c);
	if (!port_has_more(size))
		return;
	port->completed = cursor_get_be32(c);
	port->refused = cursor_get_be32(c);
}

static void get_flow(struct cursor *c, bool v6, struct flow_event *flow)
{
	get_addresses(c, v6, &flow->srcip, &flow->dstip);
	flow->srcport = cursor_get_be16(c);
	flow->dstport = cursor_get_be16(c);
	flow->protocol = (ip_proto)cursor_get_be32(c);
	flow->count = cursor_get_be32(c);
	flow->size = cursor_get_be64(c);
}

static void get_source(struct cursor *c, bool v6, struct source_event *source)
{
	get_ip(c, v6, &source->srcip);
	source->first = cursor_get_be64(c);
	source->last = cursor_get_be64(c);
	source->packets = cursor_get_be64(c);
	source->size = cursor_get_be64(c);
	source->shed = cursor_get_be64(c);
	source->syn = cursor_get_be32(c);
	source->udp = cursor_get_be32(c);
	source->completed = cursor_get_be32(c);
	source->hosts = cursor_get_be32(c);
	source->ports = cursor_get_be32(c);
	source->ended = cursor_get_u8(c);
}

static void get_target(struct cursor *c, bool v6, struct target_event *target)
{
	get_ip(c, v6, &target->dstip);
	target->first = cursor_get_be64(c);
	target->last = cursor_get_be64(c);
	target->packets = cursor_get_be64(c);
	target->size = cursor_get_be64(c);
	target->shed = cursor_get_be64(c);
	target->syn = cursor_get_be32(c);
	target->udp = cursor_get_be32(c);
	target->completed = cursor_get_be32(c);
	target->sources = cursor_get_be32(c);
	target->ports = cursor_get_be32(c);
	target->ended = cursor_get_u8(c);
}

static void get_interface(struct cursor *c, struct interface_event *interface)
{
	interface->ifindex = cursor_get_be32(c);
	interface->packets = cursor_get_be64(c);
	interface->size = cursor_get_be64(c);
	interface->not_ip = cursor_get_be64(c);
	interface->malformed = cursor_get_be64(c);
	interface->flow_shed = cursor_get_be64(c);
	interface->port_shed = cursor_get_be64(c);
}

void payload_decode(
	uint32_t event_id, const uint8_t *bytes, size_t size, struct v1_event *ret_event)
{
	struct cursor c;

	memset(ret_event, 0, sizeof(*ret_event));
	ret_event->event_id = event_id;
	cursor_read_init(&c, bytes, size);
	switch (event_id) {
	case EVENT_PORT:
		ret_event->record_size = sizeof(ret_event->record.port);
		get_port(&c, size, &ret_event->record.port);
		break;
	case EVENT_FLOW:
		ret_event->record_size = sizeof(ret_event->record.flow);
		get_flow(&c, has_ipv6_form(size), &ret_event->record.flow);
		break;
	case EVENT_SOURCE:
		ret_event->record_size = sizeof(ret_event->record.source);
		get_source(&c, size == FANOUT_V6_BYTES, &ret_event->record.source);
		break;
	case EVENT_TARGET:
		ret_event->record_size = sizeof(ret_event->record.target);
		get_target(&c, size == FANOUT_V6_BYTES, &ret_event->record.target);
		break;
	case EVENT_INTERFACE:
		ret_event->record_size = sizeof(ret_event->record.interface);
		get_interface(&c, &ret_event->record.interface);
		break;
	}
}

/* ---- writing ---- */

static bool needs_v6(const ip_addr *src, const ip_addr *dst)
{
	return !ip_is_v4(src) || !ip_is_v4(dst);
}

static bool port_needs_more(const struct port_event *port)
{
	return port->completed || port->refused;
}

size_t payload_size(uint32_t event_id, const void *record)
{
	const struct port_event *port = record;
	const struct flow_event *flow = record;
	const struct source_event *source = record;
	const struct target_event *target = record;

	switch (event_id) {
	case EVENT_PORT:
		return PORT_BYTES + (needs_v6(&port->srcip, &port->dstip) ? IPV6_MORE_BYTES : 0) +
		       (port_needs_more(port) ? PORT_MORE_BYTES : 0);
	case EVENT_FLOW:
		return FLOW_BYTES + (needs_v6(&flow->srcip, &flow->dstip) ? IPV6_MORE_BYTES : 0);
	case EVENT_SOURCE:
		return ip_is_v4(&source->srcip) ? FANOUT_BYTES : FANOUT_V6_BYTES;
	case EVENT_TARGET:
		return ip_is_v4(&target->dstip) ? FANOUT_BYTES : FANOUT_V6_BYTES;
	case EVENT_INTERFACE:
		return INTERFACE_BYTES;
	default:
		return 0;
	}
}

static void put_addresses(struct cursor *c, const ip_addr *src, const ip_addr *dst)
{
	size_t skip = needs_v6(src, dst) ? 0 : sizeof(v4_mapped);

	cursor_put_bytes(c, src->bytes + skip, sizeof(src->bytes) - skip);
	cursor_put_bytes(c, dst->bytes + skip, sizeof(dst->bytes) - skip);
}

static void put_port(struct cursor *c, const struct port_event *port)
{
	put_addresses(c, &port->srcip, &port->dstip);
	cursor_put_be(c, port->dstport, 4);
	cursor_put_be(c, port->protocol, 4);
	cursor_put_be(c, port->udp, 4);
	cursor_put_be(c, port->syn, 4);
	cursor_put_be(c, port->rst, 4);
	if (!port_needs_more(port))
		return;
	cursor_put_be(c, port->completed, 4);
	cursor_put_be(c, port->refused, 4);
}

static unsigned int put_flow(struct cursor *c, const struct flow_event *flow)
{
	bool clamp = flow->count > UINT32_MAX;

	put_addresses(c, &flow->srcip, &flow->dstip);
	cursor_put_be(c, flow->srcport, 2);
	cursor_put_be(c, flow->dstport, 2);
	cursor_put_be(c, flow->protocol, 4);
	cursor_put_be(c, clamp ? UINT32_MAX : flow->count, 4);
	cursor_put_be(c, flow->size, 8);
	return clamp ? 1 : 0;
}

static void put_ip(struct cursor *c, const ip_addr *ip)
{
	const size_t skip = ip_is_v4(ip) ? sizeof(v4_mapped) : 0;

	cursor_put_bytes(c, ip->bytes + skip, sizeof(ip->bytes) - skip);
}

static void put_source(struct cursor *c, const struct source_event *source)
{
	put_ip(c, &source->srcip);
	cursor_put_be(c, source->first, 8);
	cursor_put_be(c, source->last, 8);
	cursor_put_be(c, source->packets, 8);
	cursor_put_be(c, source->size, 8);
	cursor_put_be(c, source->shed, 8);
	cursor_put_be(c, source->syn, 4);
	cursor_put_be(c, source->udp, 4);
	cursor_put_be(c, source->completed, 4);
	cursor_put_be(c, source->hosts, 4);
	cursor_put_be(c, source->ports, 4);
	cursor_put_be(c, source->ended, 1);
}

static void put_target(struct cursor *c, const struct target_event *target)
{
	put_ip(c, &target->dstip);
	cursor_put_be(c, target->first, 8);
	cursor_put_be(c, target->last, 8);
	cursor_put_be(c, target->packets, 8);
	cursor_put_be(c, target->size, 8);
	cursor_put_be(c, target->shed, 8);
	cursor_put_be(c, target->syn, 4);
	cursor_put_be(c, target->udp, 4);
	cursor_put_be(c, target->completed, 4);
	cursor_put_be(c, target->sources, 4);
	cursor_put_be(c, target->ports, 4);
	cursor_put_be(c, target->ended, 1);
}

static void put_interface(struct cursor *c, const struct interface_event *interface)
{
	cursor_put_be(c, interface->ifindex, 4);
	cursor_put_be(c, interface->packets, 8);
	cursor_put_be(c, interface->size, 8);
	cursor_put_be(c, interface->not_ip, 8);
	cursor_put_be(c, interface->malformed, 8);
	cursor_put_be(c, interface->flow_shed, 8);
	cursor_put_be(c, interface->port_shed, 8);
}

unsigned int payload_encode(struct cursor *c, uint32_t event_id, const void *record)
{
	switch (event_id) {
	case EVENT_PORT:
		put_port(c, record);
		return 0;
	case EVENT_FLOW:
		return put_flow(c, record);
	case EVENT_SOURCE:
		put_source(c, record);
		return 0;
	case EVENT_TARGET:
		put_target(c, record);
		return 0;
	case EVENT_INTERFACE:
		put_interface(c, record);
		return 0;
	default:
		return 0;
	}
}
