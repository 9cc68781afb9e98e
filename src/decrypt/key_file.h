/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DECRYPT_KEY_FILE_H
#define DECRYPT_KEY_FILE_H

/*
 * The sessions of a key log (docs/protocol-2.md 5.6), and what opens their datagrams. Lines of other
 * kinds are overlooked; of several lines of one session the first counts (both ends may have written
 * it). One thread.
 */

#include "wire/v2_aead.h"

#include <stdio.h>

#define KEY_FILE_SESSIONS_MAX 65536

struct key_file;

/*
 * Reads the log to its end. 0; -EBADMSG: a line is damaged; -E2BIG: too many sessions; -ENOMEM, or
 * the errno of reading. `ret_line` is the line at fault, from 1.
 */
int key_file_read(FILE *log, struct key_file **ret_keys, unsigned long *ret_line) _must_check_;
void key_file_free(struct key_file *keys);
DEFINE_CLEANUP(struct key_file, key_file_free)

/* Lines of sessions. */
size_t key_file_count(const struct key_file *keys);

enum key_verdict {
	KEY_OPENED,
	KEY_UNKNOWN_SESSION, /* the log has no such session */
	KEY_UNSEALED, /* the seal does not hold: damaged, forged, or another session's keys */
	KEY_NO_MEMORY,
};

/*
 * Decrypts the text of a datagram of version 2 in place, whichever way it went. What does not open
 * stays as it was.
 */
enum key_verdict key_file_open(struct key_file *keys, const struct v2_header *header,
	uint8_t *bytes, size_t size) _must_check_;

#endif
