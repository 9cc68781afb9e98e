// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define LENGTH_MAX (366 * LAMBDA_DAY)

static void vrefuse(struct lambda_context *context, const char *format, va_list args)
{
	char reason[CONTEXT_ERROR_MAX], *copy;

	if (context->failed)
		return;
	context->failed = true;
	vsnprintf(reason, sizeof(reason), format, args);
	for (char *at = reason; !utf8_is_valid(reason, strlen(reason)) && *at; at++)
		if (*at & 0x80)
			*at = '?';
	copy = scratch_take(&context->around->scratch, strlen(reason) + 1);
	context->error = copy ? strcpy(copy, reason) : "no memory";
}

void context_refuse(struct lambda_context *context, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vrefuse(context, format, args);
	va_end(args);
}

int lambda_fail(struct lambda_context *context, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vrefuse(context, format, args);
	va_end(args);
	return -1;
}

void api_refuse_error(struct lambda_context *context, int error)
{
	if (error == -EINVAL)
		context_refuse(context, "state: expected a name of 1 to %d characters of UTF-8",
			TEXT_CHARS_MAX);
	else
		context_refuse(context, "no memory");
}

void api_refuse_claim(struct lambda_context *context, const char *name, int error)
{
	if (error == -EDQUOT)
		context_refuse(context,
			"StateFull: state: \"%s\" cannot grow: the function keeps as much as it "
			"may "
			"(state_bytes)",
			name);
	else
		api_refuse_error(context, error);
}

bool api_check_state(struct lambda_context *context)
{
	if (!context->view.state)
		context_refuse(context, "state: there is none outside of an event");
	return context->view.state != NULL;
}

bool api_check_number(struct lambda_context *context, double number)
{
	if (!isfinite(number))
		context_refuse(context, "expected a number, found %g", number);
	return isfinite(number);
}

bool api_check_length(struct lambda_context *context, uint64_t length_ms)
{
	if (length_ms >= BUCKETS && length_ms <= LENGTH_MAX)
		return true;
	context_refuse(context, "expected a length of %d ms to 366 days, found %llu ms", BUCKETS,
		(unsigned long long)length_ms);
	return false;
}

static bool holds(struct lambda_context *context, const struct entry *entry, enum value_kind kind)
{
	if (entry->value.kind == kind)
		return true;
	context_refuse(context, "state: \"%s\" holds something else than a %s", entry->name->text,
		value_kind_name(kind));
	return false;
}

struct entry *api_find(struct lambda_context *context, const char *name)
{
	struct entry *entry = api_check_state(context) ? state_find(&context->view, name) : NULL;

	return entry && !value_is_over(&entry->value, context->view.now) ? entry : NULL;
}

struct entry *api_find_kind(struct lambda_context *context, const char *name, enum value_kind kind)
{
	struct entry *entry = api_find(context, name);

	if (!entry || entry->value.kind == VALUE_NONE)
		return NULL;
	if (value_restore(&entry->value) < 0) {
		api_refuse_error(context, -ENOMEM);
		return NULL;
	}
	return holds(context, entry, kind) ? entry : NULL;
}

struct entry *api_claim_kind(struct lambda_context *context, const char *name, enum value_kind kind)
{
	struct entry *entry;
	int r;

	if (!api_check_state(context))
		return NULL;
	r = state_claim(&context->view, name, &entry);
	if (r == 0 && value_is_over(&entry->value, context->view.now))
		r = state_replace(context->view.state, entry);
	if (r == 0)
		r = value_restore(&entry->value);
	if (r < 0) {
		api_refuse_claim(context, name, r);
		return NULL;
	}
	if (entry->value.kind == VALUE_NONE || holds(context, entry, kind))
		return entry;
	return NULL;
}

bool api_save(struct lambda_context *context, struct entry *entry)
{
	int r = state_save(context->view.state, entry);

	if (r < 0)
		api_refuse_error(context, r);
	return r == 0;
}

bool api_replace(struct lambda_context *context, struct entry *entry)
{
	int r = 0;

	if (entry->value.kind != VALUE_NONE)
		r = state_replace(context->view.state, entry);
	if (r < 0)
		api_refuse_error(context, r);
	return r == 0;
}

void api_note(struct lambda_context *context, struct entry *entry, int r)
{
	if (r > 0)
		r = state_changed(context->view.state, entry);
	if (r < 0)
		api_refuse_error(context, r);
}

const char *api_keep_text(struct lambda_context *context, struct pipe_buffer *text)
{
	char *copy = text->failed ? NULL : scratch_take(&context->around->scratch, text->size + 1);

	if (copy) {
		if (text->size > 0)
			memcpy(copy, text->bytes, text->size);
		copy[text->size] = '\0';
	} else {
		api_refuse_error(context, -ENOMEM);
	}
	pipe_buffer_done(text);
	return copy;
}
