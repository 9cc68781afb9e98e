// SPDX-License-Identifier: BSD-2-Clause
#include "server/interface_table.h"

void interface_table_note(struct interface_table *table, const struct interface_event *event)
{
	for (unsigned int i = 0; i < INTERFACES_MAX; i++) {
		if (table->last[i].ifindex != event->ifindex && table->last[i].ifindex != 0)
			continue;
		table->last[i] = *event;
		return;
	}
	table->ignored++;
}

struct interface_sums interface_table_sum(const struct interface_table *table)
{
	struct interface_sums sums = {0};

	for (unsigned int i = 0; i < INTERFACES_MAX; i++) {
		sums.packets += table->last[i].packets;
		sums.bytes += table->last[i].size;
		sums.shed += table->last[i].flow_shed + table->last[i].port_shed;
	}
	return sums;
}
