// SPDX-License-Identifier: BSD-2-Clause
/* On a small tmpfs in a mount namespace of the test's own. */
#include "store/store.h"

#include "base/fd.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define VALUE_BYTES 60000

static int mount_small(void **state)
{
	struct place *place;

	if (place_new(state) < 0)
		return -1;
	place = *state;
	return mount("netlambda-test", place->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m");
}

static int unmount_small(void **state)
{
	const struct place *place = *state;

	umount(place->dir);
	return place_free(state);
}

/* Takes up what room there is, so that not a page is left. */
static void fill_disk(const struct place *place, char ballast[static 128])
{
	char block[512] = "";
	_cleanup_fd_ int fd = -1;

	snprintf(ballast, 128, "%s/ballast", place->dir);
	fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static int put(struct store *store, const char *key)
{
	static char value[VALUE_BYTES];
	struct state_row write = {0, key, "n", value, sizeof(value)};
	struct alert alert = make_alert(key);
	struct outcome outcome = {.function = "f",
		.writes = &write,
		.write_count = 1,
		.alerts = &alert,
		.alert_count = 1};

	memset(value, '1', sizeof(value));
	return store_commit(store, &outcome, 1);
}

static void full_disk_refuses_changes_nothing_and_recovers(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, 0);
	char ballast[128], text[64];

	assert_int_equal(put(store, "first"), 0);
	fill_disk(place, ballast);
	assert_int_equal(put(store, "second"), -ENOSPC);
	assert_int_equal(put(store, "second"), -ENOSPC);
	assert_non_null(strstr(store_error(store), "full"));
	assert_string_equal(get_state(store, "f", "second", "n", text), "");
	assert_int_equal(strlen(get_state(store, "f", "first", "n", text)), 63);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 1);

	unlink(ballast);
	assert_int_equal(put(store, "second"), 0);
	store_close(store);
	store = open_store(place->path, 0);
	assert_int_equal(strlen(get_state(store, "f", "second", "n", text)), 63);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 2);
}

static void new_store_on_a_full_disk_is_refused(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *error = NULL;
	_cleanup_(store_closep) struct store *store = NULL;
	char ballast[128];

	fill_disk(place, ballast);
	assert_int_equal(store_open(place->path, 0, &store, &error), -ENOSPC);
	assert_non_null(strstr(error, place->path));
	unlink(ballast);
	store = open_store(place->path, 0);
	assert_int_equal(put(store, "first"), 0);
}

static void read_only_file_system_is_refused(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *error = NULL;
	struct store *store = NULL;

	store_close(open_store(place->path, 0));
	assert_int_equal(mount(NULL, place->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(store_open(place->path, 0, &store, &error), -EROFS);
	assert_non_null(strstr(error, "must be there, and writable"));
}

/* Unreadable to this user, though the directory is writable. */
static void file_without_permission_is_refused(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *error = NULL;
	struct store *store = NULL;

	if (geteuid() != 0)
		skip();
	store_close(open_store(place->path, 0));
	assert_int_equal(chmod(place->path, 0440), 0);
	assert_int_equal(chmod(place->dir, 0777), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(store_open(place->path, 0, &store, &error), -EACCES);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(error, "65534"));
}

/* True if this process now has mounts of its own. */
static bool have_namespace(void)
{
	int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;

	return unshare(flags) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			full_disk_refuses_changes_nothing_and_recovers, mount_small, unmount_small),
		cmocka_unit_test_setup_teardown(
			new_store_on_a_full_disk_is_refused, mount_small, unmount_small),
		cmocka_unit_test_setup_teardown(
			read_only_file_system_is_refused, mount_small, unmount_small),
		cmocka_unit_test_setup_teardown(
			file_without_permission_is_refused, mount_small, unmount_small),
	};
	const char *require = getenv("NETLAMBDA_REQUIRE_BPF");

	if (!have_namespace()) {
		fprintf(stderr, "skipped: cannot make a mount namespace: %s\n", strerror(errno));
		return require && strcmp(require, "1") == 0 ? 1 : 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
