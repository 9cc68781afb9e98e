// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <string.h>

#define VICTIMS                                                                                    \
	0x100000 /* addresses that others speak from in the name of an agent; from here on */

void sim_network_init(struct sim_world *world)
{
	world->packet_count = 0;
	for (unsigned int i = 0; i < SIM_PACKETS_MAX; i++)
		world->packets[i] = &world->storage[i];
}

struct sim_address *sim_address(struct sim_world *world, uint64_t address)
{
	for (unsigned int i = 0; i < world->address_count; i++)
		if (world->addresses[i].address == address)
			return &world->addresses[i];
	if (world->address_count == SIM_ADDRESSES_MAX)
		return &world->addresses[SIM_ADDRESSES_MAX - 1];
	world->addresses[world->address_count] = (struct sim_address){.address = address};
	return &world->addresses[world->address_count++];
}

static bool before(const struct sim_packet *a, const struct sim_packet *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void swap(struct sim_world *world, unsigned int i, unsigned int j)
{
	struct sim_packet *packet = world->packets[i];

	world->packets[i] = world->packets[j];
	world->packets[j] = packet;
}

static void sift_up(struct sim_world *world, unsigned int i)
{
	for (; i > 0 && before(world->packets[i], world->packets[(i - 1) / 2]); i = (i - 1) / 2)
		swap(world, i, (i - 1) / 2);
}

static void sift_down(struct sim_world *world)
{
	for (unsigned int i = 0;;) {
		unsigned int least = i;

		for (unsigned int j = 2 * i + 1; j <= 2 * i + 2 && j < world->packet_count; j++)
			if (before(world->packets[j], world->packets[least]))
				least = j;
		if (least == i)
			return;
		swap(world, i, least);
		i = least;
	}
}

/* A bit is another one, or the end is missing. */
static void corrupt(struct sim_world *world, struct sim_packet *packet)
{
	packet->intact = false;
	if (sim_chance(world, 200))
		packet->size = (uint16_t)sim_below(world, packet->size);
	else
		packet->bytes[sim_below(world, packet->size)] ^= 1 << sim_below(world, 8);
}

/* It comes to another agent, or from another; or to who sent it. */
static void lead_astray(struct sim_world *world, struct sim_packet *packet)
{
	world->stats.stray++;
	packet->intact = false;
	if (sim_chance(world, 500)) {
		packet->agent = (unsigned int)sim_below(world, world->plan.agents);
		if (!packet->to_server)
			packet->to = world->agents[packet->agent].address;
	} else {
		uint64_t from = packet->from;

		packet->from = packet->to;
		packet->to = from;
		packet->to_server = !packet->to_server;
	}
}

static void put(struct sim_world *world, const struct sim_packet *packet, uint64_t at_ns)
{
	struct sim_packet *copy;

	if (world->packet_count == SIM_PACKETS_MAX)
		return;
	copy = world->packets[world->packet_count];
	memcpy(copy, packet, offsetof(struct sim_packet, bytes) + packet->size);
	copy->at_ns = at_ns;
	copy->order = world->order++;
	copy->intact = true;
	if (sim_chance(world, world->weather.corrupt))
		corrupt(world, copy);
	/* Who can lead astray what goes to an address can also answer for it: nothing helps against that. */
	if (copy->to < VICTIMS && sim_chance(world, world->weather.stray))
		lead_astray(world, copy);
	sift_up(world, world->packet_count++);
}

static bool dropped(struct sim_world *world, const struct sim_packet *packet)
{
	const struct sim_weather *weather = &world->weather;

	if (weather->partitioned || packet->size > weather->mtu)
		return true;
	if (world->burst_left > 0) {
		world->burst_left--;
		return true;
	}
	if (sim_chance(world, weather->burst))
		world->burst_left = 1 + (unsigned int)sim_below(world, 20);
	return sim_chance(world, weather->loss);
}

/* When it leaves a link of limited rate; SIM_NEVER if its queue is full. */
static uint64_t through_link(struct sim_world *world, uint16_t size)
{
	const struct sim_weather *weather = &world->weather;
	uint64_t start = MAX(world->link_free_ns, world->now_ns);

	if (weather->byte_ns == 0)
		return world->now_ns;
	if (start - world->now_ns > weather->queue_ns)
		return SIM_NEVER;
	world->link_free_ns = start + size * weather->byte_ns;
	return world->link_free_ns;
}

static uint64_t arrival(struct sim_world *world, uint64_t leaves_ns)
{
	const struct sim_weather *weather = &world->weather;
	uint64_t at = leaves_ns + weather->delay_ns + sim_below(world, weather->jitter_ns + 1);

	if (sim_chance(world, weather->late))
		at += sim_below(world, weather->late_ns + 1);
	return at;
}

/* Somebody on the way sends a copy from a victim's address, ahead of the original. */
static void spoof(struct sim_world *world, const struct sim_packet *packet, uint64_t at_ns)
{
	struct sim_packet copy = *packet;

	copy.from = VICTIMS + sim_below(world, 3);
	put(world, &copy, at_ns - sim_below(world, 2) * 1000);
	world->stats.spoofed++;
}

void sim_network_send(struct sim_world *world, const struct sim_packet *packet)
{
	uint64_t leaves, at;

	world->stats.packets++;
	if (!packet->to_server)
		sim_address(world, packet->to)->bytes_out += packet->size;
	if (dropped(world, packet))
		return;
	leaves = packet->to_server ? through_link(world, packet->size) : world->now_ns;
	if (leaves == SIM_NEVER)
		return;
	at = arrival(world, leaves);
	if (packet->to_server && sim_chance(world, world->plan.spoof))
		spoof(world, packet, at);
	put(world, packet, at);
	if (sim_chance(world, world->weather.twice))
		put(world, packet, arrival(world, leaves));
}

struct sim_packet *sim_network_take(struct sim_world *world)
{
	if (sim_network_next_time(world) > world->now_ns)
		return NULL;
	world->packet_count--;
	swap(world, 0, world->packet_count);
	sift_down(world);
	return world->packets[world->packet_count];
}

uint64_t sim_network_next_time(const struct sim_world *world)
{
	return world->packet_count > 0 ? world->packets[0]->at_ns : SIM_NEVER;
}
