// SPDX-License-Identifier: BSD-2-Clause
#include "net/connection_limit.h"

#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WAYS         4
#define MACHINE_SETS 1024
#define NETWORK_SETS 256

/* Of a source; never used: all zero, which is full. */
struct bucket {
	uint64_t source; /* its hash */
	uint64_t full_at_ns;
};

struct known_address {
	struct table_entry entry;
	struct source address;
	unsigned int switches; /* that were there last */
	uint64_t full_at_ns;
};

struct known_switch {
	struct table_entry entry;
	uint32_t switch_id;
	struct known_address *at;
	struct known_switch *next;
};

struct connection_limit {
	struct connection_rates rates;
	unsigned int switches_max;
	struct siphash_key secret;
	struct bucket machines[MACHINE_SETS][WAYS], networks[NETWORK_SETS][WAYS];
	uint64_t full_at_ns; /* the bucket of all strangers */
	struct table known_addresses, known_switches;
	struct known_switch *switches;
};

/* ---- sources ---- */

/* Sets the first `v4_bytes` of an IPv4 address, or `v6_bytes` of one of IPv6. */
static struct source source_of(const struct endpoint *address, size_t v4_bytes, size_t v6_bytes)
{
	static const struct source mapped = {{[10] = 0xff, 0xff}};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->address;
	struct source source = {{0}};

	if (address->address.ss_family == AF_INET) {
		source = mapped;
		memcpy(source.bytes + 12, &v4->sin_addr, v4_bytes);
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(source.bytes, &v6->sin6_addr, 12 + v4_bytes);
	} else {
		memcpy(source.bytes, &v6->sin6_addr, v6_bytes);
	}
	return source;
}

struct source source_address(const struct endpoint *address)
{
	return source_of(address, 4, 16);
}

struct source source_machine(const struct endpoint *address)
{
	return source_of(address, 4, 8);
}

struct source source_network(const struct endpoint *address)
{
	return source_of(address, 3, 6);
}

bool source_equal(const struct source *a, const struct source *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- strangers ---- */

/* The bucket of this hash in its set, or else the one that is, or will be, full the soonest. */
static struct bucket *find_bucket(struct bucket set[static WAYS], uint64_t hash)
{
	struct bucket *soonest = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].source == hash)
			return &set[i];
		if (set[i].full_at_ns < soonest->full_at_ns)
			soonest = &set[i];
	}
	*soonest = (struct bucket){.source = hash};
	return soonest;
}

static bool take_source(struct connection_limit *limit, const struct rate *rate,
	const struct source *source, uint64_t now_ns)
{
	uint64_t hash = siphash(&limit->secret, source, sizeof(*source));
	bool is_machine = rate == &limit->rates.machine;
	struct bucket *set = is_machine ? limit->machines[hash % MACHINE_SETS]
					: limit->networks[hash % NETWORK_SETS];

	return rate_take(rate, &find_bucket(set, hash)->full_at_ns, now_ns);
}

/* Who comes too often takes nothing from those who share a larger bucket with it. */
static enum connection_excess take_stranger(struct connection_limit *limit,
	const struct source *machine, const struct source *network, uint64_t now_ns)
{
	if (!take_source(limit, &limit->rates.machine, machine, now_ns))
		return EXCESS_MACHINE_RATE;
	if (!take_source(limit, &limit->rates.network, network, now_ns))
		return EXCESS_NETWORK_RATE;
	return rate_take(&limit->rates.all, &limit->full_at_ns, now_ns) ? EXCESS_NONE : EXCESS_RATE;
}

enum connection_excess connection_limit_take(struct connection_limit *limit,
	const struct endpoint *address, uint64_t now_ns, bool *ret_known)
{
	const struct source machine = source_machine(address), network = source_network(address);
	const struct source source = source_address(address);
	struct table_entry *entry = table_find(&limit->known_addresses, &source);
	struct known_address *known;
	struct rate rate = limit->rates.machine;

	*ret_known = entry != NULL;
	if (!entry)
		return take_stranger(limit, &machine, &network, now_ns);
	known = container_of(entry, struct known_address, entry);
	rate.interval_ns /= known->switches;
	rate.burst *= known->switches;
	return rate_take(&rate, &known->full_at_ns, now_ns) ? EXCESS_NONE : EXCESS_KNOWN_RATE;
}

/* ---- those that are known ---- */

static void leave_address(struct connection_limit *limit, struct known_address *address)
{
	if (--address->switches > 0)
		return;
	table_remove(&limit->known_addresses, &address->entry);
	free(address);
}

/* NULL: there is no memory. */
static struct known_address *join_address(
	struct connection_limit *limit, const struct source *source)
{
	struct table_entry *entry = table_find(&limit->known_addresses, source);
	struct known_address *address;

	if (entry) {
		address = container_of(entry, struct known_address, entry);
		address->switches++;
		return address;
	}
	address = calloc(1, sizeof(*address));
	if (!address)
		return NULL;
	address->address = *source;
	address->switches = 1;
	table_insert(&limit->known_addresses, &address->entry);
	return address;
}

/* NULL: there are as many as may be, or no memory. */
static struct known_switch *add_switch(struct connection_limit *limit, uint32_t switch_id)
{
	struct known_switch *known;

	if (limit->known_switches.count >= limit->switches_max)
		return NULL;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->switch_id = switch_id;
	known->next = limit->switches;
	limit->switches = known;
	table_insert(&limit->known_switches, &known->entry);
	return known;
}

void connection_limit_learn(
	struct connection_limit *limit, uint32_t switch_id, const struct endpoint *address)
{
	const struct source source = source_address(address);
	struct table_entry *entry = table_find(&limit->known_switches, &switch_id);
	struct known_switch *known = entry ? container_of(entry, struct known_switch, entry)
					   : add_switch(limit, switch_id);
	struct known_address *at;

	if (!known || (known->at && source_equal(&known->at->address, &source)))
		return;
	at = join_address(limit, &source);
	if (!at)
		return;
	if (known->at)
		leave_address(limit, known->at);
	known->at = at;
}

/* ---- life ---- */

const char *connection_excess_name(enum connection_excess excess)
{
	static const char *const names[EXCESS_COUNT] = {
		[EXCESS_NONE] = "none",
		[EXCESS_KNOWN_RATE] = "known-rate",
		[EXCESS_MACHINE_RATE] = "machine-rate",
		[EXCESS_NETWORK_RATE] = "network-rate",
		[EXCESS_RATE] = "rate",
		[EXCESS_MACHINE_PLACES] = "machine-places",
		[EXCESS_NETWORK_PLACES] = "network-places",
		[EXCESS_PLACES] = "places",
	};

	return names[excess];
}

static int init_tables(struct connection_limit *limit)
{
	int r = table_init(&limit->known_addresses, limit->switches_max,
		offsetof(struct known_address, address) - offsetof(struct known_address, entry),
		sizeof(struct source), &limit->secret);

	if (r == 0)
		r = table_init(&limit->known_switches, limit->switches_max,
			offsetof(struct known_switch, switch_id) -
				offsetof(struct known_switch, entry),
			sizeof(uint32_t), &limit->secret);
	return r;
}

int connection_limit_new(const struct connection_rates *rates, unsigned int switches_max,
	struct connection_limit **ret_limit)
{
	_cleanup_(connection_limit_freep) struct connection_limit *limit =
		calloc(1, sizeof(*limit));
	int r;

	if (!limit)
		return -ENOMEM;
	limit->rates = *rates;
	limit->switches_max = switches_max;
	if (getrandom(&limit->secret, sizeof(limit->secret), 0) != (ssize_t)sizeof(limit->secret))
		return -errno;
	r = init_tables(limit);
	if (r == 0)
		*ret_limit = TAKE_PTR(limit);
	return r;
}

/* A bucket of other rates could keep somebody waiting for as long as the old ones said. */
void connection_limit_set(struct connection_limit *limit, const struct connection_rates *rates)
{
	if (rate_equal(&limit->rates.machine, &rates->machine) &&
		rate_equal(&limit->rates.network, &rates->network) &&
		rate_equal(&limit->rates.all, &rates->all))
		return;
	limit->rates = *rates;
	memset(limit->machines, 0, sizeof(limit->machines));
	memset(limit->networks, 0, sizeof(limit->networks));
	limit->full_at_ns = 0;
	for (struct known_switch *known = limit->switches; known; known = known->next)
		known->at->full_at_ns = 0;
}

void connection_limit_free(struct connection_limit *limit)
{
	while (limit->switches) {
		struct known_switch *known = limit->switches;

		limit->switches = known->next;
		if (known->at)
			leave_address(limit, known->at);
		free(known);
	}
	table_done(&limit->known_addresses);
	table_done(&limit->known_switches);
	free(limit);
}
