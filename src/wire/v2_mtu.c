// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_mtu.h"

#include "wire/v2.h"

#define TRIES          3
#define STEP           32              /* bytes; a search ends when less is to be gained */
#define LARGE_LOST     8               /* in a row */
#define RAISE_AFTER_NS 600000000000ULL /* RFC 8899 5.1.1 */

void v2_mtu_init(struct v2_mtu *mtu, uint32_t ceiling)
{
	*mtu = (struct v2_mtu){.size = V2_MTU_FLOOR, .ceiling = ceiling};
}

bool v2_mtu_probe_due(const struct v2_mtu *mtu, uint64_t now_ns)
{
	return mtu->probing == 0 && now_ns >= mtu->next_at_ns && mtu->ceiling >= mtu->size + STEP;
}

uint32_t v2_mtu_probe(struct v2_mtu *mtu)
{
	/* The largest first: it is what most paths carry. */
	mtu->probing = mtu->halving ? (mtu->size + mtu->ceiling + 1) / 2 : mtu->ceiling;
	return mtu->probing;
}

void v2_mtu_acked(struct v2_mtu *mtu, const struct v2_mtu_news *news)
{
	if (news->bytes > V2_MTU_FLOOR && news->packet >= mtu->large_acked) {
		mtu->large_acked = news->packet + 1;
		mtu->large_lost = 0;
	}
	if (!news->probe || news->bytes != mtu->probing)
		return;
	mtu->size = news->bytes;
	mtu->probing = 0;
	mtu->failures = 0;
}

static void probe_lost(struct v2_mtu *mtu)
{
	if (++mtu->failures >= TRIES) {
		mtu->ceiling = mtu->probing - 1;
		mtu->failures = 0;
		mtu->halving = true;
	}
	mtu->probing = 0;
}

bool v2_mtu_lost(struct v2_mtu *mtu, const struct v2_mtu_news *news)
{
	if (news->probe) {
		if (news->bytes == mtu->probing)
			probe_lost(mtu);
		return false;
	}
	if (news->bytes <= V2_MTU_FLOOR || mtu->size == V2_MTU_FLOOR)
		return false;
	/* A later one that was as large got through: losses of a batch are told after what arrived. */
	if (news->packet < mtu->large_acked)
		return false;
	return ++mtu->large_lost >= LARGE_LOST;
}

void v2_mtu_refused(struct v2_mtu *mtu, uint32_t bytes)
{
	if (bytes <= V2_MTU_FLOOR || bytes > mtu->ceiling)
		return;
	mtu->ceiling = bytes - 1;
	if (mtu->size > mtu->ceiling)
		mtu->size = V2_MTU_FLOOR;
	mtu->halving = true;
	mtu->probing = 0;
	mtu->failures = 0;
}

void v2_mtu_fall(struct v2_mtu *mtu, uint64_t now_ns)
{
	*mtu = (struct v2_mtu){
		.size = V2_MTU_FLOOR,
		.ceiling = mtu->ceiling,
		.large_acked = mtu->large_acked,
		.next_at_ns = now_ns + RAISE_AFTER_NS,
	};
}
