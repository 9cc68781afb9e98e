// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_lease.h"

#define NEVER UINT64_MAX

void v2_lease_init(struct v2_lease *lease, const struct v2_lease_config *config)
{
	*lease = (struct v2_lease){.config = *config};
	if (lease->config.grace_ns == 0)
		lease->config.grace_ns = V2_GRACE_NS;
	if (lease->config.renew_ns == 0)
		lease->config.renew_ns = V2_RENEW_NS;
	if (lease->config.age_ns == 0)
		lease->config.age_ns = V2_AGE_NS;
	v2_lease_end(lease);
}

void v2_lease_begin(struct v2_lease *lease, uint64_t connected_ns, uint64_t now_ns, uint64_t random)
{
	lease->begun_ns = now_ns;
	lease->lost_ns = NEVER;
	lease->renew_at_ns =
		connected_ns + lease->config.renew_ns - random % (lease->config.renew_ns / 8 + 1);
}

void v2_lease_lost(struct v2_lease *lease, uint64_t now_ns)
{
	lease->lost_ns = MIN(lease->lost_ns, now_ns);
}

void v2_lease_end(struct v2_lease *lease)
{
	lease->begun_ns = lease->lost_ns = lease->renew_at_ns = NEVER;
}

/* When it is over, as things are. */
static uint64_t end_of(const struct v2_lease *lease)
{
	uint64_t end = lease->begun_ns + lease->config.age_ns;

	return lease->lost_ns == NEVER ? end : MIN(end, lease->lost_ns + lease->config.grace_ns);
}

bool v2_lease_over(const struct v2_lease *lease, uint64_t now_ns)
{
	return lease->begun_ns != NEVER && now_ns >= end_of(lease);
}

bool v2_lease_wants_renewal(const struct v2_lease *lease, uint64_t now_ns)
{
	return lease->begun_ns != NEVER && now_ns >= lease->renew_at_ns;
}

uint64_t v2_lease_next_time(const struct v2_lease *lease, uint64_t now_ns)
{
	if (lease->begun_ns == NEVER)
		return NEVER;
	return now_ns < lease->renew_at_ns ? MIN(lease->renew_at_ns, end_of(lease)) : end_of(lease);
}
