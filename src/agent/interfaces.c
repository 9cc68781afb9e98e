// SPDX-License-Identifier: BSD-2-Clause
#include "agent/interfaces.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define ANSWER_BYTES (32 * 1024) /* what the kernel fills at most in one go */
#define TRIES        5           /* to list while the interfaces change under the listing */
#define PATIENCE_S   5           /* the kernel answers at once, or something is badly wrong */

struct interfaces {
	int word_fd;
	int list_fd;
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
};

void interface_list_done(struct interface_list *list)
{
	free(list->items);
	*list = (struct interface_list){0};
}

const struct interface *interface_list_find(const struct interface_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return &list->items[i];
	return NULL;
}

const struct interface *interface_list_find_index(const struct interface_list *list, int ifindex)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].ifindex == ifindex)
			return &list->items[i];
	return NULL;
}

bool interface_is_gone(int ifindex)
{
	/* Any socket will do; this kind the agent may open also later on. */
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct ifreq request = {.ifr_ifindex = ifindex};

	return fd >= 0 && ioctl(fd, SIOCGIFNAME, &request) < 0 && errno == ENODEV;
}

uint64_t interfaces_namespace(void)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		return 0; /* before Linux 5.14 */
	return cookie;
}

static int list_add(struct interface_list *list, int ifindex, const char *name)
{
	struct interface *item;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct interface *items = reallocarray(list->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	item = &list->items[list->count++];
	item->ifindex = ifindex;
	memset(item->name, 0, sizeof(item->name));
	memcpy(item->name, name, strnlen(name, sizeof(item->name) - 1));
	return 0;
}

static int open_socket(uint32_t groups, int flags)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int interfaces_open(struct interfaces **ret_interfaces)
{
	_cleanup_(interfaces_closep) struct interfaces *interfaces = calloc(1, sizeof(*interfaces));

	if (!interfaces)
		return -ENOMEM;
	interfaces->list_fd = -1;
	interfaces->word_fd = open_socket(RTMGRP_LINK, SOCK_NONBLOCK);
	if (interfaces->word_fd < 0)
		return interfaces->word_fd;
	interfaces->list_fd = open_socket(0, 0);
	if (interfaces->list_fd < 0)
		return interfaces->list_fd;
	*ret_interfaces = TAKE_PTR(interfaces);
	return 0;
}

void interfaces_close(struct interfaces *interfaces)
{
	if (!interfaces)
		return;
	if (interfaces->word_fd >= 0)
		close(interfaces->word_fd);
	if (interfaces->list_fd >= 0)
		close(interfaces->list_fd);
	free(interfaces);
}

int interfaces_fd(const struct interfaces *interfaces)
{
	return interfaces->word_fd;
}

void interfaces_drain(struct interfaces *interfaces)
{
	/* ENOBUFS: the kernel had more to say than the socket holds. What is lost was but a hint. */
	while (recv(interfaces->word_fd, interfaces->answer, sizeof(interfaces->answer),
		       MSG_DONTWAIT) >= 0 ||
		errno == ENOBUFS || errno == EINTR)
		;
}

static int ask(struct interfaces *interfaces)
{
	const struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct rtattr filter;
		uint32_t filter_mask;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = ++interfaces->sequence},
		.link = {.ifi_family = AF_UNSPEC},
		.filter = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK},
		.filter_mask = RTEXT_FILTER_SKIP_STATS,
	};

	return send(interfaces->list_fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static int take_link(const struct nlmsghdr *head, struct interface_list *list)
{
	const struct ifinfomsg *link = NLMSG_DATA(head);
	const struct rtattr *attr = IFLA_RTA(link);
	int left = (int)IFLA_PAYLOAD(head);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == IFLA_IFNAME)
			return list_add(list, link->ifi_index, RTA_DATA(attr));
	return 0;
}

/* Returns 1 when the answer goes on. Sets *torn when the kernel says that it does not hold together. */
static int take_answer(
	struct interfaces *interfaces, ssize_t size, struct interface_list *list, bool *torn)
{
	const struct nlmsghdr *head = (const struct nlmsghdr *)interfaces->answer;

	for (; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
		int r = 0;

		if (head->nlmsg_seq != interfaces->sequence)
			continue;
		if (head->nlmsg_flags & NLM_F_DUMP_INTR)
			*torn = true;
		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
		if (head->nlmsg_type == RTM_NEWLINK)
			r = take_link(head, list);
		if (r < 0)
			return r;
	}
	return 1;
}

static int list_once(struct interfaces *interfaces, struct interface_list *list)
{
	bool torn = false;
	int r = ask(interfaces);

	if (r < 0)
		return r;
	/* To its end also when it is torn: until then the kernel begins no other. */
	do {
		ssize_t size = recv(
			interfaces->list_fd, interfaces->answer, sizeof(interfaces->answer), 0);

		if (size < 0 && errno == EINTR)
			r = 1;
		else
			r = size < 0 ? -errno : take_answer(interfaces, size, list, &torn);
	} while (r > 0);
	return r == 0 && torn ? -EINTR : r;
}

int interfaces_list(struct interfaces *interfaces, struct interface_list *list)
{
	struct interface_list fresh = {0};
	int r = -EINTR;

	for (int i = 0; i < TRIES && r == -EINTR; i++) {
		fresh.count = 0;
		r = list_once(interfaces, &fresh);
	}
	if (r < 0) {
		interface_list_done(&fresh);
		return r;
	}
	interface_list_done(list);
	*list = fresh;
	return 0;
}
