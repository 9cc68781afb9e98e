// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/control.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdio.h>

/* A text is a u32 length, so many bytes, and a zero byte that the length does not count. */
static void put_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	cursor_put_be(c, len, 4);
	cursor_put_bytes(c, text, len + 1);
}

static const char *get_text(struct cursor *c)
{
	size_t len = cursor_get_be32(c);
	const char *text = (const char *)cursor_get(c, len + 1);

	if (!text || memchr(text, '\0', len + 1) != text + len) {
		c->failed = true;
		return NULL;
	}
	return text;
}

static void put_list(struct cursor *c, const char *const *list)
{
	size_t count = 0;

	while (list[count])
		count++;
	cursor_put_be(c, count, 4);
	for (size_t i = 0; i < count; i++)
		put_text(c, list[i]);
}

static void get_list(struct cursor *c, const char *list[static CONTROL_LIST_MAX + 1])
{
	size_t count = cursor_get_be32(c);

	if (count > CONTROL_LIST_MAX) {
		c->failed = true;
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		list[i] = get_text(c);
	list[count] = NULL;
}

static void begin(struct cursor *c, void *buffer, enum control_type type)
{
	cursor_write_init(c, buffer, CONTROL_BYTES_MAX);
	cursor_put_be(c, type, 1);
}

static int end(const struct cursor *c)
{
	return cursor_ok(c) ? (int)c->pos : -E2BIG;
}

static int end_reading(const struct cursor *c)
{
	return cursor_ok(c) && cursor_left(c) == 0 ? 0 : -EBADMSG;
}

static bool begin_reading(
	struct cursor *c, const void *message, size_t size, enum control_type type)
{
	cursor_read_init(c, message, size);
	return cursor_get_u8(c) == type;
}

int control_put_start(const struct control_start *start, void *buffer)
{
	struct cursor c;

	begin(&c, buffer, CONTROL_START);
	cursor_put_be(&c, start->layers, 4);
	put_text(&c, start->program);
	put_list(&c, start->argv);
	put_list(&c, start->paths);
	put_list(&c, start->network);
	put_list(&c, start->environment);
	return end(&c);
}

int control_get_start(const void *message, size_t size, struct control_start *ret_start)
{
	struct control_start start;
	struct cursor c;

	if (!begin_reading(&c, message, size, CONTROL_START))
		return -EBADMSG;
	start.layers = cursor_get_be32(&c);
	start.program = get_text(&c);
	get_list(&c, start.argv);
	get_list(&c, start.paths);
	get_list(&c, start.network);
	get_list(&c, start.environment);
	if (end_reading(&c) < 0)
		return -EBADMSG;
	*ret_start = start;
	return 0;
}

int control_put_specialise(const struct control_specialise *specialise, void *buffer)
{
	struct cursor c;

	begin(&c, buffer, CONTROL_SPECIALISE);
	put_text(&c, specialise->dir);
	cursor_put_be(&c, specialise->memory, 8);
	cursor_put_be(&c, specialise->cpu, 4);
	cursor_put_be(&c, specialise->processes, 4);
	return end(&c);
}

int control_get_specialise(
	const void *message, size_t size, struct control_specialise *ret_specialise)
{
	struct control_specialise specialise;
	struct cursor c;

	if (!begin_reading(&c, message, size, CONTROL_SPECIALISE))
		return -EBADMSG;
	specialise.dir = get_text(&c);
	specialise.memory = cursor_get_be64(&c);
	specialise.cpu = cursor_get_be32(&c);
	specialise.processes = cursor_get_be32(&c);
	if (end_reading(&c) < 0)
		return -EBADMSG;
	*ret_specialise = specialise;
	return 0;
}

int control_put_report(const struct control_report *report, void *buffer)
{
	struct cursor c;

	begin(&c, buffer, report->type);
	cursor_put_be(&c, report->pid, 4);
	put_text(&c, report->text);
	return end(&c);
}

int control_get_report(const void *message, size_t size, struct control_report *ret_report)
{
	struct control_report report;
	const char *text;
	struct cursor c;

	cursor_read_init(&c, message, size);
	report.type = cursor_get_u8(&c);
	report.pid = cursor_get_be32(&c);
	text = get_text(&c);
	if (end_reading(&c) < 0)
		return -EBADMSG;
	snprintf(report.text, sizeof(report.text), "%s", text);
	*ret_report = report;
	return 0;
}
