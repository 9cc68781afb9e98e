// SPDX-License-Identifier: BSD-2-Clause
#include "engine/builder.h"

#include "base/clock.h"
#include "base/siphash.h"
#include "engine/function.h"
#include "engine/pipe.h"
#include "engine/writes.h"
#include "event/key.h"
#include "event/render.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_JSON_MAX  4096 /* bytes; SCHEMA_FIELDS_MAX fields fit */
#define ALERTS_MAX       4096 /* a frame ... */
#define EVENT_ALERTS_MAX 1000 /* ... and an event; the runtime's own limit is lower */

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
	struct block *blocks;
	struct list events, alerts, dead_letters;
	size_t event_count, alert_count, dead_letter_count;
	struct write_set writes;
	size_t bytes;
};

int builder_new(const struct builder_source *source, struct builder **ret_builder)
{
	struct builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return -ENOMEM;
	builder->result.function = source->function;
	builder->result.outcome.function = source->name;
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
	free(builder->events.items);
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
 * NAME-SWITCH-HASH-N. The hash is over what names the event for good: its place in its transaction
 * alone comes again when the agent starts anew, and what is not acknowledged has no sequence: there
 * only its record tells it from another at the same place that came at the same time.
 */
static void alert_set_id(
	struct alert *alert, const char *function, const struct event_ref *event, unsigned int n)
{
	static const struct siphash_key fixed = {0x6e65746c616d6264, 0x616c657274206964};
	uint8_t bytes[96 + EVENT_RECORD_MAX] = {0};
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	cursor_put_be(&c, event->event_id, 4);
	cursor_put_be(&c, event->switch_id, 4);
	cursor_put_be(&c, event->sequence, 4);
	cursor_put_be(&c, event->index, 2);
	cursor_put_be(&c, event->time_ns, 8);
	cursor_put_bytes(&c, function, strnlen(function, 64));
	cursor_put_bytes(&c, event->record, schema_builtin(event->event_id)->record_size);
	snprintf(alert->id, sizeof(alert->id), "%.15s-%u-%016llx-%u", function, event->switch_id,
		(unsigned long long)siphash(&fixed, bytes, c.pos), n % EVENT_ALERTS_MAX);
}

/* An address: what the function says (null: none), else the event's own field. */
static int alert_address(struct builder *builder, const json_t *json, const char *name,
	const struct event_ref *event, const char **ret_text)
{
	const struct schema *schema = schema_builtin(event->event_id);
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
static int alert_number(
	const json_t *json, const char *name, const struct event_ref *event, int *ret)
{
	const struct schema *schema = schema_builtin(event->event_id);
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

static int alert_fill(struct builder *builder, struct alert *alert, const json_t *json,
	const struct event_ref *event)
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

static uint64_t raised_ns(const struct builder *builder, const struct event_ref *event)
{
	const struct engine *engine = builder->result.function->engine;

	if (!engine->ops->raised_ns)
		return clock_realtime_ns();
	return engine->ops->raised_ns(engine->user, event);
}

static int alert_add(struct builder *builder, const struct event_ref *event, unsigned int n,
	const char *text, size_t len)
{
	struct alert *alert;
	json_t *json;
	int r;

	r = list_reserve(&builder->alerts, builder->alert_count, 1, sizeof(*alert));
	if (r < 0)
		return r;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return -EBADMSG;
	alert = (struct alert *)builder->alerts.items + builder->alert_count;
	*alert = (struct alert){
		.time_ns = event->time_ns,
		.raised_ns = raised_ns(builder, event),
		.switch_id = event->switch_id,
		.event_id = event->event_id,
	};
	alert_set_id(alert, builder->result.outcome.function, event, n);
	r = alert_fill(builder, alert, json, event);
	json_decref(json);
	if (r == 0)
		builder->alert_count++;
	return r;
}

/* ---- a RESULT frame ---- */

/* One state change, and where the bytes of its key and name lie: one behind the other. */
static int read_write(struct cursor *c, struct state_row *ret_write, size_t *ret_identity_len)
{
	struct state_row write = {0};
	size_t name_len = 0;
	uint8_t deleted;

	write.key = pipe_get_text(c, NULL);
	write.name = pipe_get_text(c, &name_len);
	deleted = cursor_get_u8(c);
	if (deleted == 0)
		write.value = pipe_get_text(c, &write.value_len);
	if (!cursor_ok(c) || deleted > 1)
		return -EBADMSG;
	write.hash = key_hash_text(write.key);
	*ret_identity_len = (size_t)(write.name - write.key) + name_len;
	*ret_write = write;
	return 0;
}

/* Checks them and makes room: nothing is changed before the whole frame is known to be good. */
static int check_writes(struct builder *builder, struct cursor *c, uint32_t *ret_count)
{
	uint32_t count = cursor_get_le32(c);
	struct state_row write;
	size_t identity_len;

	/* A write is at least two empty texts and a flag; more could only be there to reserve memory. */
	if (count > cursor_left(c) / 11)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++)
		if (read_write(c, &write, &identity_len) < 0)
			return -EBADMSG;
	*ret_count = count;
	return write_set_reserve(&builder->writes, count);
}

static void put_writes(struct builder *builder, struct cursor *c)
{
	uint32_t count = cursor_get_le32(c);
	struct state_row write;
	size_t identity_len;

	for (uint32_t i = 0; i < count; i++)
		if (read_write(c, &write, &identity_len) == 0)
			write_set_put(&builder->writes, &write, write.key, identity_len);
}

static int read_alerts(
	struct builder *builder, const struct queue *queue, size_t done, struct cursor *c)
{
	uint32_t count = cursor_get_le32(c);
	uint32_t last = 0, n = 0;

	if (count > ALERTS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = cursor_get_le32(c);
		size_t len = 0;
		const char *text = pipe_get_text(c, &len);
		int r;

		if (!text || index >= done || (i > 0 && index < last))
			return -EBADMSG;
		n = i > 0 && index == last ? n + 1 : 0;
		if (n >= EVENT_ALERTS_MAX)
			return -EBADMSG;
		last = index;
		r = alert_add(builder, queue_at(queue, queue->decided + index), n, text, len);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_verdict(struct cursor *c, size_t batch, struct verdict *ret_verdict)
{
	struct verdict verdict = {.done = cursor_get_le32(c)};
	uint8_t failed = cursor_get_u8(c);

	verdict.failed = failed == 1;
	if (verdict.failed)
		verdict.message = pipe_get_text(c, NULL);
	if (!cursor_ok(c) || failed > 1)
		return -EBADMSG;
	/* A worker may stop early, but not without getting anywhere. */
	if (verdict.failed ? verdict.done >= batch : verdict.done == 0 || verdict.done > batch)
		return -EBADMSG;
	*ret_verdict = verdict;
	return 0;
}

static int add_events(struct builder *builder, const struct queue *queue, size_t count)
{
	struct event_ref *events;

	if (list_reserve(&builder->events, builder->event_count, count, sizeof(*events)) < 0)
		return -ENOMEM;
	events = builder->events.items;
	for (size_t i = 0; i < count; i++)
		events[builder->event_count++] = *queue_at(queue, queue->decided + i);
	return 0;
}

int builder_add_result(struct builder *builder, const struct queue *queue, size_t batch,
	const uint8_t *payload, size_t size, struct verdict *ret_verdict)
{
	struct checkpoint before = builder_checkpoint(builder);
	struct verdict verdict;
	struct cursor c, head, writes;
	uint32_t write_count = 0;
	uint8_t *copy;
	int r;

	cursor_read_init(&head, payload, size);
	r = read_verdict(&head, batch, &verdict);
	if (r < 0)
		return r;
	/* The writes stay where they are in the frame, so it has to stay, too. */
	copy = builder_alloc(builder, size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, payload, size);
	cursor_read_init(&c, copy, size);
	cursor_get(&c, head.pos);
	writes = c;
	r = check_writes(builder, &c, &write_count);
	if (r == 0)
		r = read_alerts(builder, queue, verdict.done, &c);
	if (r == 0 && (!cursor_ok(&c) || cursor_left(&c) > 0))
		r = -EBADMSG;
	/* Changes belong to events that are done. */
	if (r == 0 && verdict.done == 0 && write_count > 0)
		r = -EBADMSG;
	if (r == 0)
		r = add_events(builder, queue, verdict.done);
	if (r < 0) {
		builder_restore(builder, &before);
		return r;
	}
	put_writes(builder, &writes);
	*ret_verdict = verdict;
	return 0;
}

int builder_add_dead_letter(struct builder *builder, const struct queue *queue,
	unsigned int attempts, const char *reason)
{
	struct checkpoint before = builder_checkpoint(builder);
	const struct event_ref *event = queue_at(queue, queue->decided);
	struct dead_letter letter = {
		.time_ns = event->time_ns,
		.switch_id = event->switch_id,
		.event_id = event->event_id,
		.sequence = event->sequence,
		.index = event->index,
		.attempts = (uint16_t)MIN(attempts, (unsigned int)UINT16_MAX),
	};
	char json[RECORD_JSON_MAX];

	record_render_json(schema_builtin(event->event_id), event->record, json, sizeof(json));
	letter.reason = builder_strdup(builder, reason);
	letter.data = builder_strdup(builder, json);
	if (!letter.reason || !letter.data ||
		list_reserve(&builder->dead_letters, builder->dead_letter_count, 1,
			sizeof(letter)) < 0 ||
		add_events(builder, queue, 1) < 0) {
		builder_restore(builder, &before);
		return -ENOMEM;
	}
	((struct dead_letter *)builder->dead_letters.items)[builder->dead_letter_count++] = letter;
	return 0;
}

size_t builder_bytes(const struct builder *builder)
{
	return builder->bytes + builder->writes.count * sizeof(struct state_row);
}

bool builder_is_urgent(const struct builder *builder)
{
	return builder->alert_count > 0 || builder->dead_letter_count > 0;
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
	builder->result.events = builder->events.items;
	builder->result.event_count = builder->event_count;
	return &builder->result;
}
