// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_control.h"

#include "wire/v2_control_bytes.h"

#define PARAMETER_HEADER_BYTES 4
#define PARAMETER_SKIPPABLE    0x8000 /* and above: skipped where it is not known */

enum parameter {
	PARAMETER_DATAGRAM_MAX = 1,
	PARAMETER_SCHEMA = 2,
	PARAMETER_CIPHERS = 3,
	PARAMETER_CIPHER = 4,
};

#define CIPHER_DEFAULT V2_CIPHER_AES_256_GCM /* what every end has */

static void put_parameter_header(struct cursor *c, uint16_t id, size_t length)
{
	cursor_put_be(c, id, 2);
	cursor_put_be(c, length, 2);
}

static void put_datagram_max(struct cursor *c, uint16_t datagram_max)
{
	put_parameter_header(c, PARAMETER_DATAGRAM_MAX, 2);
	cursor_put_be(c, datagram_max, 2);
}

/* One that no version defines, so that skipping stays possible. */
static void put_grease(struct cursor *c, uint64_t grease)
{
	size_t length = grease % 8;

	put_parameter_header(c, (uint16_t)(PARAMETER_SKIPPABLE | grease >> 48), length);
	cursor_put_be(c, grease, length);
}

static void put_schema(struct cursor *c, const struct v2_schema *schema)
{
	put_parameter_header(c, PARAMETER_SCHEMA, 14);
	cursor_put_be(c, schema->event_id, 4);
	cursor_put_be(c, schema->record_bytes, 2);
	cursor_put_be(c, schema->hash, 8);
}

static void put_ciphers(struct cursor *c, const struct v2_hello *hello)
{
	if (hello->cipher_count == 0)
		return;
	put_parameter_header(c, PARAMETER_CIPHERS, hello->cipher_count);
	cursor_put_bytes(c, hello->ciphers, hello->cipher_count);
}

static void put_cipher(struct cursor *c, uint8_t cipher)
{
	if (cipher == 0)
		return;
	put_parameter_header(c, PARAMETER_CIPHER, 1);
	cursor_put_be(c, cipher, 1);
}

void v2_message_begin(struct cursor *c, uint8_t *bytes, size_t size, uint8_t type)
{
	cursor_write_init(c, bytes, size);
	cursor_put_be(c, type, 1);
	cursor_put_be(c, 0, 3);
}

size_t v2_message_end(struct cursor *c)
{
	size_t length = c->pos - MIN(c->pos, V2_CONTROL_HEADER_BYTES);

	if (!cursor_ok(c) || c->pos > V2_CONTROL_MAX)
		return 0;
	c->out[2] = (uint8_t)(length >> 8);
	c->out[3] = (uint8_t)length;
	return c->pos;
}

size_t v2_put_hello(uint8_t *bytes, size_t size, const struct v2_hello *hello, uint64_t grease)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_HELLO);
	cursor_put_be(&c, hello->version_min, 1);
	cursor_put_be(&c, hello->version_max, 1);
	cursor_put_be(&c, 0, 2);
	cursor_put_be(&c, hello->boot, 8);
	cursor_put_be(&c, hello->epoch, 8);
	put_datagram_max(&c, hello->datagram_max);
	put_ciphers(&c, hello);
	put_grease(&c, grease);
	for (uint16_t i = 0; i < hello->schemas.count; i++)
		put_schema(&c, &hello->schemas.list[i]);
	return v2_message_end(&c);
}

size_t v2_put_welcome(
	uint8_t *bytes, size_t size, const struct v2_welcome *welcome, uint64_t grease)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_WELCOME);
	cursor_put_be(&c, welcome->version, 1);
	cursor_put_be(&c, 0, 3);
	cursor_put_be(&c, welcome->session, 8);
	cursor_put_be(&c, welcome->epoch, 8);
	for (int i = 0; i < V2_LANES; i++) {
		cursor_put_be(&c, welcome->before[i], 8);
		cursor_put_be(&c, welcome->limit[i], 8);
	}
	put_datagram_max(&c, welcome->datagram_max);
	put_cipher(&c, welcome->cipher);
	put_grease(&c, grease);
	return v2_message_end(&c);
}

size_t v2_put_refused(uint8_t *bytes, size_t size, enum v2_error error)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_REFUSED);
	cursor_put_be(&c, error, 1);
	cursor_put_be(&c, 0, 3);
	return v2_message_end(&c);
}

enum v2_error v2_message_body(
	const uint8_t *bytes, size_t size, uint8_t *ret_type, struct cursor *ret_body)
{
	struct cursor c;
	uint8_t type;
	size_t length;

	cursor_read_init(&c, bytes, size);
	type = cursor_get_u8(&c);
	cursor_get_u8(&c);
	length = cursor_get_be16(&c);
	if (!cursor_ok(&c) || length != cursor_left(&c) || size > V2_CONTROL_MAX)
		return V2_BAD_CONTROL;
	*ret_type = type;
	*ret_body = c;
	return V2_OK;
}

static enum v2_error get_schema(struct cursor *c, struct v2_schemas *schemas)
{
	struct v2_schema schema = {
		.event_id = cursor_get_be32(c),
		.record_bytes = cursor_get_be16(c),
		.hash = cursor_get_be64(c),
	};

	if (schema.record_bytes == 0 || schema.record_bytes > V2_RECORD_MAX ||
		schemas->count == V2_SCHEMAS_MAX)
		return V2_BAD_PARAMETER;
	schemas->list[schemas->count++] = schema;
	return V2_OK;
}

/* The cursor holds the list and nothing else. */
static enum v2_error get_ciphers(struct cursor *c, struct v2_hello *hello)
{
	size_t count = cursor_left(c);

	if (count == 0 || count > V2_CIPHERS_MAX || hello->cipher_count > 0)
		return V2_BAD_PARAMETER;
	hello->cipher_count = (uint8_t)count;
	cursor_get_bytes(c, hello->ciphers, count);
	return V2_OK;
}

/* Into the message that is not NULL. */
static enum v2_error get_value(
	uint16_t id, struct cursor *v, struct v2_hello *hello, struct v2_welcome *welcome)
{
	if (id == PARAMETER_DATAGRAM_MAX)
		*(hello ? &hello->datagram_max : &welcome->datagram_max) = cursor_get_be16(v);
	else if (id == PARAMETER_SCHEMA && hello)
		return get_schema(v, &hello->schemas);
	else if (id == PARAMETER_CIPHERS && hello)
		return get_ciphers(v, hello);
	else if (id == PARAMETER_CIPHER && welcome)
		welcome->cipher = cursor_get_u8(v);
	else
		return V2_BAD_PARAMETER;
	return V2_OK;
}

static enum v2_error get_parameter(
	struct cursor *c, struct v2_hello *hello, struct v2_welcome *welcome)
{
	uint16_t id = cursor_get_be16(c), length = cursor_get_be16(c);
	const uint8_t *value = cursor_get(c, length);
	struct cursor v;
	enum v2_error error;

	if (!value)
		return V2_BAD_CONTROL;
	if (id >= PARAMETER_SKIPPABLE)
		return V2_OK;
	cursor_read_init(&v, value, length);
	error = get_value(id, &v, hello, welcome);
	return cursor_ok(&v) && cursor_left(&v) == 0 ? error : V2_BAD_PARAMETER;
}

static enum v2_error get_parameters(
	struct cursor *c, struct v2_hello *hello, struct v2_welcome *welcome)
{
	uint16_t *datagram_max = hello ? &hello->datagram_max : &welcome->datagram_max;

	*datagram_max = V2_MTU_FLOOR;
	while (cursor_left(c) > 0) {
		enum v2_error error = get_parameter(c, hello, welcome);

		if (error != V2_OK)
			return error;
	}
	if (*datagram_max < V2_MTU_FLOOR || *datagram_max > V2_DATAGRAM_MAX)
		return V2_BAD_PARAMETER;
	return V2_OK;
}

enum v2_error v2_get_hello(const uint8_t *bytes, size_t size, struct v2_hello *ret_hello)
{
	struct v2_hello hello = {0};
	uint8_t type;
	struct cursor c;
	enum v2_error error = v2_message_body(bytes, size, &type, &c);

	if (error != V2_OK || type != V2_CONTROL_HELLO)
		return V2_BAD_CONTROL;
	hello.version_min = cursor_get_u8(&c);
	hello.version_max = cursor_get_u8(&c);
	cursor_get_be16(&c);
	hello.boot = cursor_get_be64(&c);
	hello.epoch = cursor_get_be64(&c);
	if (!cursor_ok(&c) || hello.boot == 0)
		return V2_BAD_CONTROL;
	/* What follows is this version's, so the version is looked at first. */
	if (hello.version_min > V2_VERSION || hello.version_max < V2_VERSION)
		return V2_NO_VERSION;
	error = get_parameters(&c, &hello, NULL);
	if (error != V2_OK)
		return error;
	*ret_hello = hello;
	return V2_OK;
}

static enum v2_error get_refused(struct cursor *c)
{
	uint8_t error = cursor_get_u8(c);

	if (!cursor_ok(c) || error == V2_OK || error >= V2_ERROR_COUNT)
		return V2_BAD_CONTROL;
	return error;
}

static enum v2_error check_welcome(const struct v2_welcome *welcome)
{
	if (welcome->version != V2_VERSION)
		return V2_NO_VERSION;
	if (welcome->session == 0 || welcome->session > V2_SESSION_MAX || welcome->epoch == 0)
		return V2_BAD_CONTROL;
	for (int i = 0; i < V2_LANES; i++)
		if (welcome->before[i] > welcome->limit[i] || welcome->limit[i] > V2_SEQUENCE_MAX)
			return V2_BAD_SEQUENCE;
	return V2_OK;
}

enum v2_error v2_get_welcome(const uint8_t *bytes, size_t size, struct v2_welcome *ret_welcome)
{
	struct v2_welcome welcome = {.cipher = CIPHER_DEFAULT};
	uint8_t type;
	struct cursor c;
	enum v2_error error = v2_message_body(bytes, size, &type, &c);

	if (error != V2_OK || (type != V2_CONTROL_WELCOME && type != V2_CONTROL_REFUSED))
		return V2_BAD_CONTROL;
	if (type == V2_CONTROL_REFUSED)
		return get_refused(&c);
	welcome.version = cursor_get_u8(&c);
	cursor_get_be(&c, 3);
	welcome.session = cursor_get_be64(&c);
	welcome.epoch = cursor_get_be64(&c);
	for (int i = 0; i < V2_LANES; i++) {
		welcome.before[i] = cursor_get_be64(&c);
		welcome.limit[i] = cursor_get_be64(&c);
	}
	if (!cursor_ok(&c))
		return V2_BAD_CONTROL;
	error = check_welcome(&welcome);
	if (error == V2_OK)
		error = get_parameters(&c, NULL, &welcome);
	if (error == V2_OK)
		*ret_welcome = welcome;
	return error;
}

/* ---- ciphers ---- */

const char *v2_cipher_name(uint8_t cipher)
{
	switch (cipher) {
	case V2_CIPHER_AES_256_GCM:
		return "AES-256-GCM";
	case V2_CIPHER_CHACHA20_POLY1305:
		return "ChaCha20-Poly1305";
	default:
		return "unknown";
	}
}

bool v2_offers_cipher(const struct v2_hello *hello, uint8_t cipher)
{
	if (hello->cipher_count == 0)
		return cipher == CIPHER_DEFAULT;
	return memchr(hello->ciphers, cipher, hello->cipher_count) != NULL;
}

enum v2_error v2_choose_cipher(
	const struct v2_hello *hello, const uint8_t *allowed, size_t count, uint8_t *ret_cipher)
{
	static const uint8_t only[] = {CIPHER_DEFAULT};
	const uint8_t *offered = hello->cipher_count > 0 ? hello->ciphers : only;
	size_t offers = MAX(hello->cipher_count, 1);

	for (size_t i = 0; i < offers; i++) {
		if (!memchr(allowed, offered[i], count))
			continue;
		*ret_cipher = offered[i];
		return V2_OK;
	}
	return V2_NO_CIPHER;
}

void v2_put_context(
	uint8_t cipher, enum v2_way way, uint64_t session, uint8_t bytes[static V2_CONTEXT_BYTES])
{
	struct cursor c;

	cursor_write_init(&c, bytes, V2_CONTEXT_BYTES);
	cursor_put_be(&c, V2_VERSION, 1);
	cursor_put_be(&c, cipher, 1);
	cursor_put_be(&c, way == V2_TO_SERVER ? 0 : 1, 1);
	cursor_put_be(&c, session, 8);
}

/* ---- incarnations ---- */

enum v2_admission v2_admit(
	const struct v2_mark *mark, const struct v2_hello *hello, struct v2_mark *ret_mark)
{
	bool known = mark->epoch > 0 && mark->boot == hello->boot;

	/* An incarnation that never heard its epoch may still learn it, and has sent nothing. */
	if (known && (hello->epoch == 0 || hello->epoch == mark->epoch)) {
		*ret_mark = *mark;
		return V2_ADMIT_RESUME;
	}
	if (hello->epoch != 0) {
		*ret_mark = *mark;
		return V2_ADMIT_STALE;
	}
	*ret_mark = (struct v2_mark){.boot = hello->boot, .epoch = mark->epoch + 1};
	return V2_ADMIT_NEW;
}
