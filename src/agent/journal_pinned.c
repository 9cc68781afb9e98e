// SPDX-License-Identifier: BSD-2-Clause
#include "agent/journal_pinned.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define MAP_NAME "agent_journal"
#define PIECE    4096 /* bytes of an entry; a page */

/* ---- the map ---- */

static int map_create(size_t bytes)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, MAP_NAME, 4, PIECE,
		(uint32_t)((bytes + PIECE - 1) / PIECE), &options);

	return fd < 0 ? -errno : fd;
}

/* How much memory it has, if an agent made it; 0: none did. */
static size_t map_bytes(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != BPF_MAP_TYPE_ARRAY ||
		info.value_size != PIECE || strcmp(info.name, MAP_NAME) != 0)
		return 0;
	return (size_t)info.max_entries * PIECE;
}

static int map_memory(int fd, struct pinned_journal *pinned)
{
	pinned->bytes = map_bytes(fd);
	if (pinned->bytes == 0)
		return -EBADMSG;
	pinned->memory = mmap(NULL, pinned->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pinned->memory != MAP_FAILED)
		return 0;
	pinned->memory = NULL;
	return -errno;
}

void pinned_journal_close(struct pinned_journal *pinned)
{
	journal_free(pinned->journal);
	if (pinned->memory)
		munmap(pinned->memory, pinned->bytes);
	*pinned = (struct pinned_journal){0};
}

/* ---- beginning, going on, and moving ---- */

/* Filled in before it can be found: from the options, or with what waits in another. */
static int replace(const struct pins *pins, const struct journal_options *options,
	const struct journal *moved, struct pinned_journal *ret_pinned)
{
	_cleanup_(pinned_journal_close) struct pinned_journal made = {0};
	_cleanup_fd_ int fd = map_create(journal_bytes(options->capacity));
	struct journal_past past;
	int r = fd < 0 ? fd : map_memory(fd, &made);

	if (r == 0 && moved) {
		r = journal_move(moved, made.memory, made.bytes, options->capacity);
		if (r == 0)
			r = journal_open(made.memory, made.bytes, options, &made.journal, &past);
	} else if (r == 0) {
		r = journal_create(made.memory, made.bytes, options, &made.journal);
	}
	if (r == 0)
		r = pins_put_journal(pins, fd);
	if (r < 0)
		return r;
	*ret_pinned = made;
	made = (struct pinned_journal){0};
	return 0;
}

/* Where that cannot be, it stays as it is: what waits is worth more. */
static void resize(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *pinned)
{
	const size_t capacity = journal_capacity(pinned->journal);
	struct pinned_journal moved = {0};
	int r;

	if (journal_bytes(options->capacity) == journal_bytes(capacity))
		return;
	r = replace(pins, options, pinned->journal, &moved);
	if (r < 0) {
		log_warning("the journal of the agent before keeps its size, whatever --spool says "
			    "events=%zu reason=\"%s\"",
			capacity, r == -ENOSPC ? "more than that wait" : strerror(-r));
		return;
	}
	moved.past = pinned->past;
	pinned_journal_close(pinned);
	*pinned = moved;
}

static const char *why_not(int error)
{
	switch (error) {
	case -EPROTO:
		return "of another version of the agent";
	case -ESTALE:
		return "of events as another version of the agent has them";
	case -ENOMEM:
		return "out of memory";
	default:
		return "not what an agent left, or damaged";
	}
}

int pinned_journal_find(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *ret_pinned)
{
	_cleanup_(pinned_journal_close) struct pinned_journal pinned = {0};
	_cleanup_fd_ int fd = pins_get_journal(pins);
	int r = fd < 0 ? fd : map_memory(fd, &pinned);

	*ret_pinned = (struct pinned_journal){0};
	if (r == 0)
		r = journal_open(
			pinned.memory, pinned.bytes, options, &pinned.journal, &pinned.past);
	ret_pinned->past = pinned.past;
	if (r < 0)
		return r;
	*ret_pinned = pinned;
	pinned = (struct pinned_journal){0};
	return 0;
}

static uint64_t sum(const uint64_t events[static JOURNAL_KINDS])
{
	uint64_t all = 0;

	for (int kind = 0; kind < JOURNAL_KINDS; kind++)
		all += events[kind];
	return all;
}

static int open_or_begin(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *ret_pinned)
{
	struct pinned_journal pinned = {0};
	int r = pinned_journal_find(pins, options, &pinned);
	const struct journal_past past = pinned.past;

	if (r == 0)
		resize(pins, options, &pinned);
	if (r < 0 && r != -ENOENT && r != -ENOMEM)
		log_error(
			"the journal is given up, as it is %s directory=%s events_at_most=%" PRIu64,
			why_not(r), pins_directory(pins), sum(past.lost));
	if (r < 0 && r != -ENOMEM) {
		r = replace(pins, options, NULL, &pinned);
		pinned.past = past;
	}
	if (r == 0)
		*ret_pinned = pinned;
	return r;
}

int pinned_journal_open(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *ret_pinned, char **ret_error)
{
	int r = open_or_begin(pins, options, ret_pinned);

	if (r < 0)
		return error_set(ret_error, r,
			"--pin %s: cannot make a journal of %zu bytes there: %s (lower --spool?)",
			pins_directory(pins), journal_bytes(options->capacity), strerror(-r));
	return 0;
}
