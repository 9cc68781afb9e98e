/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_NET_PROXY_H
#define TESTS_UNIT_NET_PROXY_H

/* A TCP forwarder between two ends on the same loop, which breaks when a test says so. */

#include "base/loop.h"
#include "net/endpoint.h"

struct proxy;

/* Listens at a port of 127.0.0.1; what connects is forwarded to `to`. */
struct proxy *proxy_new(struct loop *loop, const struct endpoint *to);
void proxy_free(struct proxy *proxy);
struct endpoint proxy_address(const struct proxy *proxy);

/* Cuts all connections, so that both ends hear of it. */
void proxy_cut(struct proxy *proxy);
/* Forwards nothing and says nothing, as a network that is gone; connections stay. */
void proxy_hold(struct proxy *proxy, bool hold);
/* Takes no new connections. */
void proxy_refuse(struct proxy *proxy, bool refuse);
/* How many are open. */
unsigned int proxy_count(const struct proxy *proxy);

#endif
