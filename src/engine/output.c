// SPDX-License-Identifier: BSD-2-Clause
#include "engine/output.h"

#include <string.h>

static void output_line(struct output *output)
{
	output->line[output->len] = 0;
	if (output->len > 0 && output->listener.line)
		output->listener.line(output->listener.user, output->function, output->line);
	if (output->len > 0)
		log_message_limited(output->limit, LOG_LEVEL_INFO, "function=%s %s%s",
			output->function, output->line, output->cut ? " [cut]" : "");
	output->len = 0;
	output->cut = false;
}

static void output_append(struct output *output, const char *bytes, size_t len)
{
	size_t room = OUTPUT_LINE_MAX - output->len;

	if (len > room) {
		output->cut = true;
		len = room;
	}
	/* printf would stop at a zero byte. */
	for (size_t i = 0; i < len; i++)
		output->line[output->len++] = bytes[i] ? bytes[i] : '?';
}

void output_feed(struct output *output, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline ? (size_t)(newline - bytes) : len;

		output_append(output, bytes, part);
		if (!newline)
			return;
		output_line(output);
		bytes += part + 1;
		len -= part + 1;
	}
}

void output_finish(struct output *output)
{
	output_line(output);
}
