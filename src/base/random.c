// SPDX-License-Identifier: BSD-2-Clause
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

int random_stream_init(struct random_stream *stream)
{
	struct random_stream made = {0};

	if (getrandom(&made.key, sizeof(made.key), 0) != (ssize_t)sizeof(made.key))
		return errno ? -errno : -EIO;
	*stream = made;
	return 0;
}

uint64_t random_stream_next(struct random_stream *stream)
{
	uint64_t number = stream->counter++;

	return siphash(&stream->key, &number, sizeof(number));
}

uint64_t random_stream_draw(void *stream)
{
	return random_stream_next(stream);
}

double random_stream_unit(struct random_stream *stream)
{
	return (double)(random_stream_next(stream) >> 11) * 0x1p-53;
}
