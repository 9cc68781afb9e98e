/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_PRUNE_H
#define SERVER_PRUNE_H

/* Takes dead letters out of the store: those that are asked for. */

#include "server/commits.h"
#include "server/letters.h"

/* Answers API_DROP with {"dropped": N}, when they are gone. */
void prune_letters(struct commits *commits, struct api_call *call);

#endif
