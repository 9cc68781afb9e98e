// SPDX-License-Identifier: BSD-2-Clause
#include "engine/residents.h"

#include <errno.h>
#include <stdlib.h>

#define PLACES_MIN 64

void residents_done(struct residents *residents)
{
	free(residents->places);
	*residents = (struct residents){0};
}

/* Both halves of a product: each bit of the hash has a say, and which is secret. */
static size_t place_of(const struct siphash_key *secret, uint64_t hash, size_t mask)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)(hash ^ secret->k0) * (secret->k1 | 1);

	return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & mask;
}

/* That of the key, or the free one where it would be. */
static struct resident *find(
	const struct residents *residents, const struct siphash_key *secret, uint64_t hash)
{
	size_t at = place_of(secret, hash, residents->mask);

	while (residents->places[at].batch != 0 && residents->places[at].hash != hash)
		at = (at + 1) & residents->mask;
	return &residents->places[at];
}

/* With so many places; fewer only if all have room. */
static int resize(struct residents *residents, const struct siphash_key *secret, size_t places)
{
	struct residents larger = {
		.places = calloc(places, sizeof(struct resident)),
		.mask = places - 1,
		.count = residents->count,
	};

	if (!larger.places)
		return -ENOMEM;
	for (size_t i = 0; residents->places && i <= residents->mask; i++)
		if (residents->places[i].batch != 0)
			*find(&larger, secret, residents->places[i].hash) = residents->places[i];
	free(residents->places);
	*residents = larger;
	return 0;
}

int residents_touch(struct residents *residents, const struct siphash_key *secret, uint64_t hash,
	uint64_t batch)
{
	struct resident *resident;
	int r;

	if (!residents->places || residents->count * 3 >= residents->mask * 2) {
		r = resize(residents, secret,
			residents->places ? 2 * (residents->mask + 1) : PLACES_MIN);
		if (r < 0)
			return r;
	}
	resident = find(residents, secret, hash);
	if (resident->batch != 0) {
		resident->batch = MAX(resident->batch, batch + 1);
		return 1;
	}
	*resident = (struct resident){hash, batch + 1};
	residents->count++;
	return 0;
}

/* ---- those that go ---- */

static int compare_batches(const void *a, const void *b)
{
	const struct resident *x = a, *y = b;

	return (x->batch > y->batch) - (x->batch < y->batch);
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What was pushed on by it may move up. */
static void take_out(struct residents *residents, const struct siphash_key *secret, uint64_t hash)
{
	size_t mask = residents->mask;
	size_t hole = (size_t)(find(residents, secret, hash) - residents->places);

	for (size_t at = (hole + 1) & mask; residents->places[at].batch != 0;
		at = (at + 1) & mask) {
		size_t home = place_of(secret, residents->places[at].hash, mask);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		residents->places[hole] = residents->places[at];
		hole = at;
	}
	residents->places[hole] = (struct resident){0};
	residents->count--;
}

static size_t list_until(
	const struct residents *residents, uint64_t batch, struct resident *candidates)
{
	size_t count = 0;

	for (size_t i = 0; i <= residents->mask; i++)
		if (residents->places[i].batch != 0 && residents->places[i].batch <= batch + 1)
			candidates[count++] = residents->places[i];
	return count;
}

size_t residents_evict(struct residents *residents, const struct siphash_key *secret, size_t keep,
	uint64_t batch, uint64_t **ret_hashes)
{
	size_t wanted = residents->count > keep ? residents->count - keep : 0, count;
	_cleanup_free_ struct resident *candidates = NULL;
	_cleanup_free_ uint64_t *hashes = NULL;

	if (wanted == 0)
		return 0;
	candidates = calloc(residents->count, sizeof(*candidates));
	hashes = calloc(wanted, sizeof(*hashes));
	if (!candidates || !hashes)
		return 0;
	count = list_until(residents, batch, candidates);
	qsort(candidates, count, sizeof(*candidates), compare_batches);
	count = MIN(count, wanted);
	for (size_t i = 0; i < count; i++) {
		hashes[i] = candidates[i].hash;
		take_out(residents, secret, hashes[i]);
	}
	if (count == 0)
		return 0;
	qsort(hashes, count, sizeof(*hashes), compare_hashes);
	*ret_hashes = TAKE_PTR(hashes);
	return count;
}
