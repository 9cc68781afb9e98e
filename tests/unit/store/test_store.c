// SPDX-License-Identifier: BSD-2-Clause
#include "store/store.h"

#include "event/key.h"
#include "store/expire.h"
#include "store/streams.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static const struct state_row two_writes[] = {
	{0x1fffffffffffffff, "10.0.0.1", "syn", "[1,2]", 5},
	{0xffffffffffffffff, "10.0.0.2", "syn", "{\"a\":1}", 7},
};

/* State, an alert, a dead letter and a mark, as one event batch leads to. */
struct batch {
	struct alert alerts[2];
	struct dead_letter letter;
	struct mark mark;
	struct outcome outcome;
};

static struct batch *make_batch(struct batch *batch, const char *function)
{
	*batch = (struct batch){
		.alerts = {make_alert("a-1"), make_alert("a-2")},
		.letter = {.time_ns = 5,
			.switch_id = 7,
			.event_id = 2,
			.sequence = 9,
			.index = 3,
			.attempts = 4,
			.reason = "TypeError: x is not a function",
			.data = "{\"count\":1}",
			.record = "\x00\xff",
			.record_size = 2},
		.mark = {.key = "srcip,dstport",
			.stream = stream_id(0xfffffffe, STREAM_V1),
			.incarnation = {0x7fffffff, 0xfedcba9876543210},
			.positions = {[0] = 255, [PARTITIONS - 1] = UINT64_MAX}},
	};
	batch->outcome = (struct outcome){
		.function = function,
		.writes = two_writes,
		.write_count = 2,
		.alerts = batch->alerts,
		.alert_count = 2,
		.dead_letters = &batch->letter,
		.dead_letter_count = 1,
		.marks = &batch->mark,
		.mark_count = 1,
	};
	return batch;
}

static int copy_mark(void *user, const char *function, const struct mark *mark)
{
	struct mark *copy = user;

	assert_string_equal(function, "port-scan");
	*copy = *mark;
	copy->key = strcmp(mark->key, "srcip,dstport") == 0 ? "srcip,dstport" : "another";
	return 0;
}

static int check_letter(
	void *user, uint64_t row, const char *function, const struct dead_letter *letter)
{
	++*(unsigned int *)user;
	assert_int_equal(row, 1);
	assert_string_equal(function, "port-scan");
	assert_int_equal(letter->time_ns, 5);
	assert_int_equal(letter->switch_id, 7);
	assert_int_equal(letter->event_id, 2);
	assert_int_equal(letter->sequence, 9);
	assert_int_equal(letter->index, 3);
	assert_int_equal(letter->attempts, 4);
	assert_string_equal(letter->reason, "TypeError: x is not a function");
	assert_string_equal(letter->data, "{\"count\":1}");
	assert_int_equal(letter->record_size, 2);
	assert_memory_equal(letter->record, "\x00\xff", 2);
	return 0;
}

static int check_first_alert(
	void *user, uint64_t row, const char *function, const struct alert *alert)
{
	++*(unsigned int *)user;
	assert_int_equal(row, 1);
	assert_string_equal(function, "port-scan");
	assert_string_equal(alert->id, "a-1");
	assert_int_equal(alert->time_ns, 1000);
	assert_int_equal(alert->raised_ns, 2000);
	assert_int_equal(alert->switch_id, 7);
	assert_int_equal(alert->event_id, 1);
	assert_string_equal(alert->severity, "high");
	assert_string_equal(alert->title, "TCP SYN scan");
	assert_string_equal(alert->category, "recon");
	assert_string_equal(alert->srcip, "10.0.0.1");
	assert_int_equal(alert->srcport, -1);
	assert_string_equal(alert->dstip, "10.0.0.2");
	assert_int_equal(alert->dstport, 80);
	assert_int_equal(alert->protocol, 6);
	assert_string_equal(alert->data, "{\"syn\":300}");
	return 1; /* enough */
}

static void reopened_store_gives_back_what_was_committed(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const struct alert_filter all = {0};
	struct batch batch;
	struct mark mark = {0};
	unsigned int seen = 0;
	char text[64];

	assert_int_equal(store_commit(store, &make_batch(&batch, "port-scan")->outcome, 1), 0);
	store_close(store);
	store = open_store(place->path, 0);

	assert_string_equal(get_state(store, "port-scan", "10.0.0.1", "syn", text), "[1,2]");
	assert_string_equal(get_state(store, "port-scan", "10.0.0.2", "syn", text), "{\"a\":1}");
	assert_string_equal(get_state(store, "other", "10.0.0.2", "syn", text), "");
	assert_int_equal(store_each_mark(store, NULL, copy_mark, &mark), 0);
	assert_string_equal(mark.key, batch.mark.key);
	assert_true(mark.stream == batch.mark.stream);
	assert_memory_equal(mark.incarnation, batch.mark.incarnation, sizeof(mark.incarnation));
	assert_memory_equal(mark.positions, batch.mark.positions, sizeof(mark.positions));
	assert_int_equal(store_each_dead_letter(store, NULL, 0, check_letter, &seen), 0);
	assert_int_equal(store_each_dead_letter(store, "port-scan", 5, check_letter, &seen), 0);
	assert_int_equal(store_each_dead_letter(store, "other", 5, check_letter, &seen), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(store_load_dead_letters(store, NULL, 0, 5, check_letter, &seen), 1);
	assert_int_equal(store_load_dead_letters(store, "port-scan", 0, 1, check_letter, &seen), 1);
	assert_int_equal(store_load_dead_letters(store, "port-scan", 1, 5, check_letter, &seen), 0);
	assert_int_equal(store_load_dead_letters(store, "other", 0, 5, check_letter, &seen), 0);
	assert_int_equal(seen, 4);
	seen = 2;
	assert_int_equal(store_each_alert(store, &all, check_first_alert, &seen), 1);
	assert_int_equal(seen, 3);
}

static void null_value_deletes_state(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const struct state_row delete = {0x1fffffffffffffff, "10.0.0.1", "syn", NULL, 0};
	const struct outcome first = {.function = "f", .writes = two_writes, .write_count = 2};
	const struct outcome second = {.function = "f", .writes = &delete, .write_count = 1};
	char text[64];

	assert_int_equal(store_commit(store, &first, 1), 0);
	assert_int_equal(store_commit(store, &second, 1), 0);
	assert_string_equal(get_state(store, "f", "10.0.0.1", "syn", text), "");
	assert_string_equal(get_state(store, "f", "10.0.0.2", "syn", text), "{\"a\":1}");
}

struct piece {
	struct state_place place; /* of the last row */
	unsigned int rows;
	char names[64];
};

static int note_state_row(void *user, const struct state_row *row)
{
	struct piece *piece = user;

	piece->rows++;
	piece->place.hash = row->hash;
	strcpy(piece->place.key, row->key);
	strcpy(piece->place.name, row->name);
	strcat(piece->names, row->name);
	return 0;
}

/* Of partitions at both ends of the hashes' range, and of SQLite's signed integers. */
static void state_is_loaded_by_partition_in_pieces(void **state)
{
	static const struct state_row rows[] = {
		{0, "k", "a", "1", 1},
		{0x0fffffffffffffff, "k", "b", "1", 1},
		{0x7000000000000000, "k", "c", "1", 1},
		{0x7fffffffffffffff, "k", "d", "1", 1},
		{0x7fffffffffffffff, "k", "e", "1", 1},
		{0x7fffffffffffffff, "l", "a", "1", 1},
		{0x8000000000000000, "k", "f", "1", 1},
		{0xffffffffffffffff, "k", "g", "1", 1},
	};
	static const struct {
		unsigned int partition;
		const char *names;
	} expected[] = {{0, "ab"}, {1, ""}, {7, "cdea"}, {8, "f"}, {15, "g"}};
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const struct outcome outcome = {
		.function = "f", .writes = rows, .write_count = ARRAY_SIZE(rows)};
	const struct outcome other = {.function = "g", .writes = rows, .write_count = 1};

	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(store_commit(store, &other, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct piece piece = {0};
		struct state_range range = {
			.function = "f", .partition = expected[i].partition, .limit = 2};

		while (store_load_state(store, &range, note_state_row, &piece) == 2)
			range.after = &piece.place;
		assert_string_equal(piece.names, expected[i].names);
	}
}

static void state_is_loaded_by_hash(void **state)
{
	static const struct state_row rows[] = {
		{0x7ffffffffffffffe, "k", "a", "1", 1},
		{0x7fffffffffffffff, "k", "b", "1", 1},
		{0x7fffffffffffffff, "k", "c", "1", 1},
		{0x7fffffffffffffff, "l", "d", "1", 1},
		{0x8000000000000000, "k", "e", "1", 1},
	};
	static const char *const expected[] = {"a", "bcd", "bcd", "bcd", "e"};
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const struct outcome outcome = {
		.function = "f", .writes = rows, .write_count = ARRAY_SIZE(rows)};

	assert_int_equal(store_commit(store, &outcome, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct piece piece = {0};
		struct state_range range = {.function = "f",
			.partition = key_partition(rows[i].hash),
			.hash = &rows[i].hash,
			.limit = 2};

		while (store_load_state(store, &range, note_state_row, &piece) == 2)
			range.after = &piece.place;
		assert_string_equal(piece.names, expected[i]);
	}
}

#define TEXT(text) text, sizeof(text) - 1

/* Of two functions; what has expired is spread over pieces of any size. */
static void expired_state_goes_piece_by_piece(void **state)
{
	static const struct state_row rows[] = {
		{1, "k", "a", TEXT("{\"$ttl\":1000,\"at\":5000,\"value\":1}")},
		{1, "k", "b", "1", 1},
		{0x8000000000000000, "k", "c", TEXT("{\"$window\":10000,\"at\":9,\"sums\":[1]}")},
		{0x8000000000000000, "k", "d", TEXT("{\"$ttl\":1000,\"at\":90000,\"value\":1}")},
		{0xffffffffffffffff, "k", "e", TEXT("{\"$once\":1000,\"at\":5000}")},
	};
	static const char *const functions[] = {"f", "g"};
	const struct place *place = *state;

	for (unsigned int limit = 1; limit < 12; limit++) {
		_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
		struct expire_round round = {0};
		uint64_t count, sum = 0;

		for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
			const struct outcome outcome = {.function = functions[i],
				.writes = rows,
				.write_count = ARRAY_SIZE(rows)};

			assert_int_equal(store_commit(store, &outcome, 1), 0);
		}
		do {
			assert_int_equal(store_expire(store, &round, 50000, limit, &count), 0);
			sum += count;
		} while (round.function[0]);
		assert_int_equal(sum, 2 * 3);
		for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
			struct piece piece = {0};

			assert_int_equal(
				store_each_state(store, functions[i], note_state_row, &piece), 0);
			assert_string_equal(piece.names, "db"); /* as SQLite has signed integers */
		}
	}
}

static void refused_outcome_takes_the_whole_commit_back(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	struct batch batch;
	struct outcome outcomes[2];
	char text[64];

	outcomes[0] = make_batch(&batch, "port-scan")->outcome;
	outcomes[1] = outcomes[0];
	/* The table wants a title. */
	batch.alerts[1].title = NULL;
	assert_int_equal(store_commit(store, outcomes, 2), -EIO);
	assert_non_null(strstr(store_error(store), "alerts.title"));
	assert_string_equal(get_state(store, "port-scan", "10.0.0.1", "syn", text), "");
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 0);

	batch.alerts[1].title = "now it has one";
	assert_int_equal(store_commit(store, outcomes, 2), 0);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 2);
}

static void repeated_alert_id_is_one_row(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	struct alert alert = make_alert("same");
	const struct outcome outcome = {.function = "f", .alerts = &alert, .alert_count = 1};

	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 1);
}

struct rows {
	uint64_t rows[8];
	size_t count;
};

static int note_row(
	void *user, uint64_t row, const char *function _unused_, const struct alert *alert _unused_)
{
	struct rows *rows = user;

	assert_true(rows->count < ARRAY_SIZE(rows->rows));
	rows->rows[rows->count++] = row;
	return 0;
}

static void assert_rows(
	struct store *store, struct alert_filter filter, const uint64_t *expected, size_t count)
{
	struct rows rows = {0};

	assert_int_equal(store_each_alert(store, &filter, note_row, &rows), 0);
	assert_int_equal(rows.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(rows.rows[i], expected[i]);
}

#define ROWS(...)                                                                                  \
	(const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

static void alert_filters_combine(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);

	for (unsigned int i = 1; i <= 6; i++) {
		char id[8];
		struct alert alert;
		struct outcome outcome = {.alerts = &alert, .alert_count = 1};

		snprintf(id, sizeof(id), "%u", i);
		alert = make_alert(id);
		/* The clock stepped back for the fourth. */
		alert.raised_ns = i == 4 ? 150 : i * 100ULL;
		outcome.function = i % 2 == 1 ? "odd" : "even";
		assert_int_equal(store_commit(store, &outcome, 1), 0);
	}
	assert_rows(store, (struct alert_filter){0}, ROWS(1, 2, 3, 4, 5, 6));
	assert_rows(store, (struct alert_filter){.limit = 2}, ROWS(5, 6));
	assert_rows(store, (struct alert_filter){.after_row = 4}, ROWS(5, 6));
	assert_rows(store, (struct alert_filter){.since_ns = 300}, ROWS(3, 5, 6));
	assert_rows(store, (struct alert_filter){.since_ns = 300, .limit = 2}, ROWS(5, 6));
	assert_rows(store, (struct alert_filter){.since_ns = 300, .function = "odd"}, ROWS(3, 5));
	assert_rows(store, (struct alert_filter){.function = "even", .limit = 1}, ROWS(6));
	assert_rows(store, (struct alert_filter){.since_ns = 601}, NULL, 0);
	assert_rows(store, (struct alert_filter){.function = "none"}, NULL, 0);
}

static void reader_sees_commits_beside_the_writer(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *writer = open_store(place->path, 0);
	_cleanup_(store_closep) struct store *reader = open_store(place->path, STORE_READ_ONLY);
	struct batch batch;
	char text[64];

	assert_int_equal(store_commit(writer, &make_batch(&batch, "port-scan")->outcome, 1), 0);
	assert_string_equal(get_state(reader, "port-scan", "10.0.0.1", "syn", text), "[1,2]");
	assert_int_equal(store_commit(reader, &batch.outcome, 1), -EIO);
}

static void closed_writer_leaves_everything_in_the_one_file(void **state)
{
	const struct place *place = *state;
	struct store *writer = open_store(place->path, 0);
	_cleanup_(store_closep) struct store *reader = open_store(place->path, STORE_READ_ONLY);
	struct batch batch;
	char wal[128], text[64];
	struct stat st;

	assert_int_equal(store_commit(writer, &make_batch(&batch, "port-scan")->outcome, 1), 0);
	snprintf(wal, sizeof(wal), "%s-wal", place->path);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size > 0);
	assert_string_equal(get_state(reader, "port-scan", "10.0.0.1", "syn", text), "[1,2]");
	store_close(writer);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* ---- streams ---- */

static int note_agent_text(void *user, const struct agent_row *agent)
{
	snprintf(user, 64, "%u %llu %llu: %llu %llu", agent->switch_id,
		(unsigned long long)agent->boot, (unsigned long long)agent->epoch,
		(unsigned long long)agent->before[1], (unsigned long long)agent->declared[1]);
	return 0;
}

static void assert_agent(struct store *store, const char *expected)
{
	char text[64] = "";

	assert_int_equal(streams_each_agent(store, note_agent_text, text), 0);
	assert_string_equal(text, expected);
}

static int note_sum(void *user, const struct loss_sum *sum)
{
	char *text = user;
	size_t len = strlen(text);

	snprintf(text + len, 128 - len, "%u %s %llu/%llu; ", (unsigned int)(sum->stream & 0xff),
		sum->cause, (unsigned long long)sum->events, (unsigned long long)sum->ranges);
	return 0;
}

static bool mark_stale, losses_stale[STREAM_LOSSES_MAX]; /* of what went last */

static int progress(struct store *store, const struct stream_mark *mark, const struct loss *losses,
	size_t loss_count)
{
	const struct stream_progress progress = {
		.marks = mark,
		.mark_count = mark != NULL,
		.marks_stale = &mark_stale,
		.losses = losses,
		.loss_count = loss_count,
		.losses_stale = losses_stale,
	};

	return streams_progress(store, &progress);
}

/* A commit names its epoch, and is refused if that is not the agent's. */
static void what_is_of_a_closed_incarnation_is_refused(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	struct agent_row agent = {.switch_id = 0xfffffffe, .boot = 1ULL << 63, .epoch = 1};
	const uint64_t stream = stream_id(agent.switch_id, 1);
	const struct loss losses[] = {{stream, 1, 10, 5, 1, "spool-full"},
		{stream, 1, 15, 7, 1, "spool-full"}, {stream, 1, 90, 0, 1, "restart"}};
	struct stream_mark mark = {stream, 1, 30};
	struct outcome outcome = {.function = "f", .stream_marks = &mark, .stream_mark_count = 1};
	char sums[128] = "";

	assert_int_equal(streams_admit(store, &agent, NULL, 0), 0);
	assert_int_equal(streams_admit(store, &agent, NULL, 0), -ESTALE);
	assert_int_equal(progress(store, &mark, losses, 2), 0);
	assert_false(mark_stale || losses_stale[0] || losses_stale[1]);
	mark.before = 20; /* never back */
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_agent(store, "4294967294 9223372036854775808 1: 30 22");
	agent.epoch = 2;
	agent.boot = 5;
	assert_int_equal(streams_admit(store, &agent, &losses[2], 1), 0);
	assert_agent(store, "4294967294 5 2: 0 0");
	assert_int_equal(store_commit(store, &outcome, 1), -EIO);
	assert_int_equal(progress(store, &mark, losses, 1), 0);
	assert_true(mark_stale && losses_stale[0]);
	agent.epoch = 4;
	assert_int_equal(streams_admit(store, &agent, NULL, 0), -ESTALE);
	assert_agent(store, "4294967294 5 2: 0 0");
	assert_int_equal(streams_each_loss_sum(store, note_sum, sums), 0);
	assert_string_equal(sums, "1 restart 0/1; 1 spool-full 12/2; ");
}

/* One switch's incarnation is not what the server thinks: the others' marks and losses hold. */
static void what_is_stale_holds_up_nobody_else(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const struct agent_row agents[] = {
		{.switch_id = 7, .boot = 1, .epoch = 1}, {.switch_id = 8, .boot = 1, .epoch = 1}};
	const struct loss losses[] = {{stream_id(7, 1), 9, 0, 5, 1, "spool-full"},
		{stream_id(8, 1), 1, 0, 6, 1, "spool-full"}, {stream_id(7, 2), 9, 0, 7, 1, "path"}};
	const struct stream_mark mark = {stream_id(8, 1), 1, 6};
	char sums[128] = "";

	for (size_t i = 0; i < ARRAY_SIZE(agents); i++)
		assert_int_equal(streams_admit(store, &agents[i], NULL, 0), 0);
	assert_int_equal(progress(store, &mark, losses, ARRAY_SIZE(losses)), 0);
	assert_true(losses_stale[0] && !losses_stale[1] && losses_stale[2] && !mark_stale);
	assert_agent(store, "8 1 1: 6 6"); /* the last */
	assert_int_equal(streams_each_loss_sum(store, note_sum, sums), 0);
	assert_string_equal(sums, "1 spool-full 6/1; ");
}

static int count_loss(void *user, uint64_t row, const struct loss *loss)
{
	size_t *count = user;

	assert_true(row > 5 && loss->sequence >= 5);
	++*count;
	return 0;
}

static void the_newest_losses_are_kept_and_the_sums_of_all(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	const struct agent_row agent = {.switch_id = 7, .boot = 1, .epoch = 1};
	static struct loss losses[STREAM_LOSSES_MAX / 2 + 5];
	char sums[128] = "";
	size_t count = 0;

	assert_int_equal(streams_admit(store, &agent, NULL, 0), 0);
	for (int round = 0; round < 2; round++) {
		size_t part = STREAM_LOSSES_MAX / 2 + (round == 0 ? 5 : 0);

		for (size_t i = 0; i < part; i++)
			losses[i] = (struct loss){stream_id(7, 1), 1,
				(round ? STREAM_LOSSES_MAX / 2 + 5 : 0) + i, 1, 1, "spool-full"};
		assert_int_equal(progress(store, NULL, losses, part), 0);
	}
	assert_int_equal(streams_each_loss(store, 0, UINT32_MAX, count_loss, &count), 0);
	assert_int_equal(count, STREAM_LOSSES_MAX);
	assert_int_equal(streams_each_loss_sum(store, note_sum, sums), 0);
	assert_string_equal(sums, "1 spool-full 10005/10005; ");
}

/* A switch says how long a range is, and may say so again after each of its starts. */
static void a_sum_of_losses_stops_at_the_greatest_integer(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	struct agent_row agent = {.switch_id = 7, .boot = 1};
	struct loss loss = {stream_id(7, 1), 0, 0, INT64_MAX, 1, "spool-full"};
	char sums[128] = "";

	for (agent.epoch = 1; agent.epoch <= 3; agent.epoch++) {
		loss.epoch = agent.epoch;
		assert_int_equal(streams_admit(store, &agent, NULL, 0), 0);
		assert_int_equal(progress(store, NULL, &loss, 1), 0);
	}
	assert_int_equal(streams_each_loss_sum(store, note_sum, sums), 0);
	assert_string_equal(sums, "1 spool-full 9223372036854775807/3; ");
}

static int count_mark(void *user, const char *function, const struct mark *mark _unused_)
{
	size_t *count = user;

	assert_string_not_equal(function, "");
	++*count;
	return 0;
}

static void a_forgotten_stream_has_no_marks(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	const char *const names[] = {"f", "none"};
	const struct mark marks[] = {{.key = "", .stream = stream_id(7, STREAM_V1)},
		{.key = "srcip", .stream = stream_id(7, STREAM_V1)},
		{.key = "", .stream = stream_id(8, STREAM_V1)}};
	struct outcome outcome = {.function = "f", .marks = marks, .mark_count = 3};
	size_t count = 0;

	assert_int_equal(store_commit(store, &outcome, 1), 0);
	outcome.function = "g";
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(streams_forget(store, marks[0].stream, names, 2), 0);
	assert_int_equal(store_each_mark(store, NULL, count_mark, &count), 0);
	assert_int_equal(count, 4);
}

static int list_mark(void *user, const char *function, const struct mark *mark)
{
	char *text = user;

	snprintf(text + strlen(text), 256 - strlen(text), "%s/%llu/%s=%llu ", function,
		(unsigned long long)mark->stream, mark->key,
		(unsigned long long)mark->positions[0]);
	return 0;
}

static void assert_marks(struct store *store, const char *expected)
{
	char text[256] = "";

	assert_int_equal(store_each_mark(store, NULL, list_mark, text), 0);
	assert_string_equal(text, expected);
}

static void commit_mark(
	struct store *store, const char *function, struct mark mark, uint64_t position)
{
	const struct outcome outcome = {.function = function, .marks = &mark, .mark_count = 1};

	mark.positions[0] = position;
	assert_int_equal(store_commit(store, &outcome, 1), 0);
}

static void marks_by_other_keys_stay_until_they_are_swept(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);

	commit_mark(store, "f", (struct mark){.key = "srcip", .stream = 1}, 5);
	commit_mark(store, "f", (struct mark){.key = "srcip", .stream = 2}, 6);
	commit_mark(store, "g", (struct mark){.key = "srcip", .stream = 1}, 7);
	commit_mark(store, "f", (struct mark){.key = "", .stream = 1}, 8);
	assert_marks(store, "f/1/=8 f/1/srcip=5 f/2/srcip=6 g/1/srcip=7 ");
	commit_mark(store, "f", (struct mark){.key = "", .stream = 1, .sweep = true}, 9);
	assert_marks(store, "f/1/=9 f/2/srcip=6 g/1/srcip=7 ");
}

/* As version 4 of the schema had it. */
static void marks_without_a_key_are_of_the_one_that_claims_them(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);

	store_close(store);
	run_sql(place->path,
		"DROP TABLE marks; CREATE TABLE marks("
		"  function TEXT NOT NULL, stream INTEGER NOT NULL, incarnation1 INTEGER NOT NULL,"
		"  incarnation2 INTEGER NOT NULL, positions BLOB NOT NULL,"
		"  PRIMARY KEY(function, stream)) STRICT, WITHOUT ROWID;"
		"INSERT INTO marks VALUES('f', 1, 3, 4, x'0500000000000000');"
		"INSERT INTO marks VALUES('f', 2, 3, 4, x'0600000000000000');"
		"INSERT INTO marks VALUES('g', 1, 3, 4, x'0700000000000000');"
		"DROP TABLE purges;"
		"PRAGMA user_version = 4");
	store = open_store(place->path, 0);
	assert_marks(store, "f/1/?=5 f/2/?=6 g/1/?=7 ");
	assert_int_equal(store_claim_marks(store, "f", "dstip"), 0);
	assert_int_equal(store_claim_marks(store, "f", "srcip"), 0); /* too late */
	assert_int_equal(store_claim_marks(store, "none", "srcip"), 0);
	assert_marks(store, "f/1/dstip=5 f/2/dstip=6 g/1/?=7 ");
	commit_mark(store, "g", (struct mark){.key = "srcip", .stream = 1, .sweep = true}, 8);
	assert_marks(store, "f/1/dstip=5 f/2/dstip=6 g/1/srcip=8 ");
	store_close(store);
}

/* ---- files that are not what they should be ---- */

static void assert_refused(
	const char *path, enum store_flags flags, int expected, const char *in_message)
{
	_cleanup_free_ char *error = NULL;
	struct store *store = NULL;

	assert_int_equal(store_open(path, flags, &store, &error), expected);
	assert_null(store);
	assert_non_null(error);
	if (!strstr(error, path) || !strstr(error, in_message))
		fail_msg("expected \"%s\" and \"%s\" in: %s", path, in_message, error);
}

static size_t read_file(const char *path, char *bytes, size_t size)
{
	FILE *file = fopen(path, "rb");
	size_t len;

	assert_non_null(file);
	len = fread(bytes, 1, size, file);
	fclose(file);
	return len;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* Large enough to have inner pages. */
static void fill_store(const char *path)
{
	_cleanup_(store_closep) struct store *store = open_store(path, STORE_RELAXED);
	char key[16], value[200];

	memset(value, '1', sizeof(value));
	for (unsigned int i = 0; i < 400; i++) {
		const struct state_row write = {i, key, "n", value, sizeof(value)};
		const struct outcome outcome = {
			.function = "f", .writes = &write, .write_count = 1};

		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(store_commit(store, &outcome, 1), 0);
	}
}

#define FILE_MAX (1 << 20)

static void assert_refused_and_untouched(const char *path, const char *in_message)
{
	_cleanup_free_ char *before = malloc(FILE_MAX), *after = malloc(FILE_MAX);
	size_t size = read_file(path, before, FILE_MAX);

	assert_true(size < FILE_MAX);
	assert_refused(path, 0, -EBADMSG, in_message);
	assert_refused(path, 0, -EBADMSG, in_message);
	assert_int_equal(read_file(path, after, FILE_MAX), size);
	assert_memory_equal(before, after, size);
}

static void garbage_file_is_refused_untouched(void **state)
{
	const struct place *place = *state;
	char garbage[8192];

	memset(garbage, 'x', sizeof(garbage));
	write_file(place->path, garbage, sizeof(garbage));
	assert_refused_and_untouched(place->path, ".recover");
}

static void truncated_file_is_refused_untouched(void **state)
{
	const struct place *place = *state;
	struct stat st;

	fill_store(place->path);
	assert_int_equal(stat(place->path, &st), 0);
	/* To whole pages, to the middle of a page, to the middle of the header. */
	assert_int_equal(truncate(place->path, st.st_size / 2 / 4096 * 4096), 0);
	assert_refused_and_untouched(place->path, ".recover");
	assert_int_equal(truncate(place->path, 3 * 4096 + 1000), 0);
	assert_refused_and_untouched(place->path, ".recover");
	assert_int_equal(truncate(place->path, 50), 0);
	assert_refused_and_untouched(place->path, ".recover");
}

static void damaged_page_is_refused_untouched(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *bytes = malloc(FILE_MAX);
	size_t size;

	fill_store(place->path);
	size = read_file(place->path, bytes, FILE_MAX);
	memset(bytes + size / 2 / 4096 * 4096, 0xff, 64);
	write_file(place->path, bytes, size);
	assert_refused_and_untouched(place->path, ".recover");
}

static void other_programs_database_is_refused_untouched(void **state)
{
	const struct place *place = *state;

	run_sql(place->path, "CREATE TABLE theirs(a); PRAGMA user_version = 1");
	assert_refused_and_untouched(place->path, "another program");
}

static void newer_schema_is_refused(void **state)
{
	const struct place *place = *state;

	fill_store(place->path);
	run_sql(place->path, "PRAGMA user_version = 1000");
	assert_refused(place->path, 0, -ENOTSUP, "upgrade");
	assert_refused(place->path, STORE_READ_ONLY, -ENOTSUP, "upgrade");
}

/* As version 2 of the schema had it. */
static void older_schema_is_upgraded_and_state_found_by_its_key(void **state)
{
	const struct place *place = *state;
	struct state_range range = {.function = "f", .limit = 10};
	struct piece piece = {0};
	struct mark mark = {0};
	struct store *store;

	store_close(open_store(place->path, 0));
	run_sql(place->path,
		"DROP TABLE state; CREATE TABLE state("
		"  function TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT "
		"NULL,"
		"  PRIMARY KEY(function, key, name)) STRICT, WITHOUT ROWID;"
		"INSERT INTO state VALUES('f', '10.0.0.3', 'syn', '7');"
		"DROP TABLE marks; CREATE TABLE marks("
		"  function TEXT NOT NULL, switch_id INTEGER NOT NULL, sequence INTEGER NOT NULL,"
		"  digest INTEGER NOT NULL, done INTEGER NOT NULL,"
		"  PRIMARY KEY(function, switch_id)) STRICT, WITHOUT ROWID;"
		"INSERT INTO marks VALUES('port-scan', 4294967295, 3, -1, 250);"
		"ALTER TABLE dead_letters DROP COLUMN epoch;"
		"ALTER TABLE dead_letters DROP COLUMN record;"
		"DROP TABLE agents; DROP TABLE streams; DROP TABLE losses; DROP TABLE loss_sums;"
		"DROP TABLE state_sums; DROP TABLE purges;"
		"PRAGMA user_version = 2");
	assert_refused(place->path, STORE_READ_ONLY, -ENOTSUP, "upgrades it");
	store = open_store(place->path, 0);
	range.partition = key_partition(key_hash_text("10.0.0.3"));
	assert_int_equal(store_load_state(store, &range, note_state_row, &piece), 1);
	assert_string_equal(piece.place.key, "10.0.0.3");
	assert_true(piece.place.hash == key_hash_text("10.0.0.3"));
	assert_int_equal(store_each_mark(store, NULL, copy_mark, &mark), 0);
	assert_true(mark.stream == stream_id(UINT32_MAX, STREAM_V1));
	assert_true(mark.incarnation[0] == 3 && mark.incarnation[1] == UINT64_MAX);
	for (size_t i = 0; i < PARTITIONS; i++)
		assert_int_equal(mark.positions[i], 250);
	store_close(store);
}

static void missing_file_is_made_only_for_writing(void **state)
{
	const struct place *place = *state;
	struct stat st;

	assert_refused(place->path, STORE_READ_ONLY, -ENOENT, "No such file");
	assert_int_equal(access(place->path, F_OK), -1);
	store_close(open_store(place->path, 0));
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 0007, 0);
}

static void missing_directory_is_refused(void **state)
{
	const struct place *place = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/none/store.db", place->dir);
	assert_refused(path, 0, -ENOENT, "directory must be there");
	assert_refused(place->dir, 0, -EISDIR, "found a directory");
}

static void second_writer_is_refused_until_the_first_is_gone(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);

	assert_refused(place->path, 0, -EBUSY, "another netlambda-server");
	store_close(store);
	store_close(open_store(place->path, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reopened_store_gives_back_what_was_committed),
		cmocka_unit_test(null_value_deletes_state),
		cmocka_unit_test(state_is_loaded_by_partition_in_pieces),
		cmocka_unit_test(state_is_loaded_by_hash),
		cmocka_unit_test(expired_state_goes_piece_by_piece),
		cmocka_unit_test(refused_outcome_takes_the_whole_commit_back),
		cmocka_unit_test(repeated_alert_id_is_one_row),
		cmocka_unit_test(alert_filters_combine),
		cmocka_unit_test(reader_sees_commits_beside_the_writer),
		cmocka_unit_test(closed_writer_leaves_everything_in_the_one_file),
		cmocka_unit_test(what_is_of_a_closed_incarnation_is_refused),
		cmocka_unit_test(what_is_stale_holds_up_nobody_else),
		cmocka_unit_test(the_newest_losses_are_kept_and_the_sums_of_all),
		cmocka_unit_test(a_sum_of_losses_stops_at_the_greatest_integer),
		cmocka_unit_test(a_forgotten_stream_has_no_marks),
		cmocka_unit_test(marks_by_other_keys_stay_until_they_are_swept),
		cmocka_unit_test(marks_without_a_key_are_of_the_one_that_claims_them),
		cmocka_unit_test(garbage_file_is_refused_untouched),
		cmocka_unit_test(truncated_file_is_refused_untouched),
		cmocka_unit_test(damaged_page_is_refused_untouched),
		cmocka_unit_test(other_programs_database_is_refused_untouched),
		cmocka_unit_test(newer_schema_is_refused),
		cmocka_unit_test(older_schema_is_upgraded_and_state_found_by_its_key),
		cmocka_unit_test(missing_file_is_made_only_for_writing),
		cmocka_unit_test(missing_directory_is_refused),
		cmocka_unit_test(second_writer_is_refused_until_the_first_is_gone),
	};
	struct CMUnitTest each[ARRAY_SIZE(tests)];

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		each[i] = tests[i];
		each[i].setup_func = place_new;
		each[i].teardown_func = place_free;
	}
	return cmocka_run_group_tests(each, NULL, NULL);
}
