// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"

#include <errno.h>

#define VALUE_MAX        (64U << 10) /* bytes of JSON */
#define VALUE_SHORT      64          /* that what is there may always have */
#define EVENT_CHANGE_MAX (8U << 20)  /* that one event may set */

const char *lambda_key(struct lambda_context *context)
{
	struct pipe_buffer text = {0};
	const char *key = NULL;

	if (api_check_state(context)) {
		state_put_key(&context->view, &text);
		key = api_keep_text(context, &text);
	}
	return key ? key : "";
}

/* ---- plain values ---- */

const char *lambda_get(struct lambda_context *context, const char *name)
{
	struct entry *entry = api_find(context, name);
	struct pipe_buffer text = {0};

	if (!entry || entry->value.kind == VALUE_NONE)
		return NULL;
	value_put(&entry->value, &text);
	return api_keep_text(context, &text);
}

double lambda_get_number(struct lambda_context *context, const char *name, double otherwise)
{
	struct entry *entry = api_find_kind(context, name, VALUE_NUMBER);

	return entry ? entry->value.number : otherwise;
}

const char *lambda_get_text(struct lambda_context *context, const char *name)
{
	struct entry *entry = api_find(context, name);
	struct pipe_buffer text = {0};
	json_t *json = NULL;
	size_t len;

	if (!entry || entry->value.kind == VALUE_NONE)
		return NULL;
	if (entry->value.kind == VALUE_JSON)
		json = json_loadb(
			entry->value.json.text, entry->value.json.len, JSON_DECODE_ANY, NULL);
	if (!json_is_string(json)) {
		context_refuse(context, "state: \"%s\" holds something else than a text", name);
		json_decref(json);
		return NULL;
	}
	len = json_string_length(json);
	json_put_bytes(&text, json_string_value(json), len);
	json_decref(json);
	return api_keep_text(context, &text);
}

/* The entry, which holds nothing. NULL: it is refused. */
static struct entry *claim_empty(struct lambda_context *context, const char *name)
{
	struct entry *entry;
	int r;

	if (!api_check_state(context))
		return NULL;
	r = state_claim(&context->view, name, &entry);
	if (r < 0) {
		api_refuse_claim(context, name, r);
		return NULL;
	}
	return api_replace(context, entry) ? entry : NULL;
}

/* When the state is full: whether what is there may become so long. */
static bool may_hold(struct lambda_context *context, const char *name, size_t len)
{
	struct entry *entry = state_find(&context->view, name);
	struct pipe_buffer text = {0};
	bool may;

	if (!entry)
		return false;
	value_put(&entry->value, &text);
	may = len <= MAX(text.size, (size_t)VALUE_SHORT);
	pipe_buffer_done(&text);
	return may;
}

static void set_text(struct lambda_context *context, const char *name, const char *json, size_t len)
{
	struct entry *entry;

	if (len > VALUE_MAX) {
		context_refuse(context, "state: \"%s\" is %zu bytes of JSON", name, len);
		return;
	}
	if (api_check_state(context) && state_is_full(context->view.state) &&
		!may_hold(context, name, len)) {
		api_refuse_claim(context, name, -EDQUOT);
		return;
	}
	entry = claim_empty(context, name);
	if (!entry)
		return;
	api_note(context, entry, value_set_json(&entry->value, json, len) < 0 ? -ENOMEM : 1);
	if (!context->around->together && state_event_bytes(context->view.state) > EVENT_CHANGE_MAX)
		context_refuse(context, "state: one event changes too much");
}

void lambda_set(struct lambda_context *context, const char *name, const char *json)
{
	json_error_t error;
	json_t *parsed = json_loads(json, JSON_DECODE_ANY, &error);
	char *compact;

	if (!parsed) {
		context_refuse(context, "state: \"%s\" is no JSON: %s", name, error.text);
		return;
	}
	json_decref(parsed);
	compact = malloc(strlen(json) + 1);
	if (!compact) {
		api_refuse_error(context, -ENOMEM);
		return;
	}
	json_compact(json, compact);
	if (value_is_reserved(compact))
		context_refuse(context,
			"state: \"%s\": a first member that begins with \"$\" is reserved", name);
	else
		set_text(context, name, compact, strlen(compact));
	free(compact);
}

void lambda_set_number(struct lambda_context *context, const char *name, double value)
{
	struct entry *entry;

	if (!api_check_number(context, value))
		return;
	entry = claim_empty(context, name);
	if (!entry)
		return;
	value_set_number(&entry->value, value);
	api_note(context, entry, 1);
}

void lambda_set_text(struct lambda_context *context, const char *name, const char *text)
{
	struct pipe_buffer json = {0};

	if (!utf8_is_valid(text, strlen(text))) {
		context_refuse(context, "state: \"%s\" is no UTF-8", name);
		return;
	}
	json_put_string(&json, text, strlen(text));
	if (json.failed)
		api_refuse_error(context, -ENOMEM);
	else
		set_text(context, name, (const char *)json.bytes, json.size);
	pipe_buffer_done(&json);
}

bool lambda_delete(struct lambda_context *context, const char *name)
{
	struct entry *entry = api_check_state(context) ? state_find(&context->view, name) : NULL;
	bool is_over;
	int r;

	if (!entry || entry->value.kind == VALUE_NONE)
		return false;
	is_over = value_is_over(&entry->value, context->view.now);
	r = state_delete(context->view.state, entry);
	if (r < 0)
		api_refuse_error(context, r);
	return r == 0 && !is_over;
}

void lambda_ttl(struct lambda_context *context, const char *name, uint64_t ttl_ms)
{
	struct entry *entry = api_find(context, name);
	struct lease *lease;

	if (!entry || (ttl_ms > 0 && !api_check_length(context, ttl_ms)))
		return;
	if (value_restore(&entry->value) < 0) {
		api_refuse_error(context, -ENOMEM);
		return;
	}
	if (!value_lease(&entry->value)) {
		context_refuse(context, "state: \"%s\" is a %s, which has no time to live", name,
			value_kind_name(entry->value.kind));
		return;
	}
	if (!api_save(context, entry))
		return;
	lease = value_lease(&entry->value);
	lease->at = lease->ttl > 0 ? lease->at : 0;
	lease->ttl = (double)ttl_ms;
	lease_renew(lease, context->view.now);
	api_note(context, entry, 1);
}

/* ---- counters ---- */

double lambda_counter_add(struct lambda_context *context, const char *name, double amount)
{
	struct entry *entry;

	if (!api_check_number(context, amount))
		return 0;
	entry = api_claim_kind(context, name, VALUE_NUMBER);
	if (!entry || !api_save(context, entry))
		return 0;
	if (entry->value.kind == VALUE_NONE)
		value_set_number(&entry->value, 0);
	entry->value.number += amount;
	lease_renew(&entry->value.number_lease, context->view.now);
	api_note(context, entry, 1);
	return entry->value.number;
}

double lambda_counter(struct lambda_context *context, const char *name)
{
	return lambda_get_number(context, name, 0);
}
