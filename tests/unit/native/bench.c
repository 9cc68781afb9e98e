// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/native/bench.h"

#include <stdio.h>

void bench_init(struct bench *bench)
{
	static const char *const key[] = {"srcip", NULL};

	memset(bench, 0, sizeof(*bench));
	bench->flags = PIPE_BATCH_COLLECT;
	assert_int_equal(schema_init(), 0);
	for (uint32_t id = EVENT_PORT; id <= EVENT_FLOW; id++) {
		struct pipe_buffer frame = {0};
		struct cursor c;

		pipe_put_schema(&frame, schema_builtin(id));
		assert_false(frame.failed);
		cursor_read_init(
			&c, frame.bytes + PIPE_HEADER_BYTES, frame.size - PIPE_HEADER_BYTES);
		assert_int_equal(schemas_add(&bench->schemas, &c), 0);
		pipe_buffer_done(&frame);
	}
	schemas_plan_keys(&bench->schemas, key);
	bench->runner.schemas = &bench->schemas;
	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &bench->runner.state), 0);
}

void bench_done(struct bench *bench)
{
	state_free(bench->runner.state);
	runner_done(&bench->runner);
	pipe_buffer_done(&bench->batch);
	pipe_buffer_done(&bench->out);
}

void bench_push_event(
	struct bench *bench, struct pipe_event *event, const struct port_event *record)
{
	if (bench->count++ == 0)
		bench->frame = pipe_begin_batch(&bench->batch, 0, bench->flags);
	event->event_id = htole32(EVENT_PORT);
	event->hash = htole64(key_hash(&bench->schemas.forms[0].key, record));
	event->generation = bench->generations[key_partition(le64toh(event->hash))];
	pipe_put_event(&bench->batch, event, record, sizeof(*record));
}

void bench_push(struct bench *bench, uint8_t source, uint32_t syn, unsigned int ms)
{
	struct port_event record = {
		.srcip = {{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = source}},
		.dstip = {{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}},
		.dstport = 80,
		.protocol = 6,
		.syn = syn,
	};
	struct pipe_event event = {
		.switch_id = htole32(7),
		.sequence = htole64(bench->count),
		.time_ns = htole64(START_NS + ms * 1000000ULL),
	};

	bench_push_event(bench, &event, &record);
}

static void take_result(struct bench *bench, struct result_frame *frame)
{
	struct frame_alert alert;
	struct exception exception;
	struct state_row row;
	size_t identity;

	while (result_frame_exception(frame, &exception)) {
		if (!exception.reason) {
			bench->skipped[bench->skipped_count++] = bench->covered + exception.index;
			continue;
		}
		bench->failed[bench->failed_count].index = bench->covered + exception.index;
		snprintf(bench->failed[bench->failed_count++].reason,
			sizeof(bench->failed[0].reason), "%s", exception.reason);
	}
	while (result_frame_alert(frame, &alert)) {
		bench->alerts[bench->alert_count].index = bench->covered + alert.index;
		snprintf(bench->alerts[bench->alert_count++].text, sizeof(bench->alerts[0].text),
			"%s", alert.text);
	}
	while (result_frame_write(frame, &row, &identity)) {
		__typeof__(&bench->writes[0]) write = &bench->writes[bench->write_count++];

		assert_int_equal(row.hash, key_hash_text(row.key));
		snprintf(write->key, sizeof(write->key), "%s", row.key);
		snprintf(write->name, sizeof(write->name), "%s", row.name);
		snprintf(write->value, sizeof(write->value), "%s", row.value ? row.value : "");
	}
	bench->covered += frame->count;
	bench->collected += frame->collected;
}

/* As the engine would, which sends a failed event's partition again from there on. */
static void follow_generations(struct bench *bench, const uint8_t *at, size_t index)
{
	for (size_t i = 0; i < index; i++)
		at += sizeof(struct pipe_event) + sizeof(struct port_event);
	bench->generations[key_partition(le64toh(((const struct pipe_event *)at)->hash))]++;
}

void bench_run(struct bench *bench)
{
	const uint8_t *payload = bench->batch.bytes + bench->frame + PIPE_HEADER_BYTES;
	size_t size = bench->batch.size - bench->frame - PIPE_HEADER_BYTES, at = 0;
	uint32_t count = htole32(bench->count);

	pipe_end(&bench->batch, bench->frame);
	memcpy(bench->batch.bytes + bench->frame + PIPE_HEADER_BYTES, &count, sizeof(count));
	bench->out.size = 0;
	bench->covered = bench->collected = 0;
	bench->failed_count = bench->skipped_count = bench->alert_count = bench->write_count = 0;
	assert_int_equal(runner_run(&bench->runner, payload, size, &bench->out), 0);
	while (at < bench->out.size) {
		struct result_frame frame;
		uint32_t len;

		memcpy(&len, bench->out.bytes + at, sizeof(len));
		assert_int_equal(bench->out.bytes[at + 4], PIPE_RESULT);
		assert_int_equal(result_frame_read(bench->out.bytes + at + PIPE_HEADER_BYTES,
					 le32toh(len), bench->count, &frame),
			0);
		assert_true(frame.count > 0 || bench->count == 0);
		take_result(bench, &frame);
		at += PIPE_HEADER_BYTES + pipe_align(le32toh(len));
	}
	assert_int_equal(bench->covered, bench->count);
	for (size_t i = 0; i < bench->failed_count; i++)
		follow_generations(bench, payload + 8, bench->failed[i].index);
	bench->batch.size = 0;
	bench->count = 0;
}

const char *bench_value(const struct bench *bench, const char *key, const char *name)
{
	const char *value = "(none)";

	for (size_t i = 0; i < bench->write_count; i++)
		if (strcmp(bench->writes[i].key, key) == 0 &&
			strcmp(bench->writes[i].name, name) == 0)
			value = bench->writes[i].value[0] ? bench->writes[i].value : "(deleted)";
	return value;
}
