// SPDX-License-Identifier: BSD-2-Clause
/* Archives of all kinds, made with the library itself, unpacked into a folder of the test's own. */
#include "archive/unpack.h"

#include "archive/pack.h"
#include "archive/tree.h"
#include "base/fd.h"
#include "tests/unit/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct place {
	char dir[64];    /* what is unpacked goes here */
	char around[64]; /* the folder that `dir` is in */
	int dir_fd;
};

static int place_new(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	strcpy(place->around, "/tmp/netlambda-unpack.XXXXXX");
	if (!mkdtemp(place->around))
		return -1;
	snprintf(place->dir, sizeof(place->dir), "%s/in", place->around);
	if (mkdir(place->dir, 0700) < 0)
		return -1;
	place->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = place;
	return place->dir_fd < 0;
}

static int place_free(void **state)
{
	struct place *place = *state;

	close(place->dir_fd);
	(void)tree_remove(place->around);
	free(place);
	return 0;
}

/* ---- making archives ---- */

struct making {
	struct archive *archive;
	int fd;
};

static struct making make_archive(bool zip)
{
	struct making making = {archive_write_new(), memfd_create("archive", MFD_CLOEXEC)};

	if (zip)
		assert_int_equal(archive_write_set_format_zip(making.archive), ARCHIVE_OK);
	else
		assert_int_equal(
			archive_write_set_format_pax_restricted(making.archive), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(making.archive, making.fd), ARCHIVE_OK);
	return making;
}

static void put(struct making *making, const char *path, mode_t mode, const char *text)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, mode);
	archive_entry_set_size(entry, S_ISREG(mode) ? (la_int64_t)strlen(text) : 0);
	if (S_ISLNK(mode))
		archive_entry_set_symlink(entry, text);
	assert_int_equal(archive_write_header(making->archive, entry), ARCHIVE_OK);
	if (S_ISREG(mode))
		archive_write_data(making->archive, text, strlen(text));
	archive_entry_free(entry);
}

static int finish(struct making *making)
{
	archive_write_close(making->archive);
	archive_write_free(making->archive);
	assert_int_equal(lseek(making->fd, 0, SEEK_SET), 0);
	return making->fd;
}

static void assert_unpacked(struct place *place, int fd)
{
	_cleanup_free_ char *error = NULL;

	if (unpack(fd, place->dir_fd, &unpack_code_limits, &error) != 0)
		fail_msg("%s", error);
	close(fd);
}

static void assert_refused(
	struct place *place, int fd, const struct unpack_limits *limits, const char *why)
{
	_cleanup_free_ char *error = NULL;
	int r = unpack(fd, place->dir_fd, limits, &error);

	assert_int_equal(r, -EINVAL);
	if (!strstr(error, why))
		fail_msg("expected \"%s\" in \"%s\"", why, error);
	close(fd);
}

static mode_t mode_of(const struct place *place, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(place->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

/* Nothing may have come to lie beside the folder. */
static void assert_nothing_outside(const struct place *place)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/evil", place->around);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access("/tmp/netlambda-evil", F_OK), -1);
}

/* ---- what is taken ---- */

static void files_and_folders_come_out_without_their_owners_rights(void **state)
{
	struct place *place = *state;

	for (int zip = 0; zip < 2; zip++) {
		struct making making = make_archive(zip);
		char name[32];

		snprintf(name, sizeof(name), "%s/main.js", zip ? "zip" : "./tar");
		put(&making, name, S_IFREG | 0600, "hello");
		snprintf(name, sizeof(name), "%s/run", zip ? "zip" : "tar");
		put(&making, name, S_IFREG | 06755, "#!/bin/sh");
		snprintf(name, sizeof(name), "%s/empty/", zip ? "zip" : "tar");
		put(&making, name, S_IFDIR | 0777, "");
		assert_unpacked(place, finish(&making));
	}
	assert_int_equal(mode_of(place, "tar/main.js"), S_IFREG | 0444);
	assert_int_equal(mode_of(place, "tar/run"), S_IFREG | 0555);
	assert_int_equal(mode_of(place, "tar/empty"), S_IFDIR | 0755);
	assert_int_equal(mode_of(place, "zip/main.js"), S_IFREG | 0444);
	assert_int_equal(mode_of(place, "zip/run"), S_IFREG | 0555);
}

/* ---- what is refused ---- */

static void paths_that_lead_elsewhere_are_refused(void **state)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{"../evil", "\"..\""},
		{"a/../../evil", "\"..\""},
		{"/tmp/netlambda-evil", "absolute"},
		{"a//b", "empty part"},
		{"a/./b", "\".\""},
		{"..", "\"..\""},
		{"a\\..\\evil", "backslash"},
		{"a\nb", "control character"},
		{"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/1/2/3/4/5/6/7", "too deep"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct making making = make_archive(false);

		put(&making, cases[i].path, S_IFREG | 0644, "x");
		assert_refused(*state, finish(&making), &unpack_code_limits, cases[i].why);
	}
	assert_nothing_outside(*state);
}

static void long_paths_are_refused(void **state)
{
	struct making making = make_archive(false);
	char path[2 * UNPACK_PATH_MAX];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	put(&making, path, S_IFREG | 0644, "x");
	assert_refused(*state, finish(&making), &unpack_code_limits, "too long");
}

static void links_and_devices_are_refused(void **state)
{
	static const struct {
		mode_t mode;
		const char *why;
	} cases[] = {
		{S_IFLNK | 0777, "a link"},
		{S_IFIFO | 0644, "neither a file nor a folder"},
		{S_IFCHR | 0644, "neither a file nor a folder"},
		{S_IFBLK | 0644, "neither a file nor a folder"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct making making = make_archive(false);

		put(&making, "odd", cases[i].mode, "/etc/passwd");
		assert_refused(*state, finish(&making), &unpack_code_limits, cases[i].why);
	}
}

static void hard_links_are_refused(void **state)
{
	struct making making = make_archive(false);
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, "shadow");
	archive_entry_set_mode(entry, S_IFREG | 0644);
	archive_entry_set_hardlink(entry, "/etc/shadow");
	assert_int_equal(archive_write_header(making.archive, entry), ARCHIVE_OK);
	archive_entry_free(entry);
	assert_refused(*state, finish(&making), &unpack_code_limits, "a link");
}

/* A link in the place of a folder, then a file "in" it: the classic. */
static void file_behind_a_link_stays_inside(void **state)
{
	struct making making = make_archive(false);

	put(&making, "way", S_IFLNK | 0777, "/tmp");
	put(&making, "way/netlambda-evil", S_IFREG | 0644, "x");
	assert_refused(*state, finish(&making), &unpack_code_limits, "a link");
	assert_nothing_outside(*state);
}

static void names_that_come_twice_are_refused(void **state)
{
	static const char *const pairs[][2] = {
		{"a.js", "a.js"}, {"b.js", "B.js"}, {"c", "c/d"}, {"e/f", "e"}, {"g/h", "G/i"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct making making = make_archive(false);
		_cleanup_free_ char *error = NULL;
		int fd;

		put(&making, pairs[i][0], S_IFREG | 0644, "x");
		put(&making, pairs[i][1], S_IFREG | 0644, "y");
		fd = finish(&making);
		if (unpack(fd, ((struct place *)*state)->dir_fd, &unpack_code_limits, &error) == 0)
			fail_msg("%s and %s were taken", pairs[i][0], pairs[i][1]);
		close(fd);
	}
}

static void too_much_is_refused(void **state)
{
	const struct unpack_limits few = {.bytes = 1000, .entries = 3};
	struct making making = make_archive(false);
	_cleanup_free_ char *text = calloc(1, 1002);

	memset(text, 'x', 1001);
	put(&making, "large", S_IFREG | 0644, text);
	assert_refused(*state, finish(&making), &few, "unpacks to more than");
	making = make_archive(false);
	for (char name[2] = "a"; name[0] < 'e'; name[0]++)
		put(&making, name, S_IFDIR | 0755, "");
	assert_refused(*state, finish(&making), &few, "more than 3 files");
}

/* 100 MB of zeros in 100 kB. */
static void bomb_is_refused_before_it_has_unfolded(void **state)
{
	struct place *place = *state;
	const struct unpack_limits limits = {.bytes = 1 << 20, .entries = 10};
	struct making making = {archive_write_new(), memfd_create("bomb", MFD_CLOEXEC)};
	static const char zeros[1 << 16];
	struct archive_entry *entry = archive_entry_new();
	struct stat st;

	archive_write_set_format_zip(making.archive);
	archive_write_open_fd(making.archive, making.fd);
	archive_entry_set_pathname(entry, "bomb");
	archive_entry_set_mode(entry, S_IFREG | 0644);
	assert_int_equal(archive_write_header(making.archive, entry), ARCHIVE_OK);
	for (int i = 0; i < 1600; i++)
		archive_write_data(making.archive, zeros, sizeof(zeros));
	archive_entry_free(entry);
	assert_refused(place, finish(&making), &limits, "unpacks to more than 1 MiB");
	assert_int_equal(fstatat(place->dir_fd, "bomb", &st, 0), 0);
	assert_true(st.st_size <= 1 << 20);
}

static void what_is_no_archive_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "hello, world, this is no archive at all", "PK\003\004"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = memfd_create("text", MFD_CLOEXEC);

		assert_true(write(fd, texts[i], strlen(texts[i])) >= 0);
		assert_refused(*state, fd, &unpack_code_limits, "archive");
	}
}

static void cut_archive_is_refused(void **state)
{
	struct making making = make_archive(false);
	int fd;

	put(&making, "a.js", S_IFREG | 0644, "a text of some length");
	fd = finish(&making);
	assert_int_equal(ftruncate(fd, 520), 0);
	assert_refused(*state, fd, &unpack_code_limits, "damaged");
}

/* ---- packing, and digests ---- */

static void write_text(const struct place *place, const char *name, const char *text)
{
	_cleanup_fd_ int fd = openat(place->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static int pack_place(const struct place *place)
{
	_cleanup_free_ char *error = NULL;
	int fd = memfd_create("packed", MFD_CLOEXEC);

	if (pack(place->dir, fd, &error) < 0)
		fail_msg("%s", error);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void what_is_packed_unpacks_to_the_same(void **state)
{
	struct place *place = *state;
	char digest[TREE_DIGEST_MAX], again[TREE_DIGEST_MAX], other[128];
	_cleanup_fd_ int other_fd = -1;
	_cleanup_free_ char *error = NULL;
	int fd;

	write_text(place, "main.js", "module.exports = {}");
	assert_int_equal(mkdirat(place->dir_fd, "lib", 0755), 0);
	write_text(place, "lib/a.js", "a");
	assert_int_equal(symlinkat("a.js", place->dir_fd, "lib/b.js"), 0);
	fd = pack_place(place);
	unlinkat(place->dir_fd, "lib/b.js", 0);
	write_text(place, "lib/b.js", "a");
	assert_int_equal(tree_digest(place->dir, digest), 0);
	snprintf(other, sizeof(other), "%s/other", place->around);
	assert_int_equal(mkdir(other, 0700), 0);
	other_fd = open(other, O_RDONLY | O_DIRECTORY);
	assert_int_equal(unpack(fd, other_fd, &unpack_code_limits, &error), 0);
	assert_int_equal(tree_digest(other, again), 0);
	assert_string_equal(digest, again);
	close(fd);
}

static void packing_leaves_out_what_tools_leave_and_refuses_links_elsewhere(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *error = NULL;
	_cleanup_fd_ int out = memfd_create("out", MFD_CLOEXEC);
	int fd;

	write_text(place, "a.js", "a");
	write_text(place, "a.js~", "old");
	assert_int_equal(mkdirat(place->dir_fd, ".git", 0755), 0);
	write_text(place, ".git/config", "secret");
	fd = pack_place(place);
	unlinkat(place->dir_fd, "a.js~", 0);
	unlinkat(place->dir_fd, ".git/config", 0);
	unlinkat(place->dir_fd, ".git", AT_REMOVEDIR);
	unlinkat(place->dir_fd, "a.js", 0);
	assert_unpacked(place, fd);
	assert_int_equal(faccessat(place->dir_fd, "a.js", F_OK, 0), 0);
	assert_int_equal(faccessat(place->dir_fd, "a.js~", F_OK, 0), -1);
	assert_int_equal(faccessat(place->dir_fd, ".git", F_OK, 0), -1);
	assert_int_equal(symlinkat("/etc/passwd", place->dir_fd, "users"), 0);
	assert_int_equal(pack(place->dir, out, &error), -EINVAL);
	assert_non_null(strstr(error, "a link to what is not in the folder"));
}

static void digest_tells_contents_names_and_modes_apart(void **state)
{
	struct place *place = *state;
	char digests[4][TREE_DIGEST_MAX];

	write_text(place, "a", "1");
	assert_int_equal(tree_digest(place->dir, digests[0]), 0);
	write_text(place, "a", "2");
	assert_int_equal(tree_digest(place->dir, digests[1]), 0);
	assert_int_equal(fchmodat(place->dir_fd, "a", 0755, 0), 0);
	assert_int_equal(tree_digest(place->dir, digests[2]), 0);
	assert_int_equal(renameat(place->dir_fd, "a", place->dir_fd, "b"), 0);
	assert_int_equal(tree_digest(place->dir, digests[3]), 0);
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(digests[i], digests[j]);
}

static void sealed_tree_can_be_removed(void **state)
{
	struct place *place = *state;

	assert_int_equal(mkdirat(place->dir_fd, "lib", 0755), 0);
	write_text(place, "lib/a.js", "a");
	assert_int_equal(tree_seal(place->dir), 0);
	assert_int_equal(mode_of(place, "lib"), S_IFDIR | 0555);
	assert_int_equal(tree_remove(place->dir), 0);
	assert_int_equal(access(place->dir, F_OK), -1);
	assert_int_equal(tree_remove(place->dir), 0);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_new, place_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(files_and_folders_come_out_without_their_owners_rights),
		PLACED(paths_that_lead_elsewhere_are_refused),
		PLACED(long_paths_are_refused),
		PLACED(links_and_devices_are_refused),
		PLACED(hard_links_are_refused),
		PLACED(file_behind_a_link_stays_inside),
		PLACED(names_that_come_twice_are_refused),
		PLACED(too_much_is_refused),
		PLACED(bomb_is_refused_before_it_has_unfolded),
		PLACED(what_is_no_archive_is_refused),
		PLACED(cut_archive_is_refused),
		PLACED(what_is_packed_unpacks_to_the_same),
		PLACED(packing_leaves_out_what_tools_leave_and_refuses_links_elsewhere),
		PLACED(digest_tells_contents_names_and_modes_apart),
		PLACED(sealed_tree_can_be_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
