/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SKETCH_H
#define AGENT_SKETCH_H

/* What the bits of a sketch (bpf/fanout_maps.h) say of how many distinct values set them. Pure. */

#include <stdint.h>

/* How many distinct values set so many bits; the most that it can tell, if all are. */
uint32_t sketch_estimate(uint32_t ones);
/* How many bits so many values set, on average; 0 for 0. */
uint32_t sketch_ones_for(uint32_t values);

#endif
