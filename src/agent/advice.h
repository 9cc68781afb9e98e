/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_ADVICE_H
#define AGENT_ADVICE_H

/*
 * What is known to keep native XDP from an interface, or from counting well there: read from sysfs
 * and the ethtool ioctl, and told in words that say what to do. Facts and words are apart.
 */

#include "base/attr.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define ADVICE_MAX 1024

struct interface_facts {
	char name[IF_NAMESIZE];
	char driver[32];          /* "" = not told, as with most that follow */
	char parent[IF_NAMESIZE]; /* of a VLAN device */
	char bond_mode[32];       /* "802.3ad": it is a bond */
	unsigned int mtu;
	bool lro;
	unsigned int queues, queues_max; /* combined, in use and possible */
	unsigned int cpus;
};

/*
 * What cannot be read stays empty. A VLAN's parent and a bond's mode are in `sysfs`
 * ("/sys/class/net").
 */
void facts_read_sysfs(const char *sysfs, struct interface_facts *facts);
void facts_read_ethtool(struct interface_facts *facts);
void facts_gather(const char *name, struct interface_facts *ret_facts);

/*
 * One or more sentences, "" if there is nothing to say. `refused`: the driver has just refused
 * native XDP.
 */
void advice_write(const struct interface_facts *facts, bool refused, char ret_text[ADVICE_MAX]);

#endif
