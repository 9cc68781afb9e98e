// SPDX-License-Identifier: BSD-2-Clause
#include "engine/redact.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_redacted(const char *data, const char *expected)
{
	char *text = NULL;

	assert_int_equal(request_redact(data, &text), 0);
	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
	free(text);
}

static void headers_that_prove_who_asks_lose_their_values(void **state _unused_)
{
	assert_redacted(
		"{\"method\":\"GET\",\"headers\":{\"authorization\":\"Bearer a\",\"x-a\":\"1\","
		"\"Proxy-Authorization\":\"Basic b\",\"cookie\":\"c=d\"},\"body\":\"a\\u0000\"}",
		"{\"method\":\"GET\",\"headers\":{\"authorization\":\"[redacted]\",\"x-a\":\"1\","
		"\"Proxy-Authorization\":\"[redacted]\",\"cookie\":\"[redacted]\"},\"body\":"
		"\"a\\u0000\"}");
}

static void what_has_none_of_them_stays_as_it_is(void **state _unused_)
{
	assert_redacted("{ \"headers\": {\"authorizations\": \"a\"}, \"cookie\": \"b\" }", NULL);
	assert_redacted("{\"headers\":{}}", NULL);
	assert_redacted("{\"method\":\"GET\"}", NULL);
	assert_redacted("{\"headers\":\"cookie\"}", NULL);
}

/* A body may be nested as deep as can be read: then the request around it is one too deep. */
static void of_what_cannot_be_read_nothing_is_kept(void **state _unused_)
{
	enum { DEPTH = 2048 };
	char data[2 * DEPTH + 128];
	size_t len = (size_t)snprintf(
		data, sizeof(data), "{\"headers\":{\"cookie\":\"secret\"},\"body\":");

	memset(data + len, '[', DEPTH);
	memset(data + len + DEPTH, ']', DEPTH);
	snprintf(data + len + 2 * (size_t)DEPTH, 2, "}");
	assert_redacted(data, "[redacted]");
	assert_redacted("secret", "[redacted]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_prove_who_asks_lose_their_values),
		cmocka_unit_test(what_has_none_of_them_stays_as_it_is),
		cmocka_unit_test(of_what_cannot_be_read_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
