// SPDX-License-Identifier: BSD-2-Clause
#include "agent/advice.h"

#include "base/fd.h"

#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#define MTU_PLAIN 1500 /* every driver with native XDP takes this */

/* ---- sysfs ---- */

static bool read_word(
	const char *sysfs, const char *name, const char *file, char *word, size_t size)
{
	char path[512], format[16];
	FILE *in;
	int n;

	snprintf(path, sizeof(path), "%s/%s/%s", sysfs, name, file);
	snprintf(format, sizeof(format), "%%%zus", size - 1);
	in = fopen(path, "re");
	if (!in)
		return false;
	/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): the buffer's size is in it */
	n = fscanf(in, format, word);
	fclose(in);
	return n == 1;
}

static bool is_vlan(const char *sysfs, const char *name)
{
	char path[512], line[128];
	bool found = false;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s/uevent", sysfs, name);
	in = fopen(path, "re");
	while (in && !found && fgets(line, sizeof(line), in))
		found = strcmp(line, "DEVTYPE=vlan\n") == 0;
	if (in)
		fclose(in);
	return found;
}

/* The device below is a link named "lower_" and its name. */
static void read_parent(const char *sysfs, struct interface_facts *facts)
{
	static const char prefix[] = "lower_";
	char path[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(facts->parent, sizeof(facts->parent), "?");
	snprintf(path, sizeof(path), "%s/%s", sysfs, facts->name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			snprintf(facts->parent, sizeof(facts->parent), "%.*s", IF_NAMESIZE - 1,
				entry->d_name + strlen(prefix));
	if (dir)
		closedir(dir);
}

void facts_read_sysfs(const char *sysfs, struct interface_facts *facts)
{
	if (!read_word(
		    sysfs, facts->name, "bonding/mode", facts->bond_mode, sizeof(facts->bond_mode)))
		facts->bond_mode[0] = '\0';
	if (is_vlan(sysfs, facts->name))
		read_parent(sysfs, facts);
}

/* ---- ethtool ---- */

static bool ask_ethtool(int fd, const char *name, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static unsigned int read_mtu(int fd, const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCGIFMTU, &request) == 0 ? (unsigned int)request.ifr_mtu : 0;
}

void facts_read_ethtool(struct interface_facts *facts)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	/* Any socket will do; this kind the agent may open also later on. */
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return;
	if (ask_ethtool(fd, facts->name, &driver))
		snprintf(facts->driver, sizeof(facts->driver), "%.*s",
			(int)sizeof(facts->driver) - 1, driver.driver);
	facts->mtu = read_mtu(fd, facts->name);
	if (ask_ethtool(fd, facts->name, &flags))
		facts->lro = flags.data & ETH_FLAG_LRO;
	if (ask_ethtool(fd, facts->name, &channels)) {
		facts->queues = channels.combined_count;
		facts->queues_max = channels.max_combined;
	}
}

void facts_gather(const char *name, struct interface_facts *ret_facts)
{
	struct interface_facts facts = {.cpus = (unsigned int)get_nprocs_conf()};

	snprintf(facts.name, sizeof(facts.name), "%s", name);
	facts_read_ethtool(&facts);
	/* The sysfs that is mounted may be another network namespace's: ask it only what must be. */
	if (strcmp(facts.driver, "bonding") == 0 ||
		strcmp(facts.driver, "802.1Q VLAN Support") == 0)
		facts_read_sysfs("/sys/class/net", &facts);
	*ret_facts = facts;
}

/* ---- words ---- */

struct text {
	char *at;
	size_t room;
};

static void _printf_(2, 3) add(struct text *text, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text->at, text->room, fmt, ap);
	va_end(ap);
	if (n > 0) {
		size_t used = MIN((size_t)n, text->room - 1);

		text->at += used;
		text->room -= used;
	}
}

/* The kernel's bond_xdp_check(). */
static bool bond_can(const char *mode)
{
	static const char *const modes[] = {
		"balance-rr", "active-backup", "balance-xor", "802.3ad"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(mode, modes[i]) == 0)
			return true;
	return false;
}

static void add_bond(struct text *text, const struct interface_facts *facts)
{
	if (bond_can(facts->bond_mode))
		add(text,
			"; a bond in mode %s has native XDP only if all its ports have: look at "
			"these, or count on them instead",
			facts->bond_mode);
	else
		add(text,
			"; a bond has native XDP in modes balance-rr, active-backup, balance-xor "
			"and 802.3ad, and this one's is %s: count on its ports instead",
			facts->bond_mode);
}

/* The driver sets a transmit queue for each CPU apart for XDP, beside those in use. */
static bool lacks_virtio_queues(const struct interface_facts *facts)
{
	return strcmp(facts->driver, "virtio_net") == 0 && facts->queues_max > 0 &&
	       facts->queues + facts->cpus > facts->queues_max;
}

static void add_virtio(struct text *text, const struct interface_facts *facts)
{
	add(text,
		"; virtio_net uses %u of %u queues and wants %u more for native XDP, one for each "
		"CPU: give the virtual machine more (queues=%u), or use fewer "
		"(ethtool -L %s combined %u)",
		facts->queues, facts->queues_max, facts->cpus, facts->queues + facts->cpus,
		facts->name, facts->queues_max > facts->cpus ? facts->queues_max - facts->cpus : 1);
}

void advice_write(const struct interface_facts *facts, bool refused, char ret_text[ADVICE_MAX])
{
	struct text text = {.at = ret_text, .room = ADVICE_MAX};

	ret_text[0] = '\0';
	if (facts->parent[0])
		add(&text,
			"; a VLAN device has no native XDP: count on its parent %s instead, which "
			"sees the frames with their tags",
			facts->parent);
	if (facts->bond_mode[0] && refused)
		add_bond(&text, facts);
	if (facts->lro)
		add(&text,
			"; LRO is on, which most drivers refuse native XDP for, and which merges "
			"packets before they are counted: ethtool -K %s lro off",
			facts->name);
	if (lacks_virtio_queues(facts))
		add_virtio(&text, facts);
	if (refused && facts->mtu > MTU_PLAIN && !facts->parent[0])
		add(&text,
			"; its MTU of %u may be more than the driver takes with XDP: "
			"ip link set %s mtu 1500",
			facts->mtu, facts->name);
	/* Each begins as if another were before it. */
	if (ret_text[0])
		memmove(ret_text, ret_text + 2, strlen(ret_text) - 1);
}
