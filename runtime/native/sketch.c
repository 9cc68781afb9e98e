// SPDX-License-Identifier: BSD-2-Clause
#include "sketch.h"

#include <errno.h>
#include <string.h>

#define RANK_ONE    ('a' - 1) /* in a text, a rank's letter less the rank */
#define HALF_BY_LN2 0.72134752044448170368

struct sketch *sketch_new(void)
{
	struct sketch *sketch = calloc(1, sizeof(*sketch));

	if (!sketch)
		return NULL;
	sketch->united_at = BUCKET_NONE;
	return sketch;
}

void sketch_free(void *object)
{
	struct sketch *sketch = object;

	parts_done(&sketch->parts, free);
	free(sketch);
}

/* ---- the estimate ---- */

static double sigma(double x)
{
	double z = x, y = 1, before;

	if (x == 1)
		return INFINITY;
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static double tau(double x)
{
	double z = 1 - x, y = 1, before;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

static double estimate(const uint32_t counts[static SKETCH_RANK_MAX + 1])
{
	const double registers = SKETCH_REGISTERS;
	double z = registers * tau(1 - counts[SKETCH_RANK_MAX] / registers);

	for (int rank = SKETCH_RANK_MAX - 1; rank >= 1; rank--)
		z = 0.5 * (z + counts[rank]);
	z += registers * sigma(counts[0] / registers);
	return floor(HALF_BY_LN2 * registers * (registers / z) + 0.5);
}

/* ---- uniting the parts ---- */

static void unite(const struct sketch *sketch, int64_t oldest, int64_t newest,
	uint8_t united[static SKETCH_REGISTERS], uint32_t counts[static SKETCH_RANK_MAX + 1])
{
	memset(united, 0, SKETCH_REGISTERS);
	memset(counts, 0, (SKETCH_RANK_MAX + 1) * sizeof(counts[0]));
	for (int64_t bucket = oldest; bucket <= newest; bucket++) {
		const uint8_t *part = parts_get(&sketch->parts, bucket);

		for (size_t i = 0; part && i < SKETCH_REGISTERS; i++)
			united[i] = MAX(united[i], part[i]);
	}
	for (size_t i = 0; i < SKETCH_REGISTERS; i++)
		counts[united[i]]++;
}

static void unite_window(struct sketch *sketch, int64_t newest)
{
	if (sketch->united_at == newest)
		return;
	unite(sketch, newest - BUCKETS + 1, newest, sketch->united, sketch->counts);
	sketch->united_at = newest;
	sketch->estimate = NAN;
}

double sketch_value(struct sketch *sketch, int64_t oldest, int64_t newest)
{
	uint8_t united[SKETCH_REGISTERS];
	uint32_t counts[SKETCH_RANK_MAX + 1];

	if (oldest > newest - BUCKETS + 1) {
		unite(sketch, oldest, newest, united, counts);
		return estimate(counts);
	}
	unite_window(sketch, newest);
	if (isnan(sketch->estimate))
		sketch->estimate = estimate(sketch->counts);
	return sketch->estimate;
}

bool sketch_is_empty(const struct sketch *sketch, int64_t newest)
{
	for (int64_t age = 0; age < BUCKETS; age++)
		if (parts_get(&sketch->parts, newest - age))
			return false;
	return true;
}

/* ---- adding ---- */

struct rank_before {
	struct sketch *sketch;
	uint8_t *at;
	uint8_t rank;
};

static void rank_back(void *record)
{
	struct rank_before *before = record;

	*before->at = before->rank;
	before->sketch->united_at = BUCKET_NONE;
}

static uint8_t *claim_part(struct sketch *sketch, int64_t bucket, struct undo_log *undo)
{
	uint8_t *part = parts_get(&sketch->parts, bucket);

	if (part)
		return part;
	part = calloc(1, SKETCH_REGISTERS);
	if (part && parts_put(&sketch->parts, bucket, part, free, undo) < 0) {
		free(part);
		return NULL;
	}
	return part;
}

static void raise_united(struct sketch *sketch, size_t index, uint8_t rank)
{
	if (rank <= sketch->united[index])
		return;
	sketch->counts[sketch->united[index]]--;
	sketch->counts[rank]++;
	sketch->united[index] = rank;
	sketch->estimate = NAN;
}

int sketch_add(
	struct sketch *sketch, int64_t newest, int64_t bucket, uint32_t hash, struct undo_log *undo)
{
	uint8_t *part = claim_part(sketch, bucket, undo);
	size_t index = hash >> (32 - SKETCH_INDEX_BITS);
	uint32_t rest = hash << SKETCH_INDEX_BITS;
	uint8_t rank = rest ? (uint8_t)(__builtin_clz(rest) + 1) : SKETCH_RANK_MAX;
	struct rank_before *before;

	if (!part)
		return -ENOMEM;
	unite_window(sketch, newest);
	if (rank <= part[index])
		return 0;
	before = undo_push(undo, sizeof(*before), rank_back, NULL);
	if (!before)
		return -ENOMEM;
	*before = (struct rank_before){sketch, &part[index], part[index]};
	part[index] = rank;
	raise_united(sketch, index, rank);
	return 1;
}

/* ---- as text: each register's letter ("a" is 1), and how many zeros there are in front of it ---- */

static void put_registers(const uint8_t *registers, struct pipe_buffer *to)
{
	size_t zeros = 0;

	for (size_t i = 0; i < SKETCH_REGISTERS; i++) {
		char letter = (char)(RANK_ONE + registers[i]);

		if (registers[i] == 0) {
			zeros++;
			continue;
		}
		if (zeros > 0)
			json_put_number(to, (double)zeros);
		json_put_bytes(to, &letter, 1);
		zeros = 0;
	}
}

static bool part_is_empty(const uint8_t *part)
{
	static const uint8_t zeros[SKETCH_REGISTERS];

	return !part || memcmp(part, zeros, sizeof(zeros)) == 0;
}

void sketch_put(const struct sketch *sketch, int64_t newest, struct pipe_buffer *to)
{
	bool first = true;

	json_put(to, "[");
	for (int64_t age = 0; age < BUCKETS; age++) {
		const uint8_t *part = parts_get(&sketch->parts, newest - age);

		if (part_is_empty(part))
			continue;
		json_put(to, first ? "[" : ",[");
		json_put_number(to, (double)age);
		json_put(to, ",\"");
		put_registers(part, to);
		json_put(to, "\"]");
		first = false;
	}
	json_put(to, "]");
}

static bool read_registers(const char *text, uint8_t registers[static SKETCH_REGISTERS])
{
	size_t at = 0;

	while (*text) {
		if (*text >= '0' && *text <= '9')
			at += strtoul(text, (char **)&text, 10);
		if (at >= SKETCH_REGISTERS || *text <= RANK_ONE ||
			*text > RANK_ONE + SKETCH_RANK_MAX)
			return false;
		registers[at++] = (uint8_t)(*text++ - RANK_ONE);
	}
	return true;
}

static int read_part(struct sketch *sketch, int64_t newest, json_t *json)
{
	int64_t age = (int64_t)json_number_value(json_array_get(json, 0));
	const char *text = json_string_value(json_array_get(json, 1));
	size_t place = parts_place(newest - age);

	if (!text || age < 0 || age >= BUCKETS || sketch->parts.part[place])
		return -EBADMSG;
	sketch->parts.part[place] = calloc(1, SKETCH_REGISTERS);
	if (!sketch->parts.part[place])
		return -ENOMEM;
	sketch->parts.bucket[place] = newest - age;
	return read_registers(text, sketch->parts.part[place]) ? 0 : -EBADMSG;
}

int sketch_read(struct sketch *sketch, int64_t newest, json_t *json)
{
	json_t *part;
	size_t i;
	int r = 0;

	json_array_foreach (json, i, part) {
		r = read_part(sketch, newest, part);
		if (r < 0)
			return r;
	}
	return 0;
}
