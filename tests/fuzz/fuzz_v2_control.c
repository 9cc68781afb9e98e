// SPDX-License-Identifier: BSD-2-Clause
/* Version 2's control messages, and what must hold for any bytes. */
#include "wire/v2_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_hello(const struct v2_hello *hello)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct v2_hello again;
	size_t size = v2_put_hello(bytes, sizeof(bytes), hello, 3);

	REQUIRE(size > 0);
	REQUIRE(v2_get_hello(bytes, size, &again) == V2_OK);
	REQUIRE(again.boot == hello->boot && again.epoch == hello->epoch);
	REQUIRE(again.schemas.count == hello->schemas.count);
	REQUIRE(again.cipher_count == hello->cipher_count &&
		memcmp(again.ciphers, hello->ciphers, sizeof(again.ciphers)) == 0);
	for (uint16_t i = 0; i < hello->schemas.count; i++)
		REQUIRE(hello->schemas.list[i].record_bytes > 0 &&
			hello->schemas.list[i].record_bytes <= V2_RECORD_MAX &&
			again.schemas.list[i].hash == hello->schemas.list[i].hash);
}

static void check_welcome(const struct v2_welcome *welcome)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct v2_welcome again;
	size_t size = v2_put_welcome(bytes, sizeof(bytes), welcome, 5);

	REQUIRE(size > 0);
	REQUIRE(v2_get_welcome(bytes, size, &again) == V2_OK);
	REQUIRE(again.session == welcome->session && again.epoch == welcome->epoch);
	REQUIRE(welcome->cipher == 0 || again.cipher == welcome->cipher);
	REQUIRE(memcmp(again.limit, welcome->limit, sizeof(again.limit)) == 0);
}

static void check_schemas(const uint8_t *bytes, size_t size)
{
	struct v2_schema_request request, request_again;
	struct v2_schema_message schema, schema_again;
	uint8_t again[V2_CONTROL_MAX];
	size_t written;

	if (v2_get_schema_request(bytes, size, &request) == V2_OK) {
		REQUIRE(request.count > 0 && request.count <= V2_SCHEMAS_MAX);
		written = v2_put_schema_request(again, sizeof(again), &request);
		REQUIRE(written == size);
		REQUIRE(v2_get_schema_request(again, written, &request_again) == V2_OK);
		REQUIRE(memcmp(request.hashes, request_again.hashes, request.count * 8U) == 0);
	}
	if (v2_get_schema(bytes, size, &schema) == V2_OK) {
		REQUIRE(schema.size > 0 && schema.size <= V2_DESCRIPTION_MAX);
		written = v2_put_schema(again, sizeof(again), &schema);
		REQUIRE(written == size);
		REQUIRE(v2_get_schema(again, written, &schema_again) == V2_OK);
		REQUIRE(schema_again.hash == schema.hash);
	}
}

static void check_settings(const uint8_t *bytes, size_t size)
{
	struct v2_settings settings, settings_again;
	struct v2_settings_result result, result_again;
	uint8_t again[V2_CONTROL_MAX];
	size_t written;

	if (v2_get_settings(bytes, size, &settings) == V2_OK) {
		REQUIRE(settings.generation != 0 && settings.count <= V2_SETTINGS_MAX);
		written = v2_put_settings(again, sizeof(again), &settings);
		REQUIRE(written > 0);
		REQUIRE(v2_get_settings(again, written, &settings_again) == V2_OK);
		REQUIRE(settings_again.count == settings.count);
		v2_check_settings(&settings, &result);
		REQUIRE(result.generation == settings.generation);
		REQUIRE((result.status == V2_SETTINGS_APPLIED) == (result.key == 0) ||
			result.status == V2_SETTINGS_UNKNOWN_KEY);
	}
	if (v2_get_settings_result(bytes, size, &result) == V2_OK) {
		written = v2_put_settings_result(again, sizeof(again), &result);
		REQUIRE(v2_get_settings_result(again, written, &result_again) == V2_OK);
		REQUIRE(result_again.generation == result.generation &&
			result_again.status == result.status && result_again.key == result.key);
	}
}

static void check_rest(const uint8_t *bytes, size_t size)
{
	enum v2_error error;
	enum v2_bye bye;
	uint64_t token;

	if (v2_get_bye(bytes, size, &bye, &error) == V2_OK)
		REQUIRE(bye > V2_BYE_NONE && bye < V2_BYE_REASONS && error < V2_ERROR_COUNT);
	if (v2_get_alive(bytes, size, &token) == V2_OK)
		REQUIRE(size == V2_CONTROL_HEADER_BYTES + 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct v2_welcome welcome;
	struct v2_hello hello;
	struct v2_mark mark = {.boot = 0x99, .epoch = 3}, next;

	if (v2_get_hello(bytes, size, &hello) == V2_OK) {
		check_hello(&hello);
		/* The epoch only grows, and only for an incarnation that has none. */
		if (v2_admit(&mark, &hello, &next) == V2_ADMIT_NEW)
			REQUIRE(hello.epoch == 0 && next.epoch == 4 && next.boot == hello.boot);
		else
			REQUIRE(next.epoch == 3 && next.boot == 0x99);
	}
	if (v2_get_welcome(bytes, size, &welcome) == V2_OK)
		check_welcome(&welcome);
	check_schemas(bytes, size);
	check_settings(bytes, size);
	check_rest(bytes, size);
	return 0;
}
