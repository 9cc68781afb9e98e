// SPDX-License-Identifier: BSD-2-Clause
#include "bench/link/cases.h"

#include "base/clock.h"

#define ETHERNET 1472 /* a datagram on a link of 1500 bytes */
#define JUMBO    8972
#define RAW_V1   1435 /* a datagram of version 1 */

#define V1(acked, p)                                                                               \
	{                                                                                          \
		.protocol = LINK_V1, .acknowledged = (acked), .loss = (p)                          \
	}
#define V2(with, acked, size, p, moved)                                                            \
	{                                                                                          \
		.protocol = LINK_V2, .cipher = (with), .acknowledged = (acked),                    \
		.datagram = (size), .loss = (p), .reorder = (moved)                                \
	}
/* 50,000 events a second, each for itself: where the time goes that is no queue's. */
#define CALM .burst = 1, .burst_every_ns = 20 * NS_PER_US

#define AES    V2_CIPHER_AES_256_GCM
#define CHACHA V2_CIPHER_CHACHA20_POLY1305
#define NONE   LINK_NO_CIPHER
#define MOVED  0.05 /* of the datagrams are overtaken, by up to eight */

const struct link_case link_cases[LINK_CASES] = {
	[RAW] = {"raw", "UDP, 1435 bytes a datagram, sendmmsg and recvmmsg",
		{.protocol = LINK_RAW, .one_by_one = true, .datagram = RAW_V1}},
	[RAW_GSO_1472] = {"raw-gso-1472", "UDP in trains (GSO, GRO)",
		{.protocol = LINK_RAW, .datagram = ETHERNET}},
	[RAW_GSO_8972] = {"raw-gso-8972", "the same, jumbo frames",
		{.protocol = LINK_RAW, .datagram = JUMBO}},
	[V1_NO_ACK] = {"v1-no-ack", "version 1, no acknowledgement", V1(false, 0)},
	[V1_ACK_0] = {"v1-ack-loss-0", "version 1, stop-and-wait", V1(true, 0)},
	[V1_ACK_1] = {"v1-ack-loss-1", "the same, 1 % loss", V1(true, 0.01)},
	[V1_ACK_3] = {"v1-ack-loss-3", "the same, 3 % loss", V1(true, 0.03)},
	[V1_ACK_5] = {"v1-ack-loss-5", "the same, 5 % loss", V1(true, 0.05)},
	[V2_NO_ACK] = {"v2-no-ack", "version 2, updates", V2(NONE, false, ETHERNET, 0, 0),
		.rate_goal = 10e6},
	[V2_NO_ACK_8972] = {"v2-no-ack-8972", "the same, jumbo frames",
		V2(NONE, false, JUMBO, 0, 0)},
	[V2_ACK_0] = {"v2-ack-loss-0", "version 2, acknowledged", V2(NONE, true, ETHERNET, 0, 0)},
	[V2_ACK_1] = {"v2-ack-loss-1", "the same, 1 % loss", V2(NONE, true, ETHERNET, 0.01, 0)},
	[V2_ACK_3] = {"v2-ack-loss-3", "the same, 3 % loss", V2(NONE, true, ETHERNET, 0.03, 0)},
	[V2_ACK_5] = {"v2-ack-loss-5", "the same, 5 % loss", V2(NONE, true, ETHERNET, 0.05, 0),
		.rate_goal = 5e6},
	[V2_ACK_5_REORDERED] = {"v2-ack-loss-5-reordered", "and 5 % overtaken",
		V2(NONE, true, ETHERNET, 0.05, MOVED), .rate_goal = 5e6},
	[AES_NO_ACK] = {"v2-aes-no-ack", "version 2 with AES-256-GCM, updates",
		V2(AES, false, ETHERNET, 0, 0), .rate_goal = 10e6},
	[AES_NO_ACK_8972] = {"v2-aes-no-ack-8972", "the same, jumbo frames",
		V2(AES, false, JUMBO, 0, 0)},
	[AES_ACK_0] = {"v2-aes-ack-loss-0", "acknowledged", V2(AES, true, ETHERNET, 0, 0)},
	[AES_ACK_1] = {"v2-aes-ack-loss-1", "the same, 1 % loss", V2(AES, true, ETHERNET, 0.01, 0)},
	[AES_ACK_3] = {"v2-aes-ack-loss-3", "the same, 3 % loss", V2(AES, true, ETHERNET, 0.03, 0)},
	[AES_ACK_5] = {"v2-aes-ack-loss-5", "the same, 5 % loss", V2(AES, true, ETHERNET, 0.05, 0),
		.rate_goal = 5e6},
	[AES_ACK_5_REORDERED] = {"v2-aes-ack-loss-5-reordered", "and 5 % overtaken",
		V2(AES, true, ETHERNET, 0.05, MOVED), .rate_goal = 5e6},
	[CHACHA_NO_ACK] = {"v2-chacha-no-ack", "version 2 with ChaCha20-Poly1305, updates",
		V2(CHACHA, false, ETHERNET, 0, 0), .rate_goal = 10e6},
	[CHACHA_NO_ACK_8972] = {"v2-chacha-no-ack-8972", "the same, jumbo frames",
		V2(CHACHA, false, JUMBO, 0, 0)},
	[CHACHA_ACK_0] = {"v2-chacha-ack-loss-0", "acknowledged", V2(CHACHA, true, ETHERNET, 0, 0)},
	[CHACHA_ACK_1] = {"v2-chacha-ack-loss-1", "the same, 1 % loss",
		V2(CHACHA, true, ETHERNET, 0.01, 0)},
	[CHACHA_ACK_3] = {"v2-chacha-ack-loss-3", "the same, 3 % loss",
		V2(CHACHA, true, ETHERNET, 0.03, 0)},
	[CHACHA_ACK_5] = {"v2-chacha-ack-loss-5", "the same, 5 % loss",
		V2(CHACHA, true, ETHERNET, 0.05, 0), .rate_goal = 5e6},
	[CHACHA_ACK_5_REORDERED] = {"v2-chacha-ack-loss-5-reordered", "and 5 % overtaken",
		V2(CHACHA, true, ETHERNET, 0.05, MOVED), .rate_goal = 5e6},
	[TLS] = {"tls", "TCP and TLS 1.3, AES-256-GCM", {.protocol = LINK_TLS}},
	[TLS_0] = {"tls-1500-loss-0", "the same, in packets of 1500 bytes", {.protocol = LINK_TLS},
		.packets_of_1500 = true},
	[TLS_1] = {"tls-1500-loss-1", "the same, 1 % loss", {.protocol = LINK_TLS, .loss = 0.01},
		.packets_of_1500 = true},
	[TLS_3] = {"tls-1500-loss-3", "the same, 3 % loss", {.protocol = LINK_TLS, .loss = 0.03},
		.packets_of_1500 = true},
	[TLS_5] = {"tls-1500-loss-5", "the same, 5 % loss", {.protocol = LINK_TLS, .loss = 0.05},
		.packets_of_1500 = true},
	[V1_CALM] = {"v1-ack-50k", "50,000 events/s: version 1, stop-and-wait",
		{.protocol = LINK_V1, .acknowledged = true, CALM}},
	[V1_CALM_1] = {"v1-ack-50k-loss-1", "the same, 1 % loss",
		{.protocol = LINK_V1, .acknowledged = true, .loss = 0.01, CALM}},
	[AES_NO_ACK_CALM] = {"v2-aes-no-ack-50k", "50,000 events/s: version 2, sealed, updates",
		{.protocol = LINK_V2, .cipher = AES, .datagram = ETHERNET, CALM}},
	[AES_CALM] = {"v2-aes-ack-50k", "acknowledged",
		{.protocol = LINK_V2,
			.cipher = AES,
			.acknowledged = true,
			.datagram = ETHERNET,
			CALM}},
	[AES_CALM_1] = {"v2-aes-ack-50k-loss-1", "the same, 1 % loss",
		{.protocol = LINK_V2,
			.cipher = AES,
			.acknowledged = true,
			.datagram = ETHERNET,
			.loss = 0.01,
			CALM}},
	[AES_CALM_5] = {"v2-aes-ack-50k-loss-5", "the same, 5 % loss",
		{.protocol = LINK_V2,
			.cipher = AES,
			.acknowledged = true,
			.datagram = ETHERNET,
			.loss = 0.05,
			CALM}},
	[TLS_CALM] = {"tls-50k", "50,000 events/s: TCP and TLS 1.3", {.protocol = LINK_TLS, CALM}},
	[TLS_CALM_1] = {"tls-1500-50k-loss-1", "the same, 1 % loss",
		{.protocol = LINK_TLS, .loss = 0.01, CALM}, .packets_of_1500 = true},
	[TLS_CALM_5] = {"tls-1500-50k-loss-5", "the same, 5 % loss",
		{.protocol = LINK_TLS, .loss = 0.05, CALM}, .packets_of_1500 = true},
};

#define OF_RAW      "of raw UDP's bytes", 0.5
#define OF_UNSEALED "of unsealed", 0.6
#define LOSSY(p)    "of its rate at 0 %", 0.9 * (1 - (p))

const struct link_ratio link_ratios[] = {
	{V1_NO_ACK, RAW, MEGABYTES, "of raw UDP's bytes", 0},
	{V2_NO_ACK, RAW_GSO_1472, MEGABYTES, OF_RAW},
	{V2_NO_ACK_8972, RAW_GSO_8972, MEGABYTES, OF_RAW},
	{V2_NO_ACK, V1_NO_ACK, RATE, "times version 1", 0},
	{V2_ACK_1, V2_ACK_0, RATE, LOSSY(0.01)},
	{V2_ACK_3, V2_ACK_0, RATE, LOSSY(0.03)},
	{V2_ACK_5, V2_ACK_0, RATE, LOSSY(0.05)},
	{V2_ACK_5_REORDERED, V2_ACK_0, RATE, LOSSY(0.05)},
	{V2_ACK_0, V1_ACK_0, RATE, "times stop-and-wait", 0},
	{V2_ACK_1, V1_ACK_1, RATE, "times stop-and-wait", 0},
	{V2_ACK_3, V1_ACK_3, RATE, "times stop-and-wait", 0},
	{V2_ACK_5, V1_ACK_5, RATE, "times stop-and-wait", 0},
	{AES_NO_ACK, V2_NO_ACK, RATE, OF_UNSEALED},
	{AES_NO_ACK_8972, V2_NO_ACK_8972, RATE, OF_UNSEALED},
	{AES_ACK_0, V2_ACK_0, RATE, OF_UNSEALED},
	{AES_ACK_5, V2_ACK_5, RATE, OF_UNSEALED},
	{AES_ACK_1, AES_ACK_0, RATE, LOSSY(0.01)},
	{AES_ACK_3, AES_ACK_0, RATE, LOSSY(0.03)},
	{AES_ACK_5, AES_ACK_0, RATE, LOSSY(0.05)},
	{AES_ACK_5_REORDERED, AES_ACK_0, RATE, LOSSY(0.05)},
	{AES_ACK_0, TLS, RATE, "times TCP over TLS", 0},
	{AES_ACK_0, TLS_0, RATE, "times TCP over TLS", 0},
	{AES_ACK_1, TLS_1, RATE, "times TCP over TLS", 0},
	{AES_ACK_3, TLS_3, RATE, "times TCP over TLS", 0},
	{AES_ACK_5, TLS_5, RATE, "times TCP over TLS", 0},
	{CHACHA_NO_ACK, V2_NO_ACK, RATE, OF_UNSEALED},
	{CHACHA_NO_ACK_8972, V2_NO_ACK_8972, RATE, OF_UNSEALED},
	{CHACHA_ACK_0, V2_ACK_0, RATE, OF_UNSEALED},
	{CHACHA_ACK_1, CHACHA_ACK_0, RATE, LOSSY(0.01)},
	{CHACHA_ACK_3, CHACHA_ACK_0, RATE, LOSSY(0.03)},
	{CHACHA_ACK_5, CHACHA_ACK_0, RATE, LOSSY(0.05)},
	{CHACHA_ACK_5_REORDERED, CHACHA_ACK_0, RATE, LOSSY(0.05)},
	{AES_CALM, TLS_CALM, LATENCY_P99, "of TCP over TLS, p99", 0},
	{AES_CALM_1, TLS_CALM_1, LATENCY_P99, "of TCP over TLS, p99", 0},
	{AES_CALM_5, TLS_CALM_5, LATENCY_P99, "of TCP over TLS, p99", 0},
};
const unsigned int link_ratio_count = ARRAY_SIZE(link_ratios);
