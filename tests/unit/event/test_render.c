// SPDX-License-Identifier: BSD-2-Clause
#include "event/render.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static int setup(void **state _unused_)
{
	return schema_init();
}

static void address_renders_as_it_was_parsed(void **state _unused_)
{
	static const char *const texts[] = {"10.0.0.3", "255.255.255.255", "::1", "2001:db8::7"};
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ip_addr ip;

		assert_int_equal(ip_parse(texts[i], &ip), 0);
		assert_string_equal(ip_render(&ip, text), texts[i]);
	}
}

static void text_that_is_no_address_is_refused(void **state _unused_)
{
	ip_addr ip;

	assert_int_equal(ip_parse("10.0.0", &ip), -EINVAL);
	assert_int_equal(ip_parse("", &ip), -EINVAL);
	assert_int_equal(ip_parse("h1", &ip), -EINVAL);
}

static void time_renders_as_rfc3339(void **state _unused_)
{
	char text[TIME_TEXT_MAX];

	assert_string_equal(time_render(0, text), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(
		time_render(1790000000123456789ULL, text), "2026-09-21T14:13:20.123456789Z");
}

static void port_record(struct port_event *ret_port)
{
	*ret_port = (struct port_event){.dstport = 80, .protocol = 6, .syn = 3};
	assert_int_equal(ip_parse("10.0.0.3", &ret_port->srcip), 0);
	assert_int_equal(ip_parse("10.0.0.1", &ret_port->dstip), 0);
}

static void record_renders_as_json(void **state _unused_)
{
	struct port_event port;
	char text[512];
	int n;

	port_record(&port);
	n = record_render_json(schema_builtin(EVENT_PORT), &port, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_string_equal(text,
		"{\"srcip\":\"10.0.0.3\",\"dstip\":\"10.0.0.1\",\"dstport\":80,\"protocol\":6,"
		"\"first\":\"1970-01-01T00:00:00.000000000Z\","
		"\"last\":\"1970-01-01T00:00:00.000000000Z\",\"udp\":0,\"syn\":3,\"rst\":0,"
		"\"completed\":0,\"refused\":0}");
}

static void short_buffer_is_never_overrun(void **state _unused_)
{
	struct port_event port;
	char whole[512];
	int len;

	port_record(&port);
	len = record_render_json(schema_builtin(EVENT_PORT), &port, whole, sizeof(whole));
	for (size_t size = 0; size <= (size_t)len; size++) {
		char *text = malloc(size + 1);

		text[size] = 0x5a;
		assert_int_equal(
			record_render_json(schema_builtin(EVENT_PORT), &port, text, size), len);
		assert_int_equal(text[size], 0x5a);
		if (size > 0)
			assert_memory_equal(text, whole, size - 1);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_renders_as_it_was_parsed),
		cmocka_unit_test(text_that_is_no_address_is_refused),
		cmocka_unit_test(time_renders_as_rfc3339),
		cmocka_unit_test(record_renders_as_json),
		cmocka_unit_test(short_buffer_is_never_overrun),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
