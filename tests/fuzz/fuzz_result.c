// SPDX-License-Identifier: BSD-2-Clause
/* What a worker says of its events, whoever wrote it into the pipe, and what must hold for any bytes. */
#include "engine/function.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS 5

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct bench {
	struct engine engine; /* the builder looks up its clock */
	struct function function;
	struct event_pool pool;
	struct event_list events;
};

static uint64_t raised_ns(void *user, uint64_t event_time_ns)
{
	(void)user;
	return event_time_ns;
}

/* Made once: nothing of what is tried changes it. */
static const struct bench *bench_get(void)
{
	static const struct engine_ops ops = {.raised_ns = raised_ns};
	static const struct port_event record = {.dstport = 80, .protocol = 6};
	static struct bench bench;

	if (bench.events.count > 0)
		return &bench;
	REQUIRE(schema_init() == 0);
	bench.engine.ops = &ops;
	bench.function.engine = &bench.engine;
	for (uint16_t i = 0; i < EVENTS; i++) {
		struct event *event = event_pool_take(&bench.pool, sizeof(record));

		REQUIRE(event != NULL);
		event->arrival = i;
		event->partition = (uint8_t)i;
		event->attempts = 0;
		event->pipe = (struct pipe_event){.event_id = htole32(EVENT_PORT)};
		memcpy(event->record, &record, sizeof(record));
		event_list_push(&bench.events, event);
	}
	return &bench;
}

static void check_exceptions(struct result_frame frame)
{
	struct exception exception;
	uint64_t next = 0;

	while (result_frame_exception(&frame, &exception)) {
		REQUIRE(exception.index >= next && exception.index < frame.count);
		REQUIRE(!exception.reason || strlen(exception.reason) < UINT32_MAX);
		next = exception.index + 1ULL;
	}
	REQUIRE(cursor_ok(&frame.exceptions));
}

static void check_writes(struct result_frame frame)
{
	struct state_row row;
	size_t identity_len;

	while (result_frame_write(&frame, &row, &identity_len)) {
		REQUIRE(strlen(row.key) <= STATE_KEY_MAX);
		REQUIRE(strlen(row.name) >= 1 && strlen(row.name) <= STATE_NAME_MAX);
		REQUIRE(!row.value || strlen(row.value) == row.value_len);
	}
	REQUIRE(cursor_ok(&frame.writes));
}

static void check_alert(const struct alert *alert)
{
	REQUIRE(alert->title && alert->category && alert->severity);
	REQUIRE(alert->id[0] && strnlen(alert->id, sizeof(alert->id)) < sizeof(alert->id));
	REQUIRE(alert->srcport >= -1 && alert->srcport <= UINT16_MAX);
	REQUIRE(alert->dstport >= -1 && alert->dstport <= UINT16_MAX);
	REQUIRE(!alert->data || alert->data[0] == '{');
}

static void check_added(struct builder *builder, const struct result_frame *frame)
{
	const struct outcome *outcome = &builder_result(builder)->outcome;

	REQUIRE(outcome->write_count <= frame->write_count);
	REQUIRE(outcome->alert_count == frame->alert_count);
	for (size_t i = 0; i < outcome->write_count; i++)
		REQUIRE(key_partition(outcome->writes[i].hash) % 2 == 0);
	for (size_t i = 0; i < outcome->alert_count; i++)
		check_alert(&outcome->alerts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct bench *bench = bench_get();
	const struct builder_source source = {
		.function = (struct function *)&bench->function, .name = "fuzzed"};
	_cleanup_(builder_freep) struct builder *builder = NULL;
	struct result_frame frame;

	if (result_frame_read(bytes, size, EVENTS, &frame) < 0)
		return 0;
	REQUIRE(frame.count <= EVENTS);
	check_exceptions(frame);
	check_writes(frame);
	REQUIRE(builder_new(&source, &builder) == 0);
	/* Every second partition is the worker's. */
	if (builder_add_result(builder, &frame, 0x5555, bench->events.first) == 0) {
		check_added(builder, &frame);
	} else {
		REQUIRE(builder_result(builder)->outcome.write_count == 0);
		REQUIRE(builder_result(builder)->outcome.alert_count == 0);
		REQUIRE(builder_bytes(builder) == 0);
	}
	return 0;
}
