// SPDX-License-Identifier: BSD-2-Clause
#include "decrypt/key_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BEGINS    "NETLAMBDA_2 "
#define SESSION_DIGITS 14
#define SECRET_DIGITS  (2 * V2_SECRET_BYTES)

struct session {
	uint64_t number;
	size_t line; /* the first of a session counts */
	uint8_t cipher;
	uint8_t to_server[V2_SECRET_BYTES], to_agent[V2_SECRET_BYTES];
	struct v2_aead *at_server, *at_agent; /* made when they are first needed */
};

struct key_file {
	struct session *sessions; /* by number, then line, once all are read */
	size_t count, capacity;
};

/* ---- reading ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* So many hex digits and what ends the field. */
static bool get_hex(const char **text, uint8_t *bytes, size_t digits, char end)
{
	const char *at = *text;

	for (size_t i = 0; i < digits; i += 2) {
		int high = digit(at[i]), low = high < 0 ? -1 : digit(at[i + 1]);

		if (low < 0)
			return false;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*text = at + digits + 1;
	return at[digits] == end;
}

static bool parse(const char *line, struct session *session)
{
	const char *at = line + strlen(LINE_BEGINS);
	uint8_t number[8] = {0};
	struct cursor c;

	if (!get_hex(&at, number + 1, SESSION_DIGITS, ' ') ||
		!get_hex(&at, &session->cipher, 2, ' ') ||
		!get_hex(&at, session->to_server, SECRET_DIGITS, ' ') ||
		!get_hex(&at, session->to_agent, SECRET_DIGITS, '\0'))
		return false;
	cursor_read_init(&c, number, sizeof(number));
	session->number = cursor_get_be64(&c);
	return true;
}

/* A place for one more; secrets do not stay behind where they were. */
static int make_room(struct key_file *keys)
{
	size_t capacity = MAX(2 * keys->capacity, (size_t)16);
	struct session *grown;

	if (keys->count < keys->capacity)
		return 0;
	if (keys->count >= KEY_FILE_SESSIONS_MAX)
		return -E2BIG;
	grown = calloc(capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	if (keys->count > 0)
		memcpy(grown, keys->sessions, keys->count * sizeof(*grown));
	if (keys->sessions)
		explicit_bzero(keys->sessions, keys->count * sizeof(*grown));
	free(keys->sessions);
	keys->sessions = grown;
	keys->capacity = capacity;
	return 0;
}

static int take_line(struct key_file *keys, char *line, size_t number)
{
	int r;

	if (strncmp(line, LINE_BEGINS, strlen(LINE_BEGINS)) != 0)
		return 0;
	line[strcspn(line, "\r\n")] = '\0';
	r = make_room(keys);
	if (r < 0)
		return r;
	keys->sessions[keys->count] = (struct session){.line = number};
	if (!parse(line, &keys->sessions[keys->count]))
		return -EBADMSG;
	keys->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct session *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

int key_file_read(FILE *log, struct key_file **ret_keys, unsigned long *ret_line)
{
	_cleanup_(key_file_freep) struct key_file *keys = calloc(1, sizeof(*keys));
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	int r = keys ? 0 : -ENOMEM;

	*ret_line = 0;
	while (r == 0 && (length = getline(&line, &capacity, log)) >= 0) {
		++*ret_line;
		r = take_line(keys, line, *ret_line);
		explicit_bzero(line, (size_t)length);
	}
	if (r == 0 && ferror(log))
		r = -EIO;
	if (r < 0)
		return r;
	if (keys->count > 0)
		qsort(keys->sessions, keys->count, sizeof(*keys->sessions), compare);
	*ret_keys = TAKE_PTR(keys);
	return 0;
}

void key_file_free(struct key_file *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->sessions[i].at_server)
			v2_aead_free(keys->sessions[i].at_server);
		if (keys->sessions[i].at_agent)
			v2_aead_free(keys->sessions[i].at_agent);
	}
	if (keys->sessions)
		explicit_bzero(keys->sessions, keys->capacity * sizeof(*keys->sessions));
	free(keys->sessions);
	free(keys);
}

size_t key_file_count(const struct key_file *keys)
{
	return keys->count;
}

/* ---- opening ---- */

static struct session *find(struct key_file *keys, uint64_t number)
{
	size_t from = 0, end = keys->count;

	/* The first one that is not below. */
	while (from < end) {
		size_t middle = from + (end - from) / 2;

		if (keys->sessions[middle].number < number)
			from = middle + 1;
		else
			end = middle;
	}
	return from < keys->count && keys->sessions[from].number == number ? &keys->sessions[from]
									   : NULL;
}

/* Each end's view of the session, as far as it opens what the other one sealed. */
static int make_keys(struct session *session)
{
	int r = 0;

	if (!session->at_server)
		r = v2_aead_new(session->cipher, session->to_agent, session->to_server, 0,
			&session->at_server);
	if (r == 0 && !session->at_agent)
		r = v2_aead_new(session->cipher, session->to_server, session->to_agent, 0,
			&session->at_agent);
	return r;
}

static bool opens(struct v2_aead *aead, const struct v2_header *header, uint8_t *bytes, size_t size)
{
	struct v2_seal seal = v2_aead_seal(aead);

	/* A capture may begin, or have a hole, where keys have turned meanwhile. */
	if (v2_aead_expect(aead, header->packet) < 0)
		return false;
	return seal.open(seal.user, header->phase, header->packet, bytes, bytes + V2_HEADER_BYTES,
		       size - V2_HEADER_BYTES - V2_TAG_BYTES) == 0;
}

enum key_verdict key_file_open(
	struct key_file *keys, const struct v2_header *header, uint8_t *bytes, size_t size)
{
	struct session *session = find(keys, header->session);
	uint8_t copy[V2_DATAGRAM_MAX];

	if (!session || size > sizeof(copy))
		return KEY_UNKNOWN_SESSION;
	if (make_keys(session) < 0)
		return KEY_NO_MEMORY;
	memcpy(copy, bytes + V2_HEADER_BYTES, size - V2_HEADER_BYTES);
	if (opens(session->at_server, header, bytes, size))
		return KEY_OPENED;
	memcpy(bytes + V2_HEADER_BYTES, copy, size - V2_HEADER_BYTES);
	if (opens(session->at_agent, header, bytes, size))
		return KEY_OPENED;
	memcpy(bytes + V2_HEADER_BYTES, copy, size - V2_HEADER_BYTES);
	return KEY_UNSEALED;
}
