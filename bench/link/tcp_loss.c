// SPDX-License-Identifier: BSD-2-Clause
#include "bench/link/tcp_loss.h"

#include "bench/netns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOPBACK_MTU 65536
#define ETHERNET_MTU 1500
#define DATA_MIN     200 /* bytes: handshakes and acknowledgements are let through */

static int run(const char *command)
{
	return system(command) == 0 ? 0 : -EIO; /* NOLINT(cert-env33-c): a command of ours */
}

static int set_offload(bool on)
{
	return run(on ? "ethtool -K lo tso on gso on gro on >/dev/null"
		      : "ethtool -K lo tso off gso off gro off >/dev/null");
}

static int set_rule(double loss)
{
	char command[512];

	snprintf(command, sizeof(command),
		"nft add table inet bench && nft flush table inet bench && "
		"nft 'add chain inet bench in { type filter hook input priority 0; }' && "
		"nft add rule inet bench in tcp dport %d meta length '>' %d "
		"numgen random mod 10000 '<' %d drop",
		TCP_LOSS_PORT, DATA_MIN, (int)(loss * 10000));
	return run(loss > 0 ? command : "nft add table inet bench && nft delete table inet bench");
}

int tcp_loss_set(double loss, bool packets_of_1500)
{
	int r = netns_set_mtu(packets_of_1500 ? ETHERNET_MTU : LOOPBACK_MTU);

	if (r == 0)
		r = set_offload(!packets_of_1500);
	return r == 0 ? set_rule(loss) : r;
}
