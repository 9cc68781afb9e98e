// SPDX-License-Identifier: BSD-2-Clause
#include "net/endpoint.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static struct endpoint parse(const char *text)
{
	struct endpoint endpoint;
	char *error = NULL;

	if (endpoint_parse(text, &endpoint, &error) < 0)
		fail_msg("%s", error);
	return endpoint;
}

static void endpoint_is_rendered_as_it_was_written(void **state _unused_)
{
	static const char *const texts[] = {
		"127.0.0.1:5000",
		"10.1.2.3:0",
		"[::1]:65535",
		"[2001:db8::1]:1",
	};
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint endpoint = parse(texts[i]);

		assert_string_equal(endpoint_render(&endpoint, text), texts[i]);
	}
}

static void bare_port_is_any_address(void **state _unused_)
{
	struct endpoint endpoint = parse("5000");
	char text[ENDPOINT_TEXT_MAX];

	assert_string_equal(endpoint_render(&endpoint, text), "[::]:5000");
}

static void host_name_is_resolved(void **state _unused_)
{
	struct endpoint endpoint = parse("localhost:7");
	char text[ENDPOINT_TEXT_MAX];

	endpoint_render(&endpoint, text);
	assert_true(strcmp(text, "127.0.0.1:7") == 0 || strcmp(text, "[::1]:7") == 0);
}

static void malformed_endpoint_is_refused_in_words(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{"", "expected HOST:PORT"},
		{"host", "expected HOST:PORT"},
		{"127.0.0.1", "expected HOST:PORT"},
		{"127.0.0.1:", "expected HOST:PORT"},
		{"127.0.0.1:65536", "0 to 65535"},
		{"127.0.0.1:+5", "expected HOST:PORT"},
		{"127.0.0.1:5 ", "expected HOST:PORT"},
		{"127.0.0.1:000005", "expected HOST:PORT"},
		{":5000", "expected a host"},
		{"::1:5000", "brackets"},
		{"[::1]", "]:PORT"},
		{"[::1]5000", "]:PORT"},
		{"[]:5000", "]:PORT"},
		{"[::1:5000", "]:PORT"},
		{"[localhost]:5000", "\"[localhost]:5000\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *error = NULL;
		struct endpoint endpoint = {.len = 77};

		if (endpoint_parse(wrong[i].text, &endpoint, &error) != -EINVAL)
			fail_msg("\"%s\" is taken", wrong[i].text);
		assert_non_null(error);
		if (!strstr(error, wrong[i].why))
			fail_msg("\"%s\": found \"%s\", expected \"%s\"", wrong[i].text, error,
				wrong[i].why);
		assert_int_equal(endpoint.len, 77);
	}
}

static void endless_host_name_is_refused(void **state _unused_)
{
	_cleanup_free_ char *error = NULL;
	struct endpoint endpoint;
	char text[400];

	memset(text, 'a', sizeof(text));
	strcpy(text + sizeof(text) - 4, ":12");
	assert_int_equal(endpoint_parse(text, &endpoint, &error), -EINVAL);
	assert_non_null(strstr(error, "too long"));
}

static void digest_tells_peers_apart_by_address_and_port(void **state _unused_)
{
	static const char *const texts[] = {"127.0.0.1:5000", "127.0.0.1:5001", "127.0.0.2:5000",
		"[::1]:5000", "[::1]:5001", "[::2]:5000", "[::ffff:127.0.0.1]:5000"};
	static const struct siphash_key keys[] = {{1, 2}, {1, 3}};
	uint64_t digests[ARRAY_SIZE(texts)];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint endpoint = parse(texts[i]), again = parse(texts[i]);

		digests[i] = endpoint_digest(&endpoint, &keys[0]);
		assert_int_equal(endpoint_digest(&again, &keys[0]), digests[i]);
		assert_int_not_equal(endpoint_digest(&endpoint, &keys[1]), digests[i]);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(digests[j], digests[i]);
	}
}

static void digest_overlooks_what_is_no_address(void **state _unused_)
{
	static const struct siphash_key key = {1, 2};
	struct endpoint plain = parse("[fe80::1]:5000"), labelled = plain;

	((struct sockaddr_in6 *)&labelled.address)->sin6_flowinfo = 77;
	memset((uint8_t *)&labelled.address + labelled.len, 0xff,
		sizeof(labelled.address) - labelled.len);
	assert_int_equal(endpoint_digest(&labelled, &key), endpoint_digest(&plain, &key));
}

static void server_is_resolved_with_and_without_a_port(void **state _unused_)
{
	static const struct {
		const char *text, *host, *first;
	} cases[] = {
		{"127.0.0.1", "127.0.0.1", "127.0.0.1:5005"},
		{"127.0.0.1:7", "127.0.0.1", "127.0.0.1:7"},
		{"[::1]", "::1", "[::1]:5005"},
		{"[2001:db8::1]:9", "2001:db8::1", "[2001:db8::1]:9"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;
		char text[ENDPOINT_TEXT_MAX];
		struct endpoint_list list;

		if (endpoint_resolve(cases[i].text, 5005, &list, &error) < 0)
			fail_msg("%s", error);
		assert_true(list.count >= 1);
		assert_string_equal(list.host, cases[i].host);
		assert_string_equal(endpoint_render(&list.endpoints[0], text), cases[i].first);
	}
}

static void server_that_cannot_be_is_refused_in_words(void **state _unused_)
{
	static const struct {
		const char *text, *why;
		int error;
	} wrong[] = {
		{"", "expected HOST, HOST:PORT or [IPV6]:PORT", -EINVAL},
		{":5005", "expected a host", -EINVAL},
		{"127.0.0.1:0", "port 0 cannot be sent to", -EINVAL},
		{"127.0.0.1:65536", "", -EINVAL},
		{"::1", "", -EINVAL},
		{"[localhost]", "", -EAGAIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *error = NULL;
		struct endpoint_list list;
		int r = endpoint_resolve(wrong[i].text, 5005, &list, &error);

		if (r != wrong[i].error || !error || !strstr(error, wrong[i].why))
			fail_msg("\"%s\" gave %d, %s", wrong[i].text, r, error);
	}
}

static void endpoints_are_equal_by_address_and_port(void **state _unused_)
{
	struct endpoint a = parse("127.0.0.1:7"), b = parse("127.0.0.1:7"),
			c = parse("127.0.0.1:8"), d = parse("[::1]:7");

	assert_true(endpoint_equal(&a, &b));
	assert_false(endpoint_equal(&a, &c));
	assert_false(endpoint_equal(&a, &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoint_is_rendered_as_it_was_written),
		cmocka_unit_test(bare_port_is_any_address),
		cmocka_unit_test(server_is_resolved_with_and_without_a_port),
		cmocka_unit_test(server_that_cannot_be_is_refused_in_words),
		cmocka_unit_test(endpoints_are_equal_by_address_and_port),
		cmocka_unit_test(host_name_is_resolved),
		cmocka_unit_test(malformed_endpoint_is_refused_in_words),
		cmocka_unit_test(endless_host_name_is_refused),
		cmocka_unit_test(digest_tells_peers_apart_by_address_and_port),
		cmocka_unit_test(digest_overlooks_what_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
