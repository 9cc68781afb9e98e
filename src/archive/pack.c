// SPDX-License-Identifier: BSD-2-Clause
#include "archive/pack.h"

#include "base/error.h"
#include "base/fd.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const left_out[] = {
	".git", ".hg", ".svn", ".DS_Store", "__pycache__", "*.pyc", "*.swp", "*~"};

struct packing {
	struct archive *archive;
	char *root; /* absolute, without links */
	char **error;
};

static void packing_done(struct packing *packing)
{
	archive_write_free(packing->archive);
	free(packing->root);
}

static bool is_left_out(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
		if (fnmatch(left_out[i], name, 0) == 0)
			return true;
	return false;
}

static int copy_contents(struct packing *packing, int fd, const char *path, off_t size)
{
	char block[16384];
	ssize_t n;

	while (size > 0 && (n = read(fd, block, (size_t)MIN((off_t)sizeof(block), size))) > 0) {
		if (archive_write_data(packing->archive, block, (size_t)n) != n)
			return error_set(
				packing->error, -EIO, "%s", archive_error_string(packing->archive));
		size -= n;
	}
	return size > 0 ? error_set(packing->error, -EIO, "%s: it changes while it is packed", path)
			: 0;
}

static int put_file(struct packing *packing, const char *path, const char *name)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct archive_entry *entry;
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(packing->error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(packing->error, -EINVAL, "%s: neither a file nor a folder", path);
	entry = archive_entry_new();
	if (!entry)
		return -ENOMEM;
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, st.st_mode & 0111 ? 0755 : 0644);
	archive_entry_set_size(entry, st.st_size);
	if (archive_write_header(packing->archive, entry) != ARCHIVE_OK)
		r = error_set(packing->error, -EIO, "%s: %s", path,
			archive_error_string(packing->archive));
	archive_entry_free(entry);
	return r < 0 ? r : copy_contents(packing, fd, path, st.st_size);
}

/* A link's target must be a file of the folder. */
static int put_link(struct packing *packing, const char *path, const char *name)
{
	_cleanup_free_ char *target = realpath(path, NULL);
	size_t len = strlen(packing->root);

	if (!target || strncmp(target, packing->root, len) != 0 || target[len] != '/')
		return error_set(
			packing->error, -EINVAL, "%s: a link to what is not in the folder", path);
	return put_file(packing, target, name);
}

static int put_tree(struct packing *packing, FTS *fts)
{
	size_t prefix = strlen(packing->root) + 1;
	FTSENT *entry;
	int r = 0;

	while (r == 0 && (errno = 0, entry = fts_read(fts)) != NULL) {
		const char *name = entry->fts_level > 0 ? entry->fts_path + prefix : "";

		if (entry->fts_level > 0 && is_left_out(entry->fts_name))
			fts_set(fts, entry, FTS_SKIP);
		else if (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)
			r = put_link(packing, entry->fts_path, name);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
			 entry->fts_info == FTS_NS)
			r = error_set(packing->error, -entry->fts_errno, "%s: %s", entry->fts_path,
				strerror(entry->fts_errno));
		else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
			r = put_file(packing, entry->fts_path, name);
	}
	return r < 0 ? r : -errno;
}

static int put_all(struct packing *packing)
{
	char *paths[] = {packing->root, NULL};
	struct stat st;
	FTS *fts;
	int r;

	if (stat(packing->root, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return put_file(packing, packing->root, strrchr(packing->root, '/') + 1);
	fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!fts)
		return -errno;
	r = put_tree(packing, fts);
	fts_close(fts);
	return r;
}

int pack(const char *path, int fd, char **ret_error)
{
	_cleanup_(packing_done) struct packing packing = {
		.archive = archive_write_new(),
		.root = realpath(path, NULL),
		.error = ret_error,
	};
	int r;

	if (!packing.root)
		return error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	if (!packing.archive ||
		archive_write_set_format_pax_restricted(packing.archive) != ARCHIVE_OK ||
		archive_write_add_filter_gzip(packing.archive) != ARCHIVE_OK ||
		archive_write_open_fd(packing.archive, fd) != ARCHIVE_OK)
		return -ENOMEM;
	r = put_all(&packing);
	if (r == 0 && archive_write_close(packing.archive) != ARCHIVE_OK)
		r = error_set(
			ret_error, -EIO, "%s: %s", path, archive_error_string(packing.archive));
	return r < 0 ? error_set(ret_error, r, "%s: %s", path, strerror(-r)) : 0;
}
