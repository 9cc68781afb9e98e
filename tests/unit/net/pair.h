/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_NET_PAIR_H
#define TESTS_UNIT_NET_PAIR_H

/*
 * A listening socket on a port that the kernel chooses, and a socket connected to it.
 */

#include "net/udp_receiver.h"

struct pair {
	int server, client;
	struct endpoint address; /* of the server, as the client sees it */
	struct udp_receiver *receiver;
};

struct endpoint pair_endpoint(const char *text);
/* `local` is bound to; the client connects to `remote`, whose port is replaced. */
void pair_open(struct pair *pair, const char *local, const char *remote);
void pair_close(struct pair *pair);
/* Fails the test if nothing happens for 5 s. */
void pair_wait(int fd, short events);

#endif
