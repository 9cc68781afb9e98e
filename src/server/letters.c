// SPDX-License-Identifier: BSD-2-Clause
#include "server/letters.h"

#include "base/clock.h"
#include "server/api_json.h"
#include "server/call_event.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#define PIECE 500 /* letters read in a round of the loop: some milliseconds */

int letter_filter_read(struct api_call *call, struct letter_filter *ret_filter)
{
	const json_t *row = json_object_get(call->body, "row");
	const json_t *age = json_object_get(call->body, "older_than_seconds");
	const uint64_t now_ns = clock_realtime_ns();
	struct letter_filter filter = {
		.function = json_string_value(json_object_get(call->body, "function")),
		.row = (uint64_t)json_integer_value(row),
	};

	if (json_integer_value(age) > 0)
		filter.before_ns =
			now_ns - MIN((uint64_t)json_integer_value(age), now_ns / NS_PER_SEC - 1) *
					 NS_PER_SEC;
	if (!filter.function && !filter.row && !filter.before_ns &&
		!json_is_true(json_object_get(call->body, "all"))) {
		api_call_refuse(call, MHD_HTTP_BAD_REQUEST,
			"which dead letters? expected \"function\", \"row\", "
			"\"older_than_seconds\" "
			"or \"all\"");
		return -EINVAL;
	}
	*ret_filter = filter;
	return 0;
}

/* ---- those under way ---- */

bool letters_own(const struct letters *letters, const void *origin, uint64_t *ret_row)
{
	const struct letter_retry *retry = origin;

	if (!letters || retry < letters->retries || retry >= letters->retries + LETTERS_RETRIED_MAX)
		return false;
	if (ret_row)
		*ret_row = retry->row;
	return true;
}

void letters_release(struct letters *letters, void *origin)
{
	struct letter_retry *retry = origin;

	*retry = (struct letter_retry){0};
	letters->count--;
}

static bool is_under_way(const struct letters *letters, uint64_t row)
{
	for (size_t i = 0; i < LETTERS_RETRIED_MAX && letters->count > 0; i++)
		if (letters->retries[i].row == row)
			return true;
	return false;
}

static struct letter_retry *find_free(struct letters *letters)
{
	for (size_t i = 0; i < LETTERS_RETRIED_MAX; i++)
		if (letters->retries[i].row == 0)
			return &letters->retries[i];
	return NULL;
}

/* ---- retrying ---- */

enum outcome_of_retry {
	RETRY_GIVEN,     /* to its function */
	RETRY_UNDER_WAY, /* it was already */
	RETRY_NO_FUNCTION,
	RETRY_NO_ROOM,
	RETRY_NO_RECORD, /* of a version that did not keep it, or had other fields */
	RETRY_OUTCOMES,
};

static const char *const outcome_names[] = {
	[RETRY_GIVEN] = "retried",
	[RETRY_UNDER_WAY] = "under_way",
	[RETRY_NO_FUNCTION] = "no_function",
	[RETRY_NO_ROOM] = "no_room",
	[RETRY_NO_RECORD] = "no_record",
};

struct retrying {
	struct letters *letters;
	struct retrying *next;
	struct api_call *call;
	struct letter_filter filter; /* borrows from the call */
	struct loop_timer timer;     /* goes on */
	uint64_t after;              /* the last row that was read ... */
	uint64_t last; /* ... and is to be: what fails anew is not tried again and again */
	uint64_t counts[RETRY_OUTCOMES];
};

/* What a letter's request said stands in its data. */
static int read_request(const struct dead_letter *letter, const struct function_config *config,
	struct call_event *ret_request)
{
	_cleanup_free_ char *error = NULL;
	json_t *data = json_loads(letter->data, JSON_ALLOW_NUL, NULL);
	int r = data ? call_event_request(data, 0, config, ret_request, &error) : -EINVAL;

	json_decref(data);
	return r;
}

static enum outcome_of_retry retry_one(struct letters *letters, uint64_t row, const char *function,
	const struct dead_letter *letter)
{
	const struct schema *schema = schema_builtin(letter->event_id);
	struct unit *unit = units_find_live(letters->units, function);
	struct call_event request = {0};
	struct letter_retry *retry;
	struct event_call call;
	bool given = false;

	if (is_under_way(letters, row))
		return RETRY_UNDER_WAY;
	if (!unit)
		return RETRY_NO_FUNCTION;
	if (!schema || !letter->record || letter->record_size != schema->record_size)
		return RETRY_NO_RECORD;
	retry = find_free(letters);
	if (!retry)
		return RETRY_NO_ROOM;
	if (letter->event_id == EVENT_HTTP && read_request(letter, unit->config, &request) < 0)
		return RETRY_NO_RECORD;
	*retry = (struct letter_retry){.row = row};
	letters->count++;
	call = (struct event_call){request.key, request.data};
	if (function_push(unit->function, &(struct event_run){
						  .event_id = letter->event_id,
						  .switch_id = letter->switch_id,
						  .epoch = letter->epoch,
						  .sequence = letter->sequence,
						  .index = letter->index,
						  .time_ns = letter->time_ns,
						  .records = letter->record,
						  .stride = letter->record_size,
						  .count = 1,
						  .origin = retry,
						  .call = request.data ? &call : NULL,
					  }) == 1)
		given = true;
	else
		letters_release(letters, retry);
	call_event_done(&request);
	return given ? RETRY_GIVEN : RETRY_NO_ROOM;
}

static int on_letter(
	void *user, uint64_t row, const char *function, const struct dead_letter *letter)
{
	struct retrying *retrying = user;
	const struct letter_filter *filter = &retrying->filter;

	if (row > retrying->last)
		return 1;
	retrying->after = row;
	if ((filter->row && row != filter->row) ||
		(filter->before_ns && letter->time_ns >= filter->before_ns))
		return 0;
	retrying->counts[retry_one(retrying->letters, row, function, letter)]++;
	return 0;
}

static void retrying_free(struct retrying *retrying)
{
	struct retrying **at = &retrying->letters->retrying;

	while (*at && *at != retrying)
		at = &(*at)->next;
	if (*at)
		*at = retrying->next;
	loop_disarm_timer(&retrying->timer);
	free(retrying);
}

static void answer(struct retrying *retrying)
{
	json_t *answer = json_object();

	for (size_t i = 0; i < RETRY_OUTCOMES; i++)
		json_put(&answer, outcome_names[i], json_count(retrying->counts[i]));
	api_call_answer(retrying->call, MHD_HTTP_OK, answer);
	retrying_free(retrying);
}

static void go_on(struct retrying *retrying)
{
	struct letters *letters = retrying->letters;
	const struct letter_filter *filter = &retrying->filter;
	unsigned int limit = filter->row ? 1 : PIECE;
	int r = store_load_dead_letters(
		letters->reader, filter->function, retrying->after, limit, on_letter, retrying);

	if (r < 0) {
		api_call_refuse(retrying->call, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot read dead letters: %s", store_error(letters->reader));
		retrying_free(retrying);
	} else if (r < PIECE) {
		answer(retrying);
	} else {
		loop_arm_timer(letters->loop, &retrying->timer, loop_now_ns(letters->loop) + 1);
	}
}

static int take_row(void *user, uint64_t row, const char *function _unused_,
	const struct dead_letter *letter _unused_)
{
	*(uint64_t *)user = row;
	return 0;
}

static void on_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	go_on(timer->user);
}

void letters_retry(struct letters *letters, struct api_call *call)
{
	struct letter_filter filter;
	struct retrying *retrying;

	if (letter_filter_read(call, &filter) < 0)
		return;
	retrying = calloc(1, sizeof(*retrying));
	if (!retrying) {
		api_call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	*retrying = (struct retrying){
		.letters = letters,
		.next = letters->retrying,
		.call = call,
		.filter = filter,
		.timer = {.fn = on_timer, .user = retrying},
		.after = filter.row ? filter.row - 1 : 0,
	};
	letters->retrying = retrying;
	(void)!store_each_dead_letter(
		letters->reader, filter.function, 1, take_row, &retrying->last);
	go_on(retrying);
}

void letters_stop(struct letters *letters)
{
	while (letters->retrying) {
		api_call_refuse(letters->retrying->call, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the server is stopping");
		retrying_free(letters->retrying);
	}
}
