/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DECRYPT_DECRYPT_H
#define DECRYPT_DECRYPT_H

/*
 * Opens the datagrams of version 2 in a capture with a key log. An opened one keeps its header and its
 * length; in the place of its tag are zeros, by which deploy/wireshark/netlambda.lua knows it. All
 * other packets stay as they are.
 */

#include "decrypt/key_file.h"

struct decrypt_counters {
	uint64_t packets; /* all */
	uint64_t opened;
	uint64_t open;            /* they were already: sealed with nothing */
	uint64_t unknown_session; /* look like version 2, and the log has no such session */
	uint64_t unsealed;        /* of a session that the log has, but the seal does not hold */
	uint64_t cut;             /* shorter in the capture than on the wire */
};

/*
 * One packet as captured: `size` bytes of the `wire_size` that it had, changed in place. 0 or -ENOMEM.
 */
int decrypt_packet(struct key_file *keys, int link_type, uint8_t *packet, size_t size,
	size_t wire_size, struct decrypt_counters *counters) _must_check_;

/*
 * All of a capture (pcap, pcapng) into another (pcap); "-" is standard input and output. 0, or a
 * negative errno with a message in `ret_error`.
 */
int decrypt_file(struct key_file *keys, const char *from, const char *to,
	struct decrypt_counters *ret_counters, char **ret_error) _must_check_;

#endif
