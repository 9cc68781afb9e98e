// SPDX-License-Identifier: BSD-2-Clause
#include "event/key.h"
#include "event/state.h"
#include "server/api_internal.h"
#include "server/api_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * What a function remembers, as it is committed: a piece at a time, in the order of struct state_place,
 * so that the loop is not held up for long. Each piece says where the next one begins.
 */

#define ROWS_MAX    1000
#define PIECE_BYTES (1U << 20) /* of values: more goes into the next piece */
#define HASH_DIGITS 16

struct piece {
	json_t *rows;
	size_t count, limit, bytes;
	const char *key;         /* NULL: any */
	struct state_place last; /* of its rows */
};

static int put_row(void *user, const struct state_row *row)
{
	struct piece *piece = user;
	json_t *object;

	if (piece->key && strcmp(row->key, piece->key) != 0)
		return 0; /* another key of the same hash */
	if (piece->count == piece->limit || piece->bytes > PIECE_BYTES)
		return -E2BIG;
	object = json_object();
	json_put(&object, "key", json_text(row->key));
	json_put(&object, "name", json_text(row->name));
	json_put(&object, "value", json_embed(row->value));
	json_push(&piece->rows, object);
	piece->last.hash = row->hash;
	snprintf(piece->last.key, sizeof(piece->last.key), "%s", row->key);
	snprintf(piece->last.name, sizeof(piece->last.name), "%s", row->name);
	piece->bytes += row->value_len;
	piece->count++;
	return 0;
}

/* Reads from `after` on; 1: there is more. */
static int read_piece(struct store *store, const char *function, const struct state_place *after,
	struct piece *piece)
{
	const uint64_t hash = piece->key ? key_hash_text(piece->key) : 0;
	unsigned int partition = key_partition(piece->key ? hash : after ? after->hash : 0);
	int r = 0;

	for (; partition < PARTITIONS && r >= 0; partition++, after = NULL) {
		r = store_load_state(store,
			&(struct state_range){
				.function = function,
				.partition = partition,
				.hash = piece->key ? &hash : NULL,
				.after = after,
				.limit = ROWS_MAX + 1,
			},
			put_row, piece);
		if (piece->key)
			break;
	}
	if (r == -E2BIG)
		return 1;
	return MIN(r, 0);
}

/* From the arguments that a piece's `next` has. False: they are none. */
static bool read_place(struct MHD_Connection *connection, struct state_place *ret_place)
{
	const char *hash = api_get_text(connection, "after_hash");
	const char *key = api_get_text(connection, "after_key");
	const char *name = api_get_text(connection, "after_name");

	if (!hash || strlen(hash) != HASH_DIGITS ||
		strspn(hash, "0123456789abcdef") != HASH_DIGITS || !key ||
		strlen(key) > STATE_KEY_MAX || !name || strlen(name) > STATE_NAME_MAX)
		return false;
	ret_place->hash = strtoull(hash, NULL, 16);
	snprintf(ret_place->key, sizeof(ret_place->key), "%s", key);
	snprintf(ret_place->name, sizeof(ret_place->name), "%s", name);
	return true;
}

static json_t *place_json(const struct state_place *place)
{
	json_t *object = json_object();

	json_put(&object, "after_hash", json_sprintf("%016" PRIx64, place->hash));
	json_put(&object, "after_key", json_text(place->key));
	json_put(&object, "after_name", json_text(place->name));
	return object;
}

enum MHD_Result api_answer_state(struct api *api, struct MHD_Connection *connection)
{
	static const struct api_number limit_number = {"limit", 1, ROWS_MAX, ROWS_MAX};
	const char *function = api_get_text(connection, "function");
	struct piece piece = {.key = api_get_text(connection, "key")};
	struct state_place place;
	bool goes_on = api_get_text(connection, "after_hash") != NULL;
	json_t *answer;
	uint64_t limit;
	int r;

	if (!function || api_get_number(connection, &limit_number, &limit) < 0 ||
		(goes_on && !read_place(connection, &place)))
		return api_send_error(api, connection, MHD_HTTP_BAD_REQUEST,
			"expected function, limit from 1 to %d, and after_* as they were given",
			ROWS_MAX);
	piece.limit = limit;
	piece.rows = json_array();
	r = read_piece(api->store, function, goes_on ? &place : NULL, &piece);
	if (r < 0) {
		json_decref(piece.rows);
		return api_send_error(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot read state: %s", store_error(api->store));
	}
	answer = json_object();
	json_put(&answer, "rows", piece.rows);
	json_put(&answer, "next", r > 0 ? place_json(&piece.last) : json_null());
	return api_send_json(api, connection, MHD_HTTP_OK, answer);
}
