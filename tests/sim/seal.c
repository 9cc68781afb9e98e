// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

/* The key of a generation and a way, as HKDF would derive it. */
static struct siphash_key generation_key(
	const struct sim_seal *seal, uint64_t generation, bool to_agent)
{
	uint64_t label[2] = {generation, to_agent};

	return (struct siphash_key){
		.k0 = siphash(&seal->key, label, sizeof(label)),
		.k1 = seal->key.k1 ^ generation,
	};
}

static void make_tag(const struct siphash_key *key, uint64_t packet, const uint8_t *header,
	const uint8_t *text, size_t size, uint64_t tag[2])
{
	uint64_t parts[3] = {
		packet, siphash(key, header, V2_HEADER_BYTES), siphash(key, text, size)};

	tag[0] = siphash(key, parts, sizeof(parts));
	tag[1] = ~tag[0];
}

static uint8_t sim_phase(void *user, uint64_t packet)
{
	struct sim_seal *seal = user;

	seal->generation = packet / seal->every;
	return seal->generation & 3;
}

static int sim_seal(void *user, uint64_t packet, const uint8_t *header, uint8_t *text, size_t size)
{
	struct sim_seal *seal = user;
	struct siphash_key key = generation_key(seal, packet / seal->every, seal->server);
	uint64_t tag[2];

	seal->nonce_reused |= packet < seal->sealed;
	seal->sealed = packet + 1;
	make_tag(&key, packet, header, text, size, tag);
	memcpy(text + size, tag, sizeof(tag));
	return 0;
}

/* The core looks at its replay window first, so a number that held once does not come again. */
static void note_opened(struct sim_seal *seal, uint64_t packet)
{
	uint64_t bit = 1ULL << packet % 64;

	if (packet >= SIM_NUMBERS_MAX)
		return;
	seal->replayed |= (seal->opened[packet / 64] & bit) != 0;
	seal->opened[packet / 64] |= bit;
}

static int sim_open(void *user, uint8_t phase, uint64_t packet, const uint8_t *header,
	uint8_t *text, size_t size)
{
	struct sim_seal *seal = user;
	uint64_t generation, tag[2];
	struct siphash_key key;

	if (!v2_phase_find(&seal->phases, phase, &generation))
		return -EBADMSG;
	key = generation_key(seal, generation, !seal->server);
	make_tag(&key, packet, header, text, size, tag);
	if (memcmp(tag, text + size, sizeof(tag)) != 0)
		return -EBADMSG;
	v2_phase_held(&seal->phases, generation);
	note_opened(seal, packet);
	return 0;
}

bool sim_seal_forgot(const struct sim_seal *seal, uint64_t every, const struct sim_packet *packet)
{
	uint64_t number = 0;

	for (size_t i = V2_HEADER_BYTES - sizeof(number); i < V2_HEADER_BYTES; i++)
		number = number << 8 | packet->bytes[i];
	return number / every + 1 < seal->phases.generation;
}

void sim_seal_init(struct sim_seal *seal, const struct siphash_key *key, bool server,
	uint64_t every, struct v2_seal *ret_seal)
{
	*seal = (struct sim_seal){.key = *key, .server = server, .every = every};
	*ret_seal = (struct v2_seal){
		.user = seal, .phase = sim_phase, .seal = sim_seal, .open = sim_open};
}
