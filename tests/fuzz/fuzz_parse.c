// SPDX-License-Identifier: BSD-2-Clause
/*
 * The packet parser of the data plane, compiled natively, and what must hold for any frame. The first
 * byte says which tunnels to look into. The kernel's own run of the same source is compared with the
 * native one in tests/bpf/test_parse_kernel.c.
 */
#include "tests/bpf/parse_check.h"

/* Each input is cut at each byte, so long ones cost the square of their length. */
#define FRAME_BYTES_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size > 0 && size <= 1 + FRAME_BYTES_MAX)
		parse_check(bytes + 1, size - 1, bytes[0] & TUNNEL_ALL);
	return 0;
}
