// SPDX-License-Identifier: BSD-2-Clause
#include "archive/unpack.h"

#include "base/error.h"
#include "base/fd.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_BYTES (64U << 10)
#define SHOWN_MAX   200 /* bytes of a name in a message */

const struct unpack_limits unpack_code_limits = {.bytes = 256U << 20, .entries = 20000};

struct unpacking {
	struct archive *archive;
	int dir_fd;
	const struct unpack_limits *limits;
	uint64_t bytes, entries;
	void *seen; /* a tree (tsearch(3)) of the paths so far, in small letters */
	char **error;
};

/* A refusal that names the entry, without what could drive a terminal. */
static int refuse(struct unpacking *unpacking, const char *path, const char *why)
{
	char shown[SHOWN_MAX + 1];
	size_t len = 0;

	for (; path[len] && len < SHOWN_MAX; len++)
		shown[len] = iscntrl((unsigned char)path[len]) ? '?' : path[len];
	shown[len] = '\0';
	return error_set(unpacking->error, -EINVAL, "\"%s\": %s", shown, why);
}

static int fail(struct unpacking *unpacking, const char *path, int error)
{
	return error_set(unpacking->error, error, "%s: %s", path, strerror(-error));
}

/* Why a path is not taken; NULL: it is. */
static const char *path_fault(const char *path)
{
	size_t depth = 0;

	if (*path == '/')
		return "its path is absolute";
	if (strlen(path) > UNPACK_PATH_MAX)
		return "its path is too long";
	for (const char *at = path; *at; at++)
		if (iscntrl((unsigned char)*at) || *at == '\\')
			return "its path has a control character or a backslash";
	for (const char *part = path; *part; depth++) {
		size_t len = strcspn(part, "/");

		if (len == 0 || (len == 1 && part[0] == '.') ||
			(len == 2 && part[0] == '.' && part[1] == '.'))
			return "its path has an empty part, \".\" or \"..\"";
		if (len > 255 || depth == UNPACK_DEPTH_MAX)
			return "its path is too long or too deep";
		part += len;
		part += *part == '/';
	}
	return depth > 0 ? NULL : "it has no name";
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

/*
 * Whether a path was there before. Names that differ in capitals only are as good as the same: what
 * they mean depends on who unpacks them.
 */
static int note_path(struct unpacking *unpacking, const char *path)
{
	char *key = strdup(path), **found;

	if (!key)
		return -ENOMEM;
	for (char *at = key; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	found = tsearch(key, &unpacking->seen, compare_paths);
	if (!found || *found != key) {
		free(key);
		return found ? -EEXIST : -ENOMEM;
	}
	return 0;
}

/* A folder is often there already, made for what is in it, and may be named once more. */
static int make_folder(struct unpacking *unpacking, const char *path)
{
	struct stat st;
	int r;

	if (mkdirat(unpacking->dir_fd, path, 0755) == 0) {
		r = note_path(unpacking, path);
		return r == -EEXIST ? refuse(unpacking, path, "it is there twice, in capitals") : r;
	}
	if (errno != EEXIST)
		return fail(unpacking, path, -errno);
	if (fstatat(unpacking->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(unpacking, path, -errno);
	return S_ISDIR(st.st_mode) ? 0 : refuse(unpacking, path, "it is both a file and a folder");
}

static int make_parents(struct unpacking *unpacking, const char *path)
{
	char parent[UNPACK_PATH_MAX + 1];
	int r = 0;

	for (const char *slash = strchr(path, '/'); slash && r == 0;
		slash = strchr(slash + 1, '/')) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		r = make_folder(unpacking, parent);
	}
	return r;
}

/* Sizes in headers may lie: what counts is what comes out. */
static int write_file(struct unpacking *unpacking, const char *path, int fd)
{
	_cleanup_free_ char *block = malloc(BLOCK_BYTES);
	la_ssize_t n;

	if (!block)
		return -ENOMEM;
	while ((n = archive_read_data(unpacking->archive, block, BLOCK_BYTES)) > 0) {
		unpacking->bytes += (uint64_t)n;
		if (unpacking->bytes > unpacking->limits->bytes)
			return error_set(unpacking->error, -EINVAL,
				"the archive unpacks to more than %llu MiB",
				(unsigned long long)(unpacking->limits->bytes >> 20));
		for (la_ssize_t done = 0; done < n;) {
			ssize_t written = write(fd, block + done, (size_t)(n - done));

			if (written < 0 && errno != EINTR)
				return fail(unpacking, path, -errno);
			done += written > 0 ? written : 0;
		}
	}
	return n < 0 ? refuse(unpacking, path, "it is damaged or encrypted") : 0;
}

static int take_file(struct unpacking *unpacking, const char *path, mode_t mode)
{
	_cleanup_fd_ int fd = -1;
	int r = note_path(unpacking, path);

	if (r == -EEXIST)
		return refuse(unpacking, path, "it is there twice");
	if (r < 0)
		return r;
	fd = openat(unpacking->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (fd < 0)
		return fail(unpacking, path, -errno);
	r = write_file(unpacking, path, fd);
	if (r == 0 && fchmod(fd, mode & 0111 ? 0555 : 0444) < 0)
		r = fail(unpacking, path, -errno);
	return r;
}

/* tar's names often begin with "./", and those of folders end with "/". */
static void tidy_path(const char *given, char path[static UNPACK_PATH_MAX + 2])
{
	size_t len;

	while (given[0] == '.' && given[1] == '/')
		given += 2;
	if (strcmp(given, ".") == 0)
		given = "";
	len = strnlen(given, UNPACK_PATH_MAX + 1);
	memcpy(path, given, len);
	while (len > 1 && path[len - 1] == '/')
		len--;
	path[len] = '\0';
}

static int take_entry(struct unpacking *unpacking, struct archive_entry *entry)
{
	const char *given = archive_entry_pathname(entry), *fault;
	char path[UNPACK_PATH_MAX + 2];
	int r;

	if (++unpacking->entries > unpacking->limits->entries)
		return error_set(unpacking->error, -EINVAL,
			"the archive has more than %llu files and folders",
			(unsigned long long)unpacking->limits->entries);
	if (!given)
		return error_set(unpacking->error, -EINVAL, "an entry's name is no text");
	tidy_path(given, path);
	if (path[0] == '\0' && archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	fault = path_fault(path);
	if (fault)
		return refuse(unpacking, given, fault);
	if (archive_entry_hardlink(entry) || archive_entry_symlink(entry))
		return refuse(unpacking, path, "it is a link");
	if (archive_entry_is_encrypted(entry) > 0)
		return refuse(unpacking, path, "it is encrypted");
	r = make_parents(unpacking, path);
	if (r < 0)
		return r;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return take_file(unpacking, path, archive_entry_perm(entry));
	case AE_IFDIR:
		return make_folder(unpacking, path);
	default:
		return refuse(unpacking, path, "it is neither a file nor a folder");
	}
}

static int open_archive(struct unpacking *unpacking, int fd)
{
	struct archive *archive = archive_read_new();

	if (!archive)
		return -ENOMEM;
	unpacking->archive = archive;
	/* Few of the formats that the library knows: each is a parser of foreign bytes. */
	if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
		archive_read_support_format_tar(archive) != ARCHIVE_OK ||
		archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK)
		return error_set(unpacking->error, -EIO, "%s", archive_error_string(archive));
	if (archive_read_open_fd(archive, fd, BLOCK_BYTES) != ARCHIVE_OK)
		return error_set(unpacking->error, -EINVAL,
			"not an archive: expected tar, tar.gz or zip (%s)",
			archive_error_string(archive));
	return 0;
}

static int take_entries(struct unpacking *unpacking)
{
	struct archive_entry *entry;
	int r = 0, rc;

	while (r == 0) {
		rc = archive_read_next_header(unpacking->archive, &entry);
		if (rc == ARCHIVE_EOF)
			break;
		/*
		 * A warning is about what is not used: owners, times, attributes; or a name that is
		 * no text.
		 */
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return error_set(unpacking->error, -EINVAL, "the archive is damaged: %s",
				archive_error_string(unpacking->archive));
		r = take_entry(unpacking, entry);
	}
	if (r == 0 && unpacking->entries == 0)
		return error_set(unpacking->error, -EINVAL, "the archive is empty");
	return r;
}

int unpack(int fd, int dir_fd, const struct unpack_limits *limits, char **ret_error)
{
	struct unpacking unpacking = {.dir_fd = dir_fd, .limits = limits, .error = ret_error};
	int r = open_archive(&unpacking, fd);

	if (r == 0)
		r = take_entries(&unpacking);
	archive_read_free(unpacking.archive);
	tdestroy(unpacking.seen, free);
	return r < 0 ? error_set(ret_error, r, "%s", strerror(-r)) : 0;
}
