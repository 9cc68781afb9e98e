// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any packet of a capture, of any link type: what is found in it lies within it, and what does not open
 * stays as it was. The first byte is the link type; session 7 has keys.
 */
#include "decrypt/captured.h"
#include "decrypt/decrypt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static struct key_file *read_keys(void)
{
	static char text[] = "NETLAMBDA_2 00000000000007 01 "
			     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
			     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n";
	FILE *log = fmemopen(text, sizeof(text) - 1, "r");
	struct key_file *keys = NULL;
	unsigned long line;

	REQUIRE(log && key_file_read(log, &keys, &line) == 0);
	fclose(log);
	return keys;
}

static void check_found(int link_type, uint8_t *packet, size_t size)
{
	struct captured found;

	if (!captured_find(link_type, packet, size, &found))
		return;
	REQUIRE(captured_knows(link_type));
	REQUIRE(found.udp >= packet && found.payload == found.udp + 8);
	REQUIRE(found.payload + found.size <= packet + size);
	REQUIRE(found.addresses >= packet &&
		found.addresses + 2 * found.address_bytes <= found.udp);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct key_file *keys;
	struct decrypt_counters counters = {0};
	uint8_t *packet;

	if (size < 1)
		return 0;
	if (!keys)
		keys = read_keys();
	/* Of exactly this size, so that a byte too many is noticed. */
	packet = malloc(size);
	REQUIRE(packet);
	memcpy(packet, bytes + 1, size - 1);
	packet = realloc(packet, MAX(size - 1, (size_t)1));
	check_found(bytes[0], packet, size - 1);
	REQUIRE(decrypt_packet(keys, bytes[0], packet, size - 1, size - 1, &counters) == 0);
	if (counters.opened == 0)
		REQUIRE(memcmp(packet, bytes + 1, size - 1) == 0);
	free(packet);
	return 0;
}
