/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_CASES_H
#define BENCH_LINK_CASES_H

/*
 * What is measured, beside what, and with which goal. One run goes through all cases, so that what
 * slows the machine slows all of them.
 */

#include "bench/link/link.h"

enum link_case_id {
	RAW,
	RAW_GSO_1472,
	RAW_GSO_8972,
	V1_NO_ACK,
	V1_ACK_0,
	V1_ACK_1,
	V1_ACK_3,
	V1_ACK_5,
	V2_NO_ACK,
	V2_NO_ACK_8972,
	V2_ACK_0,
	V2_ACK_1,
	V2_ACK_3,
	V2_ACK_5,
	V2_ACK_5_REORDERED,
	AES_NO_ACK,
	AES_NO_ACK_8972,
	AES_ACK_0,
	AES_ACK_1,
	AES_ACK_3,
	AES_ACK_5,
	AES_ACK_5_REORDERED,
	CHACHA_NO_ACK,
	CHACHA_NO_ACK_8972,
	CHACHA_ACK_0,
	CHACHA_ACK_1,
	CHACHA_ACK_3,
	CHACHA_ACK_5,
	CHACHA_ACK_5_REORDERED,
	TLS,
	TLS_0,
	TLS_1,
	TLS_3,
	TLS_5,
	V1_CALM,
	V1_CALM_1,
	AES_NO_ACK_CALM,
	AES_CALM,
	AES_CALM_1,
	AES_CALM_5,
	TLS_CALM,
	TLS_CALM_1,
	TLS_CALM_5,
	LINK_CASES,
};

struct link_case {
	const char *name;
	const char *what;
	struct link_options options; /* without seed and duration */
	bool packets_of_1500; /* TCP: none larger, so that what is lost is a packet, not a train */
	double rate_goal;     /* events/s; 0: none */
};

extern const struct link_case link_cases[LINK_CASES];

enum link_metric {
	RATE,
	MEGABYTES,
	LOST,
	RESENDS,
	SENDER_CPU,
	RECEIVER_CPU,
	LATENCY_P50,
	LATENCY_P99,
	LATENCY_P999,
	LINK_METRICS
};

/* A metric of one case divided by the same of another, in the same run. */
struct link_ratio {
	enum link_case_id which, beside;
	enum link_metric metric;
	const char *name;
	double goal; /* at least; 0: none */
};

extern const struct link_ratio link_ratios[];
extern const unsigned int link_ratio_count;

#endif
