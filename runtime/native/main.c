// SPDX-License-Identifier: BSD-2-Clause
/*
 * netlambda-native: the worker of functions in C. One process, one function. Frames come and go on
 * descriptor 3 (docs/functions.md, "The worker pipe"); what the function prints goes to the server's log by
 * descriptors 1 and 2. The pipe's end is the worker's end.
 */
#include "worker.h"

#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_BYTES (256U << 10)

static int write_all(struct pipe_buffer *out)
{
	size_t sent = 0;

	while (sent < out->size) {
		ssize_t n = write(PIPE_FD, out->bytes + sent, out->size - sent);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	out->size = 0;
	return 0;
}

/* The next whole frame from `taken` on; false: it has not come yet. -EBADMSG by `ret_error`: it is none. */
static bool next_frame(const struct pipe_buffer *in, size_t taken, struct pipe_frame *ret_frame,
	size_t *ret_size, int *ret_error)
{
	size_t left = in->size - taken, size;
	struct cursor c;
	uint32_t len;

	if (left < PIPE_HEADER_BYTES)
		return false;
	cursor_read_init(&c, in->bytes + taken, left);
	len = cursor_get_le32(&c);
	if (len > PIPE_FRAME_MAX) {
		*ret_error = -EBADMSG;
		return false;
	}
	size = PIPE_HEADER_BYTES + pipe_align(len);
	if (left < size)
		return false;
	*ret_frame =
		(struct pipe_frame){cursor_get_u8(&c), in->bytes + taken + PIPE_HEADER_BYTES, len};
	*ret_size = size;
	return true;
}

/* Takes whole frames off the front of what has come in. They are multiples of 8 bytes, so each is aligned. */
static int take_frames(struct worker *worker, struct pipe_buffer *in, struct pipe_buffer *out)
{
	struct pipe_frame frame;
	size_t taken = 0, size;
	int r = 0;

	while (r == 0 && next_frame(in, taken, &frame, &size, &r)) {
		r = worker_take(worker, &frame, out);
		if (r == 0)
			r = write_all(out);
		taken += size;
	}
	in->size -= taken;
	memmove(in->bytes, in->bytes + taken, in->size);
	return r;
}

static int serve(struct worker *worker)
{
	struct pipe_buffer in = {0}, out = {0};
	int r = 0;

	while (r == 0) {
		ssize_t n;

		if (!pipe_buffer_reserve(&in, READ_BYTES)) {
			r = -ENOMEM;
			break;
		}
		n = read(PIPE_FD, in.bytes + in.size, READ_BYTES);
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0) {
			in.size += (size_t)n;
			r = take_frames(worker, &in, &out);
		}
	}
	pipe_buffer_done(&in);
	pipe_buffer_done(&out);
	return r;
}

int main(void)
{
	_cleanup_(worker_freep) struct worker *worker = worker_new();
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	r = worker ? serve(worker) : -ENOMEM;
	/* The engine has gone, and that is all. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return EXIT_SUCCESS;
	fprintf(stderr, "netlambda-native: %s\n",
		r == -EPROTO ? "the engine speaks another version of the pipe" : strerror(-r));
	return EXIT_FAILURE;
}
