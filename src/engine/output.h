/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_OUTPUT_H
#define ENGINE_OUTPUT_H

/*
 * What a function prints, line by line into the server's log as `function=NAME line`, at a bounded
 * rate. A line longer than OUTPUT_LINE_MAX is cut; the log cleans control characters.
 */

#include "base/log.h"

#include <stddef.h>

#define OUTPUT_LINE_MAX 1000 /* bytes */

/* Gets each line as well, without a bound on their rate. */
struct output_listener {
	void (*line)(void *user, const char *function, const char *line); /* NULL: nobody listens */
	void *user;
};

struct output {
	const char *function; /* borrowed */
	struct output_listener listener;
	struct log_limit *limit; /* borrowed: lives longer than one worker */
	size_t len;
	bool cut; /* the rest of the present line is dropped */
	char line[OUTPUT_LINE_MAX + 1];
};

void output_feed(struct output *output, const char *bytes, size_t len);
/* The end of the stream: a line without its newline is a line. */
void output_finish(struct output *output);

#endif
