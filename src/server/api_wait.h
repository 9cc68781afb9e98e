/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_API_WAIT_H
#define SERVER_API_WAIT_H

/*
 * A response without an end, between two pieces of it: its connection is suspended until there is
 * more. Meanwhile the loop watches its socket for the client's leaving, which libmicrohttpd does
 * not notice on a suspended connection.
 */

#include "server/api_internal.h"

struct api_wait {
	struct api *api;
	struct MHD_Connection *connection;
	struct loop_io io;
	bool suspended;
	bool gone; /* the client is */
};

/* From inside the content reader, which then returns 0. 0 or a negative errno. */
int api_wait_begin(struct api_wait *wait) _must_check_;

/* There is more, or the API ends. Nothing if it does not wait. */
void api_wait_end(struct api_wait *wait);

#endif
