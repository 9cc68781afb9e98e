/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_TCP_LOSS_H
#define BENCH_LINK_TCP_LOSS_H

/*
 * Loss for TCP, which has no receiver of ours to lose for it: nftables drops what is on its way to
 * the server, in the network namespace that the caller made. Loopback hands over whole trains of
 * 64 KB, and a packet is what a network loses: so they are switched off.
 */

#include "base/attr.h"

#include <stdbool.h>

#define TCP_LOSS_PORT 5006 /* of the server */

/*
 * From here on `loss` (0 to 1) of the packets with data are lost; `packets_of_1500`: packets are as
 * large as on Ethernet, else loopback is as fast as it can be. 0, or -EIO: nft or ethtool would not,
 * and have said why.
 */
int tcp_loss_set(double loss, bool packets_of_1500) _must_check_;

#endif
