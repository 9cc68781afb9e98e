// SPDX-License-Identifier: BSD-2-Clause
#include "archive/tree.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "server/api_internal.h"
#include "server/api_json.h"
#include "server/helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/*
 * Functions' code: a folder each in code_dir, named by the digest of what is in it, and never
 * changed. An upload goes into a file without a name, is unpacked by a helper into a folder
 * .incoming-XXXXXX, and that is renamed to its digest. What nobody needs is removed by the helper, too, since it may be
 * large: an upload's folder when that is over, code some time after it came, as it may be about to be deployed.
 */

#define UPLOADS_MAX    4
#define INCOMING       ".incoming-"
#define KEEP_SECONDS   3600
#define UNPACK_REMOVES "--remove"

struct code_room {
	struct api *api;
	char *dir;
	char *program;
	struct upload *uploads[UPLOADS_MAX]; /* under way */
	struct helper remover;
};

struct upload {
	struct code_room *room;
	struct api_request *request;
	int fd;
	size_t size;
	char *folder; /* NULL until it is unpacked */
	struct helper helper;
};

/* ---- the folder of all ---- */

static bool is_incoming(const char *name)
{
	return strncmp(name, INCOMING, strlen(INCOMING)) == 0;
}

static bool is_digest(const char *name)
{
	return strlen(name) == TREE_DIGEST_MAX - 1 &&
	       strspn(name, "0123456789abcdef") == TREE_DIGEST_MAX - 1;
}

/* What an upload that was cut short by the server's end has left. */
static void remove_incoming(const struct code_room *room)
{
	DIR *dir = opendir(room->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *path = NULL;

		if (!is_incoming(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", room->dir, entry->d_name) < 0)
			path = NULL;
		else if (tree_remove(path) < 0)
			log_warning("cannot remove path=%s", path);
	}
	if (dir)
		closedir(dir);
}

static bool is_old(const struct code_room *room, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", room->dir, name) < 0) {
		path = NULL;
		return false;
	}
	return stat(path, &st) == 0 && st.st_mtime + KEEP_SECONDS < time(NULL);
}

static bool is_under_way(const struct code_room *room, const char *name)
{
	for (size_t i = 0; i < UPLOADS_MAX; i++)
		if (room->uploads[i] && room->uploads[i]->folder &&
			strcmp(strrchr(room->uploads[i]->folder, '/') + 1, name) == 0)
			return true;
	return false;
}

static bool is_unneeded(const struct code_room *room, const char *name)
{
	if (is_incoming(name))
		return !is_under_way(room, name);
	return is_digest(name) && is_old(room, name) &&
	       !room->api->ops->code_needed(room->api->user, name);
}

/* The next one that nobody needs. */
static void remove_unneeded(struct code_room *room)
{
	DIR *dir = opendir(room->dir);
	struct dirent *entry;

	while (dir && room->remover.pid == 0 && (entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *path = NULL;
		const char *arguments[] = {room->program, UNPACK_REMOVES, NULL, NULL};

		if (!is_unneeded(room, entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", room->dir, entry->d_name) < 0) {
			path = NULL;
			break;
		}
		arguments[2] = path;
		if (helper_start(&room->remover, room->api->loop, arguments, STDIN_FILENO) < 0)
			break;
	}
	if (dir)
		closedir(dir);
}

/* What cannot be removed is tried again after the next upload. */
static void on_removed(struct helper *helper, bool success, char *output _unused_)
{
	struct code_room *room = container_of(helper, struct code_room, remover);

	if (success)
		remove_unneeded(room);
	else
		log_warning("cannot remove code that is not needed from path=%s", room->dir);
}

int code_room_new(struct api *api, const struct api_options *options, struct code_room **ret_room,
	char **ret_error)
{
	struct code_room *room = calloc(1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	room->api = api;
	room->remover.done = on_removed;
	room->dir = strdup(options->code_dir);
	room->program = strdup(options->unpack_program);
	if (!room->dir || !room->program) {
		code_room_free(room);
		return -ENOMEM;
	}
	if (mkdir(room->dir, 0750) < 0 && errno != EEXIST) {
		int r = error_set(ret_error, -errno, "%s: cannot make the folder: %s", room->dir,
			strerror(errno));

		code_room_free(room);
		return r;
	}
	remove_incoming(room);
	*ret_room = room;
	return 0;
}

void code_room_free(struct code_room *room)
{
	if (!room)
		return;
	helper_stop(&room->remover);
	free(room->dir);
	free(room->program);
	free(room);
}

/* ---- an upload ---- */

int upload_new(struct code_room *room, struct api_request *request, struct upload **ret_upload)
{
	struct upload *upload;
	size_t place = 0;
	int fd;

	while (place < UPLOADS_MAX && room->uploads[place])
		place++;
	if (place == UPLOADS_MAX)
		return -EBUSY;
	fd = open(room->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	upload = calloc(1, sizeof(*upload));
	if (!upload) {
		close(fd);
		return -ENOMEM;
	}
	*upload = (struct upload){.room = room, .request = request, .fd = fd};
	room->uploads[place] = upload;
	*ret_upload = upload;
	return 0;
}

void upload_free(struct upload *upload)
{
	if (!upload)
		return;
	helper_stop(&upload->helper);
	for (size_t i = 0; i < UPLOADS_MAX; i++)
		if (upload->room->uploads[i] == upload)
			upload->room->uploads[i] = NULL;
	if (upload->folder)
		remove_unneeded(upload->room);
	close(upload->fd);
	free(upload->folder);
	free(upload);
}

int upload_write(struct upload *upload, const char *bytes, size_t size)
{
	if (upload->size + size > CODE_BYTES_MAX)
		return -EFBIG;
	while (size > 0) {
		ssize_t n = write(upload->fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		upload->size += (size_t)n;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The folder gets its name, unless one with the same contents has it. 0 or a negative errno. */
static int upload_place(struct upload *upload, const char *digest)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int dir_fd = -1;

	if (asprintf(&path, "%s/%s", upload->room->dir, digest) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, F_OK) == 0) {
		/* As if it had come just now: it is not to be removed before it is deployed. */
		(void)utimensat(AT_FDCWD, path, NULL, 0);
		return 0;
	}
	if (rename(upload->folder, path) < 0)
		return -errno;
	free(upload->folder);
	upload->folder = NULL;
	dir_fd = open(upload->room->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 || fsync(dir_fd) < 0 ? -errno : 0;
}

static void on_unpacked(struct helper *helper, bool success, char *output)
{
	struct upload *upload = container_of(helper, struct upload, helper);
	int r;

	if (!success) {
		api_request_refuse(upload->request, MHD_HTTP_UNPROCESSABLE_CONTENT, "%s",
			output[0] ? output : "the archive could not be unpacked");
		return;
	}
	r = is_digest(output) ? upload_place(upload, output) : -EPROTO;
	if (r < 0)
		api_request_refuse(upload->request, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot keep the code: %s", strerror(-r));
	else
		api_request_answer(
			upload->request, MHD_HTTP_CREATED, json_pack("{s:s}", "code", output));
}

static int upload_unpack(struct upload *upload)
{
	_cleanup_free_ char *folder = NULL;
	const char *arguments[] = {upload->room->program, NULL, NULL};

	if (asprintf(&folder, "%s/" INCOMING "XXXXXX", upload->room->dir) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(folder) || lseek(upload->fd, 0, SEEK_SET) < 0)
		return -errno;
	upload->folder = TAKE_PTR(folder);
	arguments[1] = upload->folder;
	upload->helper.done = on_unpacked;
	return helper_start(&upload->helper, upload->room->api->loop, arguments, upload->fd);
}

void upload_finish(struct upload *upload)
{
	int r = upload_unpack(upload);

	if (r < 0)
		api_request_refuse(upload->request, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot unpack the code: %s", strerror(-r));
	remove_unneeded(upload->room);
}
