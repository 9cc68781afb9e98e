// SPDX-License-Identifier: BSD-2-Clause
#include "base/notify.h"

#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void the_state_arrives_at_the_managers_socket(void **state _unused_)
{
	char dir[] = "/tmp/netlambda-notify-XXXXXX", received[32] = "";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_non_null(mkdtemp(dir));
	strcpy(address.sun_path, dir);
	strcat(address.sun_path, "/s");
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	notify_manager("READY=1");
	assert_int_equal(recv(fd, received, sizeof(received) - 1, 0), strlen("READY=1"));
	assert_string_equal(received, "READY=1");
	close(fd);
	unlink(address.sun_path);
	rmdir(dir);
}

static void without_a_manager_nothing_happens(void **state _unused_)
{
	unsetenv("NOTIFY_SOCKET");
	notify_manager("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1), 0);
	notify_manager("READY=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_arrives_at_the_managers_socket),
		cmocka_unit_test(without_a_manager_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
