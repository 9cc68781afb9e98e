// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "tests/unit/faults.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/stat.h>

static void assert_content(const char *path, const char *expected)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t size;

	assert_int_equal(file_read(path, 1000, &bytes, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_string_equal((char *)bytes, expected);
}

static void what_is_written_is_read(void **state _unused_)
{
	assert_int_equal(file_write("a", "hello", 5, 0600, false), 0);
	assert_content("a", "hello");
	assert_int_equal(file_write("a", "", 0, 0600, true), 0);
	assert_content("a", "");
	assert_int_equal(scratch_entries("."), 1);
}

static void existing_file_is_replaced_only_if_asked(void **state _unused_)
{
	assert_int_equal(file_write("a", "old", 3, 0600, false), 0);
	assert_int_equal(file_write("a", "new", 3, 0600, false), -EEXIST);
	assert_content("a", "old");
	assert_int_equal(file_write("a", "new", 3, 0600, true), 0);
	assert_content("a", "new");
	assert_int_equal(scratch_entries("."), 1);
}

static void mode_is_what_was_asked_for(void **state _unused_)
{
	struct stat st;
	mode_t before = umask(0777);

	assert_int_equal(file_write("a", "x", 1, 0640, false), 0);
	umask(before);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_write("a", "x", 1, 0600, true), 0);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void replaced_file_keeps_its_owner(void **state _unused_)
{
	struct stat st;

	if (geteuid() != 0)
		skip(); /* only root gives files away */
	assert_int_equal(file_write("a", "x", 1, 0600, false), 0);
	assert_int_equal(chown("a", 65534, 65534), 0);
	assert_int_equal(file_write("a", "y", 1, 0600, true), 0);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 65534);
}

static void larger_file_than_allowed_is_refused(void **state _unused_)
{
	uint8_t *bytes = (uint8_t *)1;
	size_t size = 99;

	assert_int_equal(file_write("a", "12345", 5, 0600, false), 0);
	assert_int_equal(file_read("a", 4, &bytes, &size), -EFBIG);
	assert_int_equal(size, 99);
	assert_ptr_equal(bytes, (uint8_t *)1);
	assert_int_equal(file_read("a", 5, &bytes, &size), 0);
	free(bytes);
	assert_int_equal(file_read("absent", 5, &bytes, &size), -ENOENT);
	assert_int_equal(file_read(".", 5, &bytes, &size), -EISDIR);
}

static void directory_that_is_not_there_is_said(void **state _unused_)
{
	assert_int_equal(file_write("none/a", "x", 1, 0600, true), -ENOENT);
}

/* Each call fails once: the file is the old or the new one, and nothing is left beside it. */
static void failure_leaves_the_old_file_or_the_new(void **state _unused_)
{
	unsigned int failures = 0;

	faults_begin();
	while (faults_more()) {
		_cleanup_free_ uint8_t *bytes = NULL;
		size_t size;
		int r;

		assert_int_equal(file_write("a", "old", 3, 0600, true), 0);
		faults_arm();
		r = file_write("a", "newer", 5, 0600, true);
		if (faults_disarm() && r < 0)
			failures++;
		else
			assert_int_equal(r, 0);
		assert_int_equal(file_read("a", 10, &bytes, &size), 0);
		if (r == 0)
			assert_string_equal((char *)bytes, "newer");
		else if (strcmp((char *)bytes, "old") != 0)
			assert_string_equal((char *)bytes, "newer"); /* not flushed */
		assert_int_equal(scratch_entries("."), 1);
	}
	assert_true(failures >= 6);
}

static void failure_while_reading_is_told(void **state _unused_)
{
	assert_int_equal(file_write("a", "old", 3, 0600, true), 0);
	faults_begin();
	while (faults_more()) {
		uint8_t *bytes = NULL;
		size_t size;
		int r;

		faults_arm();
		r = file_read("a", 10, &bytes, &size);
		if (faults_disarm() && r < 0) {
			assert_null(bytes);
		} else {
			assert_int_equal(r, 0);
			free(bytes);
		}
	}
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_new, scratch_free)
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_is_written_is_read),
		IN_SCRATCH(existing_file_is_replaced_only_if_asked),
		IN_SCRATCH(mode_is_what_was_asked_for),
		IN_SCRATCH(replaced_file_keeps_its_owner),
		IN_SCRATCH(larger_file_than_allowed_is_refused),
		IN_SCRATCH(directory_that_is_not_there_is_said),
		IN_SCRATCH(failure_leaves_the_old_file_or_the_new),
		IN_SCRATCH(failure_while_reading_is_told),
	};

	faults_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
