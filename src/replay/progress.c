// SPDX-License-Identifier: BSD-2-Clause
#include "replay/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define FIRST_NS (500 * NS_PER_MS) /* a short replay needs none */
#define EVERY_NS (200 * NS_PER_MS)

#define CLEAR_LINE "\r\033[K"

void progress_start(struct progress *progress)
{
	*progress = (struct progress){
		.enabled = isatty(STDERR_FILENO),
		.started_ns = clock_monotonic_ns(),
	};
	progress->next_ns = progress->started_ns + FIRST_NS;
}

bool progress_due(const struct progress *progress)
{
	return progress->enabled && clock_monotonic_ns() >= progress->next_ns;
}

void progress_show(struct progress *progress, const struct progress_state *state)
{
	uint64_t seconds = state->capture_ns / NS_PER_SEC;
	char share[16] = "";

	if (state->share >= 0)
		snprintf(share, sizeof(share), "%3.0f %%  ", state->share * 100);
	fprintf(stderr,
		CLEAR_LINE "%s%" PRIu64 " packets  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64
			   " of the capture  %" PRIu64 " alerts",
		share, state->packets, seconds / 3600, seconds / 60 % 60, seconds % 60,
		state->alerts);
	fflush(stderr);
	progress->shown = true;
	progress->next_ns = clock_monotonic_ns() + EVERY_NS;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs(CLEAR_LINE, stderr);
	progress->shown = false;
}

void progress_end(struct progress *progress, uint64_t packets)
{
	uint64_t took_ns = clock_monotonic_ns() - progress->started_ns;
	double seconds = (double)took_ns / (double)NS_PER_SEC;

	progress_clear(progress);
	if (progress->enabled)
		fprintf(stderr, "%" PRIu64 " packets in %.1f s, %.0f packets/s\n", packets, seconds,
			(double)packets / (seconds > 0 ? seconds : 1));
}
