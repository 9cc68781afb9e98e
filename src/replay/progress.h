/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_PROGRESS_H
#define REPLAY_PROGRESS_H

/* One line on the terminal (standard error) that says how far a long replay is. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool enabled;
	bool shown;
	uint64_t started_ns; /* monotonic */
	uint64_t next_ns;
};

struct progress_state {
	uint64_t packets;
	uint64_t capture_ns; /* of the capture's time, since its first packet */
	double share;        /* of the file, 0 to 1; negative: not known */
	uint64_t alerts;
};

void progress_start(struct progress *progress);
/* True now and then: it is time for progress_show(). */
bool progress_due(const struct progress *progress);
void progress_show(struct progress *progress, const struct progress_state *state);
/* Takes the line away, and says what speed it was. */
void progress_end(struct progress *progress, uint64_t packets);
/* Takes the line away. */
void progress_clear(struct progress *progress);

#endif
