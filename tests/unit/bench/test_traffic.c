// SPDX-License-Identifier: BSD-2-Clause
#include "bench/accuracy_ledger.h"
#include "bench/traffic.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What traffic_new() makes of options, without an interface. */
static struct traffic_settings settings_of(
	enum traffic_kind kind, enum traffic_spread spread, uint32_t flows)
{
	struct traffic_settings s;
	const struct traffic_options options = {
		.kind = kind,
		.spread = spread,
		.flows = flows,
		.family = 4,
		.sizes = {100, 1514},
		.size_count = 2,
		.seed = 7,
		.cpus = 2,
	};

	traffic_settings_init(&s, &options);
	return s;
}

static void each_flow_has_a_source_of_its_own(void **state _unused_)
{
	static uint8_t seen[1U << 24];
	struct traffic_source source, again;

	for (uint32_t flow = 0; flow < TRAFFIC_FLOWS_MAX; flow++) {
		traffic_source_of(flow, &source);
		assert_int_equal(source.address >> 24, 10);
		assert_true(source.port >= 1024);
		assert_int_equal(seen[source.address & 0xffffff]++, 0);
	}
	/* The next 2^24 have the same addresses, but other ports. */
	for (uint64_t flow = 0; flow < 1000; flow++) {
		traffic_source_of(flow, &source);
		traffic_source_of(flow + TRAFFIC_FLOWS_MAX, &again);
		assert_int_equal(source.address, again.address);
		assert_int_not_equal(source.port, again.port);
	}
}

static void uniform_flows_come_about_as_often(void **state _unused_)
{
	const struct traffic_settings s = settings_of(TRAFFIC_UDP, TRAFFIC_UNIFORM, 10);
	unsigned int counts[10] = {0};
	struct traffic_packet packet;

	for (uint64_t i = 0; i < 100000; i++) {
		traffic_choose(&s, 0, i, &packet);
		assert_in_range(packet.flow, 0, 9);
		counts[packet.flow]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(counts[i], 9500, 10500);
}

static void zipf_flows_come_by_their_rank(void **state _unused_)
{
	enum { FLOWS = 1000, PACKETS = 1000000 };
	const struct traffic_settings s = settings_of(TRAFFIC_UDP, TRAFFIC_ZIPF, FLOWS);
	unsigned int counts[FLOWS] = {0};
	struct traffic_packet packet;

	for (uint64_t i = 0; i < PACKETS; i++) {
		traffic_choose(&s, 1, i, &packet);
		assert_in_range(packet.flow, 0, FLOWS - 1);
		counts[packet.flow]++;
	}
	for (int rank = 1; rank <= 100; rank *= 10) {
		const double expected = PACKETS * log(1 + 1.0 / rank) / log(1 + FLOWS);

		assert_in_range(counts[rank - 1], (uint64_t)(expected - 5 * sqrt(expected)),
			(uint64_t)(expected + 5 * sqrt(expected)));
	}
}

static void spoofed_flows_never_come_again(void **state _unused_)
{
	enum { PACKETS = 100000 };
	const struct traffic_settings s = settings_of(TRAFFIC_SYN, TRAFFIC_SPOOFED, 0);
	static uint8_t seen[2 * PACKETS];
	struct traffic_packet packet;

	for (uint32_t stream = 0; stream < 2; stream++) {
		for (uint64_t i = 0; i < PACKETS; i++) {
			traffic_choose(&s, stream, i, &packet);
			assert_int_equal(packet.class, TRAFFIC_CLASS_SYN);
			assert_in_range(packet.flow, 0, 2 * PACKETS - 1);
			assert_int_equal(seen[packet.flow]++, 0);
		}
	}
}

static void a_connection_has_all_its_steps_in_order(void **state _unused_)
{
	static const uint8_t flags[TRAFFIC_STEPS] = {
		0x02, 0x12, 0x10, 0x18, 0x18, 0x11, 0x11, 0x10};
	static const bool replies[TRAFFIC_STEPS] = {0, 1, 0, 0, 1, 0, 1, 0};
	const struct traffic_settings s = settings_of(TRAFFIC_HANDSHAKE, TRAFFIC_SPOOFED, 0);
	struct traffic_packet packet;
	unsigned int step = 0;

	for (uint64_t i = 0; i < 2 * TRAFFIC_STEPS * TRAFFIC_INTERLEAVED; i++) {
		traffic_choose(&s, 0, i, &packet);
		if (packet.flow != 0)
			continue;
		assert_in_range(step, 0, TRAFFIC_STEPS - 1);
		assert_int_equal(packet.tcp_flags, flags[step]);
		assert_int_equal(packet.reply, replies[step]);
		assert_int_equal(packet.has_data, step == 3 || step == 4);
		step++;
	}
	assert_int_equal(step, TRAFFIC_STEPS);
}

static void frames_have_the_sizes_asked_for(void **state _unused_)
{
	const struct traffic_settings s = settings_of(TRAFFIC_TCP, TRAFFIC_UNIFORM, 5);
	unsigned int small = 0;
	struct traffic_packet packet;

	for (uint64_t i = 0; i < 10000; i++) {
		traffic_choose(&s, 0, i, &packet);
		assert_true(packet.size == 100 || packet.size == 1514);
		small += packet.size == 100;
	}
	assert_in_range(small, 4700, 5300);
	assert_int_equal(s.size_max, 1514);
	assert_int_equal(s.size_min, 60);
}

/* ---- the ledger ---- */

static struct flow_event record_of(const struct traffic_packet *packet)
{
	struct flow_event record = {
		.srcip.bytes = {[10] = 0xff, [11] = 0xff},
		.dstip.bytes = {[10] = 0xff, [11] = 0xff},
		.dstport = TRAFFIC_TARGET_PORT,
		.protocol = 17,
		.count = 1,
		.size = packet->size,
	};
	const uint32_t target = htonl(TRAFFIC_TARGET);
	struct traffic_source source;
	uint32_t address;

	traffic_source_of(packet->flow, &source);
	address = htonl(source.address);
	memcpy(record.srcip.bytes + 12, &address, sizeof(address));
	memcpy(record.dstip.bytes + 12, &target, sizeof(target));
	record.srcport = source.port;
	return record;
}

/* Sends 1000 packets of 20 flows, of which the one numbered `skip` is not counted. */
static void fill(struct ledger *ledger, const struct traffic_settings *s, uint64_t skip)
{
	for (uint64_t i = 0; i < 1000; i++) {
		struct traffic_packet packet;
		struct flow_event record;

		traffic_choose(s, 0, i, &packet);
		record = record_of(&packet);
		if (i != skip)
			ledger_count(ledger, &record);
	}
	ledger_send(ledger, 0, 1000);
}

static void a_ledger_of_all_packets_is_balanced(void **state _unused_)
{
	const struct traffic_settings s = settings_of(TRAFFIC_UDP, TRAFFIC_UNIFORM, 20);
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	struct ledger_balance left;

	assert_int_equal(ledger_new(&s, 1000, &ledger), 0);
	fill(ledger, &s, UINT64_MAX);
	ledger_settle(ledger, &left);
	assert_int_equal(left.flows, 20);
	assert_int_equal(left.packets_missing + left.bytes_missing + left.flows_missing, 0);
	assert_int_equal(left.packets_extra + left.bytes_extra + left.strangers, 0);
}

static void a_ledger_tells_one_packet_missing(void **state _unused_)
{
	const struct traffic_settings s = settings_of(TRAFFIC_UDP, TRAFFIC_UNIFORM, 20);
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	struct traffic_packet packet;
	struct ledger_balance left;

	assert_int_equal(ledger_new(&s, 1000, &ledger), 0);
	fill(ledger, &s, 500);
	traffic_choose(&s, 0, 500, &packet);
	ledger_settle(ledger, &left);
	assert_int_equal(left.packets_missing, 1);
	assert_int_equal(left.flows_missing, 1);
	assert_int_equal(left.bytes_missing, packet.size);
	assert_int_equal(left.packets_extra, 0);
}

static void a_ledger_tells_what_was_never_sent(void **state _unused_)
{
	const struct traffic_settings s = settings_of(TRAFFIC_UDP, TRAFFIC_UNIFORM, 20);
	_cleanup_(ledger_freep) struct ledger *ledger = NULL;
	struct ledger_balance left;
	struct flow_event record;

	assert_int_equal(ledger_new(&s, 1000, &ledger), 0);
	fill(ledger, &s, UINT64_MAX);
	record = record_of(&(struct traffic_packet){.flow = 3, .size = 100});
	ledger_count(ledger, &record); /* once too often */
	record.dstport = 80;
	ledger_count(ledger, &record);
	record = record_of(&(struct traffic_packet){.flow = 20, .size = 100});
	ledger_count(ledger, &record); /* a flow beyond the last */
	ledger_settle(ledger, &left);
	assert_int_equal(left.packets_extra, 1);
	assert_int_equal(left.bytes_extra, 100);
	assert_int_equal(left.strangers, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_flow_has_a_source_of_its_own),
		cmocka_unit_test(uniform_flows_come_about_as_often),
		cmocka_unit_test(zipf_flows_come_by_their_rank),
		cmocka_unit_test(spoofed_flows_never_come_again),
		cmocka_unit_test(a_connection_has_all_its_steps_in_order),
		cmocka_unit_test(frames_have_the_sizes_asked_for),
		cmocka_unit_test(a_ledger_of_all_packets_is_balanced),
		cmocka_unit_test(a_ledger_tells_one_packet_missing),
		cmocka_unit_test(a_ledger_tells_what_was_never_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
