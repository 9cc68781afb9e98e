// SPDX-License-Identifier: BSD-2-Clause
#include "archive/tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void fts_closep(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

static void md_freep(EVP_MD_CTX **md)
{
	EVP_MD_CTX_free(*md);
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static FTS *tree_walk(const char *dir)
{
	char *paths[] = {(char *)dir, NULL};

	return fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, compare_names);
}

static int digest_contents(EVP_MD_CTX *md, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char block[16384];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, block, sizeof(block))) > 0)
		if (EVP_DigestUpdate(md, block, (size_t)n) != 1)
			return -ENOMEM;
	return n < 0 ? -errno : 0;
}

/* Path, mode and size are each ended by a zero byte, so that no two trees read the same. */
static int digest_file(EVP_MD_CTX *md, const FTSENT *entry, const char *path)
{
	char head[64];
	int len =
		snprintf(head, sizeof(head), "%c%llu", entry->fts_statp->st_mode & 0111 ? 'x' : '-',
			(unsigned long long)entry->fts_statp->st_size);

	if (EVP_DigestUpdate(md, path, strlen(path) + 1) != 1 ||
		EVP_DigestUpdate(md, head, (size_t)len + 1) != 1)
		return -ENOMEM;
	return digest_contents(md, entry->fts_path);
}

static int digest_entries(EVP_MD_CTX *md, FTS *fts, size_t prefix)
{
	FTSENT *entry;
	int r = 0;

	while (r == 0 && (errno = 0, entry = fts_read(fts)) != NULL) {
		switch (entry->fts_info) {
		case FTS_F:
			r = digest_file(md, entry, entry->fts_path + prefix);
			break;
		case FTS_D:
		case FTS_DP:
			break;
		case FTS_ERR:
		case FTS_DNR:
		case FTS_NS:
			return -entry->fts_errno;
		default:
			return -ELOOP;
		}
	}
	return r < 0 ? r : -errno;
}

int tree_digest(const char *dir, char ret_digest[static TREE_DIGEST_MAX])
{
	_cleanup_(md_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	_cleanup_(fts_closep) FTS *fts = tree_walk(dir);
	unsigned char digest[EVP_MAX_MD_SIZE];
	int r;

	if (!md || !fts || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	r = digest_entries(md, fts, strlen(dir));
	if (r < 0)
		return r;
	if (EVP_DigestFinal_ex(md, digest, NULL) != 1)
		return -ENOMEM;
	for (size_t i = 0; i < (TREE_DIGEST_MAX - 1) / 2; i++)
		snprintf(ret_digest + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int tree_seal(const char *dir)
{
	_cleanup_(fts_closep) FTS *fts = tree_walk(dir);
	FTSENT *entry;

	if (!fts)
		return -ENOMEM;
	while ((errno = 0, entry = fts_read(fts)) != NULL)
		if (entry->fts_info == FTS_DP && chmod(entry->fts_path, 0555) < 0)
			return -errno;
	return -errno;
}

int tree_remove(const char *dir)
{
	_cleanup_(fts_closep) FTS *fts = tree_walk(dir);
	FTSENT *entry;
	int r = 0;

	if (!fts)
		return -ENOMEM;
	while ((entry = fts_read(fts)) != NULL) {
		if (entry->fts_info == FTS_D && chmod(entry->fts_path, 0700) < 0)
			r = -errno;
		else if (entry->fts_info != FTS_D && remove(entry->fts_path) < 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}
