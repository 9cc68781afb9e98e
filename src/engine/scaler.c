// SPDX-License-Identifier: BSD-2-Clause
#include "engine/scaler.h"

#include "base/clock.h"

#define WAIT_NS   (50 * NS_PER_MS) /* events may wait for so long */
#define BUSY      900              /* thousandths of the time: a worker has no more to give */
#define HOT_LOOKS 3
#define HOLD_NS   NS_PER_SEC
#define WINDOW_NS (15 * NS_PER_SEC) /* half of what is remembered */
#define FILL      600               /* thousandths: how busy workers are to be */

void scaler_init(struct scaler *scaler, const struct scaler_bounds *bounds, uint64_t now_ns)
{
	*scaler = (struct scaler){
		.bounds = *bounds,
		.workers = bounds->min,
		.look_ns = now_ns,
		.changed_ns = now_ns,
		.active_ns = now_ns,
		.half_ns = now_ns,
	};
}

/* How many workers were busy since the last look, in thousandths, rounded up: 0 is not at all. */
static uint32_t measure(struct scaler *scaler, const struct scaler_load *load)
{
	uint64_t time = load->now_ns - scaler->look_ns;
	/* A worker that ended takes along what it was busy with. */
	uint64_t busy = load->busy_ns > scaler->busy_ns ? load->busy_ns - scaler->busy_ns : 0;

	scaler->look_ns = load->now_ns;
	scaler->busy_ns = load->busy_ns;
	if (time == 0)
		return 0;
	return (uint32_t)MIN((busy * 1000 + time - 1) / time, (uint64_t)scaler->bounds.max * 1000);
}

static void remember(struct scaler *scaler, uint32_t busy, uint64_t now_ns)
{
	if (now_ns - scaler->half_ns >= WINDOW_NS) {
		scaler->most[1] = now_ns - scaler->half_ns < 2 * WINDOW_NS ? scaler->most[0] : 0;
		scaler->most[0] = 0;
		scaler->half_ns = now_ns;
	}
	scaler->most[0] = MAX(scaler->most[0], busy);
}

static bool is_hot(const struct scaler *scaler, const struct scaler_load *load, uint32_t busy)
{
	return load->waited_ns > WAIT_NS && load->up >= scaler->workers &&
	       busy >= scaler->workers * BUSY;
}

static unsigned int look_for_more(
	struct scaler *scaler, const struct scaler_load *load, uint32_t busy)
{
	unsigned int most = MIN(scaler->bounds.max, load->partitions);

	scaler->hot = is_hot(scaler, load, busy) ? scaler->hot + 1 : 0;
	if (scaler->hot < HOT_LOOKS || load->now_ns < scaler->changed_ns + HOLD_NS)
		return scaler->workers;
	return MAX(scaler->workers, MIN(2 * scaler->workers, most));
}

static unsigned int look_for_fewer(const struct scaler *scaler, const struct scaler_load *load)
{
	uint32_t most = MAX(scaler->most[0], scaler->most[1]);
	unsigned int enough = MAX((most + FILL - 1) / FILL, 1U);

	if (load->queued == 0 && load->now_ns >= scaler->active_ns + scaler->bounds.idle_ns)
		enough = 0;
	else if (load->now_ns < scaler->changed_ns + 2 * WINDOW_NS)
		return scaler->workers;
	return MIN(scaler->workers, MAX(enough, scaler->bounds.min));
}

unsigned int scaler_look(struct scaler *scaler, const struct scaler_load *load)
{
	uint32_t busy = measure(scaler, load);
	unsigned int workers;

	remember(scaler, busy, load->now_ns);
	if (load->queued > 0 || busy > 0)
		scaler->active_ns = load->now_ns;
	if (scaler->workers == 0)
		workers = load->queued > 0 ? 1 : 0;
	else
		workers = look_for_more(scaler, load, busy);
	if (workers == scaler->workers)
		workers = look_for_fewer(scaler, load);
	if (workers != scaler->workers) {
		scaler->changed_ns = load->now_ns;
		scaler->hot = 0;
	}
	scaler->workers = workers;
	return workers;
}

uint64_t scaler_next_ns(const struct scaler *scaler, const struct scaler_load *load)
{
	if (load->queued > 0)
		return load->now_ns + SCALER_LOOK_NS;
	if (scaler->workers <= scaler->bounds.min)
		return 0;
	return load->now_ns + MIN(SCALER_REST_NS, scaler->bounds.idle_ns);
}
