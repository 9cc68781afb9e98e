/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

/*
 * netlambda replay. One thread runs a capture through the whole path and waits for each part where
 * the order of events depends on it:
 *
 *	capture -> probe (XDP program, collector, flows) -> courier (version 1)
 *		-> backend (ingest, functions, commits, store) -> report
 *
 * Time is the capture's everywhere: packets have their own, and what a period led to happens at the
 * period's end.
 */

#include "replay/options.h"

/*
 * Replays and prints. Returns the exit status: 0; 1: it failed, or the capture is damaged, which has
 * been said on standard error; 128 and the signal that ended it.
 */
int replay_run(const struct replay_options *options);

#endif
