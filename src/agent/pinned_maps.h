/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PINNED_MAPS_H
#define AGENT_PINNED_MAPS_H

/*
 * The maps of a bpf_object and a set of pinned ones (agent/pins.h): are they alike, and taking them
 * from there or putting them there. The fingerprints are made from BTF, so a counter that is added to a
 * struct needs no version number to be noticed.
 */

#include "agent/pins.h"

struct bpf_object;

/*
 * Of an object whose maps have their sizes; loaded or not. `salt` goes into `whole`: what else must be
 * the same. Returns 0 or a negative errno.
 */
int pinned_maps_layout(
	const struct bpf_object *object, uint64_t salt, struct pin_layout *ret_layout) _must_check_;

/*
 * Before loading: the object shall use the set's maps, of those groups (bits by enum pin_group) that
 * are asked for. Returns 0 or a negative errno.
 */
int pinned_maps_use(
	struct bpf_object *object, const struct pin_set *set, uint32_t groups) _must_check_;
#define PIN_ALL_GROUPS ((1U << PIN_GROUPS) - 1)

/* After loading. Returns 0 or a negative errno; then some are pinned. */
int pinned_maps_put(const struct bpf_object *object, struct pin_set *set) _must_check_;

#endif
