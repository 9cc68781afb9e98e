// SPDX-License-Identifier: BSD-2-Clause
/* Version 2's control messages, and what must hold for any bytes. */
#include "wire/v2_control.h"

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
	return 0;
}
