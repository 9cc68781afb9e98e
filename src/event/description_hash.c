// SPDX-License-Identifier: BSD-2-Clause
#include "event/description.h"

#include "base/cursor.h"

#include <errno.h>
#include <openssl/evp.h>

int description_hash(const uint8_t *bytes, size_t size, uint64_t *ret_hash)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct cursor c;

	if (EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	cursor_read_init(&c, digest, sizeof(digest));
	*ret_hash = cursor_get_be64(&c);
	return 0;
}
