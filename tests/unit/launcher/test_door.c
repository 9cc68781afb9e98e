// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/door.h"

#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void assert_parsed(const char *text, const char *host, uint16_t port, int family)
{
	struct door door;

	if (door_parse(text, &door) < 0)
		fail_msg("refused: %s", text);
	assert_string_equal(door.host, host);
	assert_int_equal(door.port, port);
	assert_int_equal(door.is_name, family == AF_UNSPEC);
	assert_int_equal(door.address.ss_family, family);
}

static void hosts_are_names_and_addresses_with_a_port(void **state _unused_)
{
	struct door door;
	struct sockaddr_in6 v6;

	assert_parsed("api.example.org:443", "api.example.org", 443, AF_UNSPEC);
	assert_parsed("db_1:5432", "db_1", 5432, AF_UNSPEC);
	assert_parsed("192.0.2.7:65535", "192.0.2.7", 65535, AF_INET);
	assert_parsed("[2001:db8::1]:1", "2001:db8::1", 1, AF_INET6);
	assert_int_equal(door_parse("[2001:db8::1]:443", &door), 0);
	assert_int_equal(door.address_len, sizeof(v6));
	memcpy(&v6, &door.address, sizeof(v6));
	assert_int_equal(ntohs(v6.sin6_port), 443);
}

static void what_is_no_host_with_a_port_is_refused(void **state _unused_)
{
	static const char *const wrong[] = {"", ":", "host", "host:", ":443", "host:0",
		"host:65536", "host:https", "host:443:443", "host :443", " host:443", "host:443 ",
		"-host:443", ".host:443", "a/b:443", "a\nb:443", "a#b:443", "2001:db8::1:443",
		"[2001:db8::1]", "[2001:db8::1]443", "[]:443", "[192.0.2.7]:443",
		"[fe80::1%lo]:443", "[host]:443", "*:443", "http://host:443"};
	struct door door = {.port = 77};
	char name[DOOR_HOST_MAX + 8];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (door_parse(wrong[i], &door) != -EINVAL)
			fail_msg("taken for a host with a port: \"%s\"", wrong[i]);
	memset(name, 'x', DOOR_HOST_MAX);
	snprintf(name + DOOR_HOST_MAX - 1, 8, ":443");
	assert_int_equal(door_parse(name, &door), 0);
	memset(name, 'x', DOOR_HOST_MAX);
	snprintf(name + DOOR_HOST_MAX, 8, ":443");
	door.port = 77;
	assert_int_equal(door_parse(name, &door), -EINVAL);
	assert_int_equal(door.port, 77);
}

static const char *address_of(const struct door *door)
{
	static char text[INET_ADDRSTRLEN];
	struct sockaddr_in v4;

	memcpy(&v4, &door->address, sizeof(v4));
	return inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
}

static void a_name_has_one_address_whatever_its_ports(void **state _unused_)
{
	static const char *const texts[] = {
		"a.example:443", "192.0.2.7:443", "b.example:443", "A.example:80", NULL};
	struct door doors[DOORS_MAX];

	assert_int_equal(doors_plan(texts, doors), 4);
	assert_string_equal(address_of(&doors[0]), "127.77.0.1");
	assert_string_equal(address_of(&doors[1]), "192.0.2.7");
	assert_string_equal(address_of(&doors[2]), "127.77.0.3");
	assert_string_equal(address_of(&doors[3]), "127.77.0.1");
}

static void lists_are_bounded_and_have_each_once(void **state _unused_)
{
	static const char *const twice[] = {"a.example:443", "A.EXAMPLE:443", NULL},
				 *const wrong[] = {"a.example:443", "b.example", NULL};
	const char *many[DOORS_MAX + 2] = {NULL};
	static char texts[DOORS_MAX + 1][16];
	struct door doors[DOORS_MAX];

	assert_int_equal(doors_plan(NULL, doors), 0);
	assert_int_equal(doors_plan(twice, doors), -EEXIST);
	assert_int_equal(doors_plan(wrong, doors), -EINVAL);
	for (size_t i = 0; i <= DOORS_MAX; i++) {
		assert_int_equal(doors_plan(many, doors), i);
		snprintf(texts[i], sizeof(texts[i]), "host:%zu", i + 1);
		many[i] = texts[i];
	}
	assert_int_equal(doors_plan(many, doors), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_names_and_addresses_with_a_port),
		cmocka_unit_test(what_is_no_host_with_a_port_is_refused),
		cmocka_unit_test(a_name_has_one_address_whatever_its_ports),
		cmocka_unit_test(lists_are_bounded_and_have_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
