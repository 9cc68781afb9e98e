/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_CAPABILITIES_H
#define BASE_CAPABILITIES_H

/*
 * Giving up capabilities, by system call, for the calling thread and those it makes later. Sets are
 * bits as in capabilities(7): 1ULL << CAP_BPF.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* What is permitted now. 0 or a negative errno. */
int capabilities_get(uint64_t *ret_permitted) _must_check_;

/*
 * Cuts the bounding set, while CAP_SETPCAP is effective: without it the set stays, which no_new_privs
 * makes meaningless.
 */
void capabilities_bound(uint64_t keep);

/* What is in `keep` and permitted stays permitted and effective; nothing is inheritable or ambient. */
int capabilities_keep(uint64_t keep) _must_check_;

#endif
