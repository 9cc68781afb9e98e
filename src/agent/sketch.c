// SPDX-License-Identifier: BSD-2-Clause
#include "agent/sketch.h"

#include "fanout_maps.h"

#include <math.h>

/* With no bit left unset there is no estimate: as if half a bit were. */
uint32_t sketch_estimate(uint32_t ones)
{
	const double unset = ones < SKETCH_BITS ? SKETCH_BITS - ones : 0.5;

	return (uint32_t)lround(-SKETCH_BITS * log(unset / SKETCH_BITS));
}

uint32_t sketch_ones_for(uint32_t values)
{
	const double ones = SKETCH_BITS * -expm1(-(double)values / SKETCH_BITS);

	if (values == 0)
		return 0;
	return (uint32_t)fmin(fmax(lround(ones), 1), SKETCH_BITS);
}
