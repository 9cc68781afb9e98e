// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"

#include "event/render.h"

#include <errno.h>
#include <stdio.h>

/*
 * The entry, ready to be changed. If it holds nothing, or was made of other arguments, `init` is to
 * make it. NULL: it is refused.
 */
static struct entry *claim_made(
	struct lambda_context *context, const char *name, const struct value *wanted)
{
	struct entry *entry = api_claim_kind(context, name, wanted->kind);
	struct value fresh = *wanted;

	if (!entry || (value_fits(&entry->value, wanted) && !api_save(context, entry)))
		return NULL;
	if (value_fits(&entry->value, wanted))
		return entry;
	if (!api_replace(context, entry))
		return NULL;
	if (value_init(&fresh) < 0) {
		value_done(&fresh);
		api_refuse_error(context, -ENOMEM);
		return NULL;
	}
	entry->value = fresh;
	return entry;
}

/* To read: NULL if there is none that was made of the same arguments. */
static struct entry *find_made(
	struct lambda_context *context, const char *name, const struct value *wanted)
{
	struct entry *entry = api_find_kind(context, name, wanted->kind);

	return entry && value_fits(&entry->value, wanted) ? entry : NULL;
}

/* ---- windows ---- */

double lambda_window_add(
	struct lambda_context *context, const char *name, uint64_t length_ms, double amount)
{
	const struct value wanted = {VALUE_WINDOW, .window.length = (double)length_ms};
	double now = context->view.now;
	struct entry *entry;

	if (!api_check_length(context, length_ms) || !api_check_number(context, amount))
		return 0;
	entry = claim_made(context, name, &wanted);
	if (!entry)
		return 0;
	api_note(context, entry, window_add(&entry->value.window, now, amount));
	return window_value(&entry->value.window, now);
}

double lambda_window(struct lambda_context *context, const char *name, uint64_t length_ms)
{
	const struct value wanted = {VALUE_WINDOW, .window.length = (double)length_ms};
	struct entry *entry = NULL;

	if (api_check_length(context, length_ms))
		entry = find_made(context, name, &wanted);
	return entry ? window_value(&entry->value.window, context->view.now) : 0;
}

/* ---- values that are told apart by their text ---- */

/* To be released by text_done(). */
static bool make_text(struct lambda_context *context, const char *value, struct text *ret_text)
{
	size_t len = strlen(value);

	if (!text_is_valid(value, len)) {
		context_refuse(context, "expected a value of at most %d characters of UTF-8",
			TEXT_CHARS_MAX);
		return false;
	}
	if (text_set(ret_text, value, len, text_hash(value, len)) == 0)
		return true;
	api_refuse_error(context, -ENOMEM);
	return false;
}

static bool want_distinct(struct lambda_context *context, uint64_t length_ms, unsigned int cap,
	struct value *ret_wanted)
{
	*ret_wanted = (struct value){VALUE_DISTINCT,
		.distinct = {.length = (double)length_ms, .cap = cap ? cap : DISTINCT_CAP}};
	if (cap > DISTINCT_CAP_MAX)
		context_refuse(context, "distinct: expected a cap from 1 to %d, found %u",
			DISTINCT_CAP_MAX, cap);
	return cap <= DISTINCT_CAP_MAX && api_check_length(context, length_ms);
}

double lambda_distinct_add(struct lambda_context *context, const char *name, uint64_t length_ms,
	unsigned int cap, const char *value)
{
	_cleanup_(text_done) struct text text = {0};
	double now = context->view.now;
	struct entry *entry;
	struct value wanted;

	if (!want_distinct(context, length_ms, cap, &wanted) || !make_text(context, value, &text))
		return 0;
	entry = claim_made(context, name, &wanted);
	if (!entry)
		return 0;
	api_note(context, entry,
		distinct_add(&entry->value.distinct, now, &text, state_undo(context->view.state)));
	return distinct_value(&entry->value.distinct, now);
}

double lambda_distinct_add_ip(struct lambda_context *context, const char *name, uint64_t length_ms,
	unsigned int cap, const ip_addr *value)
{
	char text[IP_TEXT_MAX];

	return lambda_distinct_add(context, name, length_ms, cap, ip_render(value, text));
}

double lambda_distinct_add_number(struct lambda_context *context, const char *name,
	uint64_t length_ms, unsigned int cap, uint64_t value)
{
	char text[24];

	text[text_put_uint(text, value)] = '\0';
	return lambda_distinct_add(context, name, length_ms, cap, text);
}

double lambda_distinct(
	struct lambda_context *context, const char *name, uint64_t length_ms, unsigned int cap)
{
	struct entry *entry = NULL;
	struct value wanted;

	if (want_distinct(context, length_ms, cap, &wanted))
		entry = find_made(context, name, &wanted);
	return entry ? distinct_value(&entry->value.distinct, context->view.now) : 0;
}

static bool want_top(struct lambda_context *context, unsigned int k, uint64_t length_ms,
	struct value *ret_wanted)
{
	*ret_wanted = (struct value){VALUE_TOP, .top = {.length = (double)length_ms, .k = k}};
	if (k < 1 || k > TOP_MAX) {
		context_refuse(context, "top: expected a number of values from 1 to %d, found %u",
			TOP_MAX, k);
		return false;
	}
	return length_ms == 0 || api_check_length(context, length_ms);
}

double lambda_top_add(struct lambda_context *context, const char *name, unsigned int k,
	uint64_t length_ms, const char *value, double amount)
{
	_cleanup_(text_done) struct text text = {0};
	double now = context->view.now;
	struct entry *entry;
	struct value wanted;

	if (!want_top(context, k, length_ms, &wanted) || !api_check_number(context, amount))
		return 0;
	if (amount < 0) {
		context_refuse(context, "top: expected an amount of 0 or more, found %g", amount);
		return 0;
	}
	if (!make_text(context, value, &text))
		return 0;
	entry = claim_made(context, name, &wanted);
	if (!entry)
		return 0;
	api_note(context, entry,
		top_add(&entry->value.top, now, &text, amount, state_undo(context->view.state)));
	return top_sum(&entry->value.top, now, &text);
}

size_t lambda_top(struct lambda_context *context, const char *name, unsigned int k,
	uint64_t length_ms, struct lambda_sum *ret_sums)
{
	struct top_sum sums[TOP_MAX];
	struct entry *entry = NULL;
	struct value wanted;
	size_t count;

	if (want_top(context, k, length_ms, &wanted))
		entry = find_made(context, name, &wanted);
	if (!entry)
		return 0;
	count = (size_t)top_value(&entry->value.top, context->view.now, sums);
	for (size_t i = 0; i < count; i++)
		ret_sums[i] =
			(struct lambda_sum){lambda_format(context, "%s", text_get(sums[i].value)),
				sums[i].sum, sums[i].error};
	return count;
}

/* ---- what answers once, as it changes ---- */

double lambda_growth(struct lambda_context *context, const char *name, double total, time_ns first)
{
	const struct value wanted = {VALUE_GROWTH};
	struct entry *entry;
	double grown;

	if (!api_check_number(context, total))
		return 0;
	entry = claim_made(context, name, &wanted);
	if (!entry)
		return 0;
	api_note(context, entry,
		growth_ask(&entry->value.growth, context->view.now, total, first, &grown));
	return grown;
}

bool lambda_once(struct lambda_context *context, const char *name, uint64_t length_ms)
{
	const struct value wanted = {VALUE_ONCE, .once.length = (double)length_ms};
	struct entry *entry;
	bool answer;

	if (!api_check_length(context, length_ms))
		return false;
	entry = claim_made(context, name, &wanted);
	if (!entry)
		return false;
	api_note(context, entry, once_ask(&entry->value.once, context->view.now, &answer));
	return answer;
}
