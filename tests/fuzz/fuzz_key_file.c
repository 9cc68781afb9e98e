// SPDX-License-Identifier: BSD-2-Clause
/* Any key log is read to its end or refused, and its sessions can be asked for. */
#include "decrypt/key_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	FILE *log = size > 0 ? fmemopen((void *)bytes, size, "r") : NULL;
	struct v2_header header = {.session = 7};
	uint8_t datagram[V2_HEADER_BYTES + V2_FRAME_BYTES + V2_TAG_BYTES] = {0x80};
	struct key_file *keys = NULL;
	unsigned long line;

	if (!log)
		return 0;
	if (key_file_read(log, &keys, &line) < 0 && (keys || line == 0))
		abort();
	fclose(log);
	if (keys && key_file_open(keys, &header, datagram, sizeof(datagram)) == KEY_OPENED)
		abort(); /* nobody sealed it */
	key_file_free(keys);
	return 0;
}
