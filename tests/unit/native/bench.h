/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_NATIVE_BENCH_H
#define TESTS_UNIT_NATIVE_BENCH_H

/* One function in C with its state, from BATCH payloads to RESULT frames, in this process. */

#include "engine/result_frame.h"
#include "native/runner.h"
#include "tests/unit/test.h"

#include <string.h>

#define START_NS      1763884800000000000ULL
#define BENCH_RESULTS 8
#define BENCH_EVENTS  512
#define BENCH_ALERTS  8192

struct bench {
	struct runner runner;
	struct schemas schemas;
	struct pipe_buffer batch, out;
	size_t frame;   /* in `batch`, of the one that is being filled */
	uint32_t count; /* events in it */
	uint32_t flags; /* of batches: PIPE_BATCH_COLLECT unless it is changed */
	uint8_t generations[PARTITIONS];

	/* What the last bench_run() led to, over all its results. */
	uint32_t covered, collected;
	size_t failed_count, skipped_count, alert_count, write_count;
	struct {
		uint32_t index;
		char reason[128];
	} failed[BENCH_EVENTS];
	uint32_t skipped[BENCH_EVENTS];
	struct {
		uint32_t index;
		char text[512];
	} alerts[BENCH_ALERTS];
	struct {
		char key[64], name[64], value[512]; /* "" is deleted */
	} writes[BENCH_EVENTS];
};

/* `handler` or `batch_handler` is to be set. State is by source. */
void bench_init(struct bench *bench);
void bench_done(struct bench *bench);

/* Adds an event to the batch: its source is 10.0.0.`source`, its time START_NS + `ms`. */
void bench_push(struct bench *bench, uint8_t source, uint32_t syn, unsigned int ms);
/* The same with a record and a header of one's own; its hash and generation are filled in. */
void bench_push_event(
	struct bench *bench, struct pipe_event *event, const struct port_event *record);

/* Runs what was pushed. The next batch knows the generations that follow from its failures. */
void bench_run(struct bench *bench);

/* "(none)" if nothing was written under that name, "(deleted)". The source's last number is the key. */
const char *bench_value(const struct bench *bench, const char *key, const char *name);

#endif
