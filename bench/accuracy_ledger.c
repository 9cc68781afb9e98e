// SPDX-License-Identifier: BSD-2-Clause
#include "bench/accuracy_ledger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

struct account {
	int64_t packets, bytes; /* sent less counted */
};

struct ledger {
	const struct traffic_settings *settings;
	struct account *accounts; /* of a flow, and behind it of its replies */
	bool *sent;
	uint64_t account_count;
	uint32_t unscatter;
	uint64_t strangers;
};

/* Of an odd number modulo 2^24, by Newton's iteration: each doubles the right bits. */
static uint32_t inverse(uint32_t odd)
{
	uint32_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x & 0xffffff;
}

int ledger_new(
	const struct traffic_settings *settings, uint64_t packets, struct ledger **ret_ledger)
{
	_cleanup_(ledger_freep) struct ledger *ledger = calloc(1, sizeof(*ledger));
	uint64_t flows = settings->flows;

	if (!ledger)
		return -ENOMEM;
	if (settings->spread == TRAFFIC_SPOOFED)
		flows = packets + (uint64_t)settings->streams * TRAFFIC_INTERLEAVED;
	ledger->settings = settings;
	ledger->account_count = 2 * flows;
	ledger->accounts = calloc(ledger->account_count, sizeof(*ledger->accounts));
	ledger->sent = calloc(ledger->account_count, sizeof(*ledger->sent));
	ledger->unscatter = inverse(TRAFFIC_SCATTER);
	if (!ledger->accounts || !ledger->sent)
		return -ENOMEM;
	*ret_ledger = TAKE_PTR(ledger);
	return 0;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	free(ledger->accounts);
	free(ledger->sent);
	free(ledger);
}

/* Which of the generator's addresses it is. */
static bool address_parse(const struct ledger *ledger, const ip_addr *address, uint32_t *ret_v4)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t documentation[12] = {0x20, 0x01, 0x0d, 0xb8};
	const uint8_t *prefix = ledger->settings->family == 6 ? documentation : mapped;
	uint32_t be;

	memcpy(&be, address->bytes + 12, sizeof(be));
	*ret_v4 = ntohl(be);
	return memcmp(address->bytes, prefix, sizeof(mapped)) == 0;
}

/* The flow of a source; what traffic_source_of() did, back. */
static uint64_t flow_of(const struct ledger *ledger, uint32_t address, uint16_t port)
{
	const uint32_t low = (address & 0xffffff) * ledger->unscatter & 0xffffff;
	struct traffic_source source;
	uint32_t high;

	traffic_source_of(low, &source);
	high = ((uint32_t)port + TRAFFIC_SOURCE_PORTS - source.port) % TRAFFIC_SOURCE_PORTS;
	return (uint64_t)high << 24 | low;
}

/* The record's account, or NULL. */
static struct account *account_of(const struct ledger *ledger, const struct flow_event *record)
{
	const bool reply = record->srcport == TRAFFIC_TARGET_PORT;
	const ip_addr *near = reply ? &record->dstip : &record->srcip;
	const ip_addr *far = reply ? &record->srcip : &record->dstip;
	const uint16_t port = reply ? record->dstport : record->srcport;
	const uint8_t protocol = ledger->settings->kind == TRAFFIC_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	uint32_t source, target;
	uint64_t index;

	if (record->protocol != protocol || port < 1024 ||
		(reply ? record->srcport : record->dstport) != TRAFFIC_TARGET_PORT)
		return NULL;
	if (!address_parse(ledger, near, &source) || !address_parse(ledger, far, &target))
		return NULL;
	if (target != TRAFFIC_TARGET || (source & 0xff000000) != TRAFFIC_SOURCE)
		return NULL;
	index = 2 * flow_of(ledger, source, port) + reply;
	return index < ledger->account_count ? &ledger->accounts[index] : NULL;
}

void ledger_count(struct ledger *ledger, const struct flow_event *record)
{
	struct account *account = account_of(ledger, record);

	if (!account) {
		ledger->strangers++;
		return;
	}
	account->packets -= (int64_t)record->count;
	account->bytes -= (int64_t)record->size;
}

void ledger_send(struct ledger *ledger, uint32_t stream, uint64_t packets)
{
	struct traffic_packet packet;

	for (uint64_t number = 0; number < packets; number++) {
		uint64_t index;

		traffic_choose(ledger->settings, stream, number, &packet);
		index = 2 * packet.flow + packet.reply;
		if (index >= ledger->account_count)
			abort(); /* more packets than ledger_new() was told */
		ledger->accounts[index].packets++;
		ledger->accounts[index].bytes += packet.size;
		ledger->sent[index] = true;
	}
}

void ledger_settle(const struct ledger *ledger, struct ledger_balance *ret_balance)
{
	struct ledger_balance balance = {.strangers = ledger->strangers};

	for (uint64_t i = 0; i < ledger->account_count; i++) {
		const struct account *account = &ledger->accounts[i];

		balance.flows += ledger->sent[i];
		balance.flows_missing += account->packets > 0;
		if (account->packets > 0)
			balance.packets_missing += (uint64_t)account->packets;
		else
			balance.packets_extra += (uint64_t)-account->packets;
		if (account->bytes > 0)
			balance.bytes_missing += (uint64_t)account->bytes;
		else
			balance.bytes_extra += (uint64_t)-account->bytes;
	}
	*ret_balance = balance;
}
