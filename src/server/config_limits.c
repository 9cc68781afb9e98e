// SPDX-License-Identifier: BSD-2-Clause
#include "server/config_limits.h"

#include <stdio.h>

#define PREFIX         "tls.limits."
#define BURST_MAX      100000
#define HANDSHAKES_MAX 65536

static const char *const limit_keys[] = {"machine", "network", "all", "handshakes",
	"handshakes_machine", "handshakes_network", "hellos", "incarnations"};
static const char *const rate_keys[] = {"burst", "every"};

/* So many at once, and then one each time: both have to be said. */
static void read_rate(
	struct config_reader *reader, const json_t *limits, const char *key, struct rate *rate)
{
	const json_t *json = json_object_get(limits, key);
	char name[64], prefix[64];
	unsigned int burst = 0;
	uint64_t every_ns = 0;

	if (!json)
		return;
	snprintf(name, sizeof(name), PREFIX "%s", key);
	snprintf(prefix, sizeof(prefix), PREFIX "%s.", key);
	if (!json_is_object(json) || !json_object_get(json, "burst") ||
		!json_object_get(json, "every")) {
		reader_fail(reader, name,
			"expected so many at once and then one each time, as {\"burst\": 20, "
			"\"every\": \"250ms\"}");
		return;
	}
	reader_allow_keys(reader, prefix, json, rate_keys, ARRAY_SIZE(rate_keys));
	reader_count(reader, prefix, json, "burst", BURST_MAX, &burst);
	reader_duration(reader, prefix, json, "every", &every_ns);
	*rate = (struct rate){every_ns, burst};
}

void limits_config_read(
	struct config_reader *reader, const json_t *json, struct limits_config *limits)
{
	struct tls_server_limits *of = &limits->connections;

	if (json && !json_is_object(json))
		reader_fail(reader, "tls.limits", "expected an object");
	if (!json_is_object(json))
		return;
	reader_allow_keys(reader, PREFIX, json, limit_keys, ARRAY_SIZE(limit_keys));
	read_rate(reader, json, "machine", &of->rates.machine);
	read_rate(reader, json, "network", &of->rates.network);
	read_rate(reader, json, "all", &of->rates.all);
	reader_count(reader, PREFIX, json, "handshakes", HANDSHAKES_MAX, &of->handshakes_max);
	reader_count(reader, PREFIX, json, "handshakes_machine", HANDSHAKES_MAX,
		&of->handshakes_machine_max);
	reader_count(reader, PREFIX, json, "handshakes_network", HANDSHAKES_MAX,
		&of->handshakes_network_max);
	read_rate(reader, json, "hellos", &limits->hellos);
	read_rate(reader, json, "incarnations", &limits->incarnations);
}
