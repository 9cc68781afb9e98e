// SPDX-License-Identifier: BSD-2-Clause
#include "engine/builder.h"

#include "base/clock.h"
#include "base/siphash.h"
#include "engine/function.h"
#include "engine/redact.h"
#include "engine/writes.h"
#include "event/key.h"
#include "event/render.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_JSON_MAX 4096 /* bytes; SCHEMA_FIELDS_MAX fields fit */

/* Memory that lives as long as the builder. */
struct block {
	struct block *next;
	_Alignas(8) uint8_t bytes[];
};

/* A growing array; `count` is where the result has it. */
struct list {
	void *items;
	size_t capacity;
};

struct builder {
	struct result result;
	struct state_sum sum; /* of the result's outcome */
	struct block *blocks;
	struct list alerts, dead_letters;
	size_t alert_count, dead_letter_count;
	struct write_set writes;
	struct event_list events;
	uint32_t counts[PARTITIONS]; /* of them */
	bool urgent;                 /* somebody waits for one of them */
	size_t bytes;
};

int builder_new(const struct builder_source *source, struct builder **ret_builder)
{
	struct builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return -ENOMEM;
	builder->result.function = source->function;
	builder->result.outcome.function = source->name;
	builder->result.outcome.sum = &builder->sum;
	write_set_init(&builder->writes, &source->secret);
	*ret_builder = builder;
	return 0;
}

static void blocks_free(struct block *block, const struct block *until)
{
	while (block != until) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
}

void builder_free(struct builder *builder)
{
	if (!builder)
		return;
	blocks_free(builder->blocks, NULL);
	write_set_done(&builder->writes);
	free(builder->alerts.items);
	free(builder->dead_letters.items);
	free(builder);
}

static void *builder_alloc(struct builder *builder, size_t size)
{
	struct block *block = malloc(sizeof(*block) + size);

	if (!block)
		return NULL;
	block->next = builder->blocks;
	builder->blocks = block;
	builder->bytes += size;
	return block->bytes;
}

static const char *builder_strdup(struct builder *builder, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = builder_alloc(builder, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

/* Room for `count` more after `used`. */
static int list_reserve(struct list *list, size_t used, size_t count, size_t item_size)
{
	size_t capacity = MAX(list->capacity, 16U);
	void *items;

	if (used + count <= list->capacity)
		return 0;
	while (capacity < used + count)
		capacity *= 2;
	items = reallocarray(list->items, capacity, item_size);
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->capacity = capacity;
	return 0;
}

/* What is in the builder, to go back to when an addition fails half-way. */
struct checkpoint {
	struct block *blocks;
	size_t alert_count, bytes;
};

static struct checkpoint builder_checkpoint(const struct builder *builder)
{
	return (struct checkpoint){builder->blocks, builder->alert_count, builder->bytes};
}

static void builder_restore(struct builder *builder, const struct checkpoint *to)
{
	blocks_free(builder->blocks, to->blocks);
	builder->blocks = to->blocks;
	builder->alert_count = to->alert_count;
	builder->bytes = to->bytes;
}

/* ---- alerts ---- */

static const char *const severities[] = {"critical", "high", "medium", "low", "info"};

static const char *severity_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(severities); i++)
		if (strcmp(name, severities[i]) == 0)
			return severities[i];
	return NULL;
}

/*
 * NAME-SWITCH-HASH-N. The hash is over what names the event for good. Version 2 has a name for it. In
 * version 1 its place in its transaction comes again when the agent starts anew, and what is not
 * acknowledged has no sequence: there only its record tells it from another at the same place that
 * came at the same time.
 */
static void alert_set_id(
	struct alert *alert, const char *function, const struct event *event, unsigned int n)
{
	static const struct siphash_key fixed = {0x6e65746c616d6264, 0x616c657274206964};
	uint8_t bytes[96 + EVENT_RECORD_MAX] = {0};
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	cursor_put_be(&c, le32toh(event->pipe.event_id), 4);
	cursor_put_be(&c, le32toh(event->pipe.switch_id), 4);
	cursor_put_be(&c, le32toh(event->pipe.epoch), 4);
	cursor_put_be(&c, le64toh(event->pipe.sequence), 8);
	cursor_put_be(&c, le16toh(event->pipe.index), 2);
	cursor_put_bytes(&c, function, strnlen(function, 64));
	if (event->pipe.epoch == 0) {
		cursor_put_be(&c, le64toh(event->pipe.time_ns), 8);
		cursor_put_bytes(&c, event->record, event->record_size);
	}
	snprintf(alert->id, sizeof(alert->id), "%.15s-%u-%016llx-%u", function,
		le32toh(event->pipe.switch_id), (unsigned long long)siphash(&fixed, bytes, c.pos),
		n);
}

/* An address: what the function says (null: none), else the event's own field. */
static int alert_address(struct builder *builder, const json_t *json, const char *name,
	const struct event *event, const char **ret_text)
{
	const struct schema *schema = event_schema(event);
	const struct schema_field *field = schema_find_field(schema, name);
	const json_t *given = json_object_get(json, name);
	char text[IP_TEXT_MAX];

	*ret_text = NULL;
	if (json_is_null(given))
		return 0;
	if (json_is_string(given))
		*ret_text = builder_strdup(builder, json_string_value(given));
	else if (given)
		return -EBADMSG;
	else if (!field || field->kind != FIELD_IP)
		return 0;
	else {
		field_render(field, event->record, text, sizeof(text));
		*ret_text = builder_strdup(builder, text);
	}
	return *ret_text ? 0 : -ENOMEM;
}

/* A port or protocol, likewise; -1: none. */
static int alert_number(const json_t *json, const char *name, const struct event *event, int *ret)
{
	const struct schema *schema = event_schema(event);
	const struct schema_field *field = schema_find_field(schema, name);
	const json_t *given = json_object_get(json, name);

	*ret = -1;
	if (json_is_null(given))
		return 0;
	if (given && (!json_is_integer(given) || json_integer_value(given) < 0 ||
			     json_integer_value(given) > UINT16_MAX))
		return -EBADMSG;
	if (given)
		*ret = (int)json_integer_value(given);
	else if (field)
		*ret = (int)schema_read_uint(field, event->record);
	return 0;
}

static int alert_data(struct builder *builder, const json_t *json, const char **ret_data)
{
	const json_t *data = json_object_get(json, "data");
	_cleanup_free_ char *text = NULL;

	*ret_data = NULL;
	if (!data)
		return 0;
	if (!json_is_object(data))
		return -EBADMSG;
	text = json_dumps(data, JSON_COMPACT);
	*ret_data = text ? builder_strdup(builder, text) : NULL;
	return *ret_data ? 0 : -ENOMEM;
}

static int alert_fill(
	struct builder *builder, struct alert *alert, const json_t *json, const struct event *event)
{
	const char *title = json_string_value(json_object_get(json, "title"));
	const char *category = json_string_value(json_object_get(json, "category"));
	int r;

	alert->severity = severity_find(json_string_value(json_object_get(json, "severity")));
	if (!alert->severity || !title || !category)
		return -EBADMSG;
	alert->title = builder_strdup(builder, title);
	alert->category = builder_strdup(builder, category);
	if (!alert->title || !alert->category)
		return -ENOMEM;
	r = alert_address(builder, json, "srcip", event, &alert->srcip);
	if (r == 0)
		r = alert_address(builder, json, "dstip", event, &alert->dstip);
	if (r == 0)
		r = alert_number(json, "srcport", event, &alert->srcport);
	if (r == 0)
		r = alert_number(json, "dstport", event, &alert->dstport);
	if (r == 0)
		r = alert_number(json, "protocol", event, &alert->protocol);
	if (r == 0)
		r = alert_data(builder, json, &alert->data);
	return r;
}

static uint64_t raised_ns(const struct builder *builder, uint64_t event_time_ns)
{
	const struct engine *engine = builder->result.function->engine;

	if (!engine->ops->raised_ns)
		return clock_realtime_ns();
	return engine->ops->raised_ns(engine->user, event_time_ns);
}

static int alert_add(
	struct builder *builder, const struct event *event, const struct frame_alert *frame_alert)
{
	const uint64_t event_ns = le64toh(event->pipe.time_ns);
	struct alert *alert;
	json_t *json;
	int r;

	r = list_reserve(&builder->alerts, builder->alert_count, 1, sizeof(*alert));
	if (r < 0)
		return r;
	json = json_loadb(frame_alert->text, frame_alert->len, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return -EBADMSG;
	alert = (struct alert *)builder->alerts.items + builder->alert_count;
	*alert = (struct alert){
		.time_ns = event_ns,
		.raised_ns = raised_ns(builder, event_ns),
		.switch_id = le32toh(event->pipe.switch_id),
		.event_id = le32toh(event->pipe.event_id),
	};
	alert_set_id(alert, builder->result.outcome.function, event, frame_alert->number);
	r = alert_fill(builder, alert, json, event);
	json_decref(json);
	if (r == 0)
		builder->alert_count++;
	return r;
}

/* ---- what is gathered ---- */

static int add_alerts(
	struct builder *builder, struct result_frame frame, const struct event *events)
{
	const struct event *event = events;
	struct frame_alert alert;
	uint32_t index = 0;
	int r = 0;

	while (r == 0 && result_frame_alert(&frame, &alert)) {
		for (; index < alert.index; index++)
			event = event->next;
		r = alert_add(builder, event, &alert);
	}
	return r;
}

/* There is room. What it says of a partition that was taken from it is void: another worker has it. */
static void put_writes(struct builder *builder, struct result_frame frame, uint16_t partitions)
{
	struct state_row row;
	size_t identity_len;

	while (result_frame_write(&frame, &row, &identity_len))
		if (partitions >> key_partition(row.hash) & 1)
			write_set_put(&builder->writes, &row, row.key, identity_len);
}

int builder_add_result(struct builder *builder, const struct result_frame *frame,
	uint16_t partitions, const struct event *events)
{
	struct checkpoint before = builder_checkpoint(builder);
	struct result_frame kept = *frame;
	uint8_t *copy;
	int r;

	if (frame->write_count > 0) {
		/* The writes stay where they are in the frame, so it has to stay, too. */
		copy = builder_alloc(builder, frame->writes.size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, frame->writes.in, frame->writes.size);
		kept.writes.in = copy;
	}
	r = write_set_reserve(&builder->writes, frame->write_count);
	if (r == 0)
		r = add_alerts(builder, kept, events);
	if (r < 0) {
		builder_restore(builder, &before);
		return r;
	}
	put_writes(builder, kept, partitions);
	return 0;
}

void builder_add_events(struct builder *builder, struct event_list *events,
	const uint32_t counts[static PARTITIONS])
{
	event_list_append(&builder->events, events);
	for (unsigned int i = 0; i < PARTITIONS; i++)
		builder->counts[i] += counts[i];
}

/* NULL: no memory. */
static const char *letter_data(struct builder *builder, const struct event *event)
{
	const char *data = event->request ? event->request->data : "";
	_cleanup_free_ char *redacted = NULL;
	char json[RECORD_JSON_MAX];

	if (*data == '\0') {
		record_render_json(event_schema(event), event->record, json, sizeof(json));
		return builder_strdup(builder, json);
	}
	if (request_redact(data, &redacted) < 0)
		return NULL;
	return builder_strdup(builder, redacted ? redacted : data);
}

int builder_add_dead_letter(struct builder *builder, struct event *event, const char *reason)
{
	struct checkpoint before = builder_checkpoint(builder);
	struct dead_letter letter = {
		.time_ns = le64toh(event->pipe.time_ns),
		.switch_id = le32toh(event->pipe.switch_id),
		.event_id = le32toh(event->pipe.event_id),
		.epoch = le32toh(event->pipe.epoch),
		.sequence = le64toh(event->pipe.sequence),
		.index = le16toh(event->pipe.index),
		.attempts = event->attempts,
		.record = event->record,
		.record_size = event->record_size,
	};

	letter.reason = builder_strdup(builder, reason);
	letter.data = letter_data(builder, event);
	if (!letter.reason || !letter.data ||
		list_reserve(&builder->dead_letters, builder->dead_letter_count, 1,
			sizeof(letter)) < 0) {
		builder_restore(builder, &before);
		return -ENOMEM;
	}
	((struct dead_letter *)builder->dead_letters.items)[builder->dead_letter_count++] = letter;
	if (event->request)
		event->request->reason = letter.reason;
	event_list_push(&builder->events, event);
	builder->counts[event->partition]++;
	return 0;
}

void builder_set_urgent(struct builder *builder)
{
	builder->urgent = true;
}

size_t builder_bytes(const struct builder *builder)
{
	return builder->bytes + builder->writes.count * sizeof(struct state_row);
}

bool builder_is_urgent(const struct builder *builder)
{
	return builder->alert_count > 0 || builder->dead_letter_count > 0 || builder->urgent;
}

struct result *builder_result(struct builder *builder)
{
	struct outcome *outcome = &builder->result.outcome;

	outcome->writes = builder->writes.items;
	outcome->write_count = builder->writes.count;
	outcome->alerts = builder->alerts.items;
	outcome->alert_count = builder->alert_count;
	outcome->dead_letters = builder->dead_letters.items;
	outcome->dead_letter_count = builder->dead_letter_count;
	builder->result.events = builder->events.first;
	builder->result.event_count = builder->events.count;
	return &builder->result;
}

const uint32_t *builder_counts(const struct builder *builder)
{
	return builder->counts;
}

void builder_take_events(struct builder *builder, struct event_list *to)
{
	event_list_append(to, &builder->events);
}

void result_iterate(const struct result *result, struct result_iterator *ret_iterator)
{
	*ret_iterator = (struct result_iterator){result->events, result->event_count};
}

bool result_next(struct result_iterator *iterator, struct finished_event *ret_event)
{
	const struct event *event = iterator->next;

	if (iterator->left == 0)
		return false;
	iterator->left--;
	iterator->next = event->next;
	*ret_event = finished_event(event);
	return true;
}
