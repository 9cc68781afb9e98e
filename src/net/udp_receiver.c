// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp_receiver.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#define TRAIN_BYTES 65535 /* no datagram and no train is longer */
/* Buffers are no power of two apart, so that their beginnings do not compete for a cache's sets. */
#define STRIDE (TRAIN_BYTES + 1 + 23 * 64)

struct message {
	struct endpoint from;
	struct udp_local at;
	size_t size;
	size_t segment; /* of the datagrams in it; the last may be shorter */
	/* Room for one of each that is asked for, of either family. */
	_Alignas(struct cmsghdr)
		uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

struct udp_receiver {
	unsigned int messages; /* of one call */
	unsigned int count;    /* that the last call took */
	unsigned int at;       /* of them, the one whose turn it is */
	size_t offset;         /* in it */
	uint8_t *bytes;
	struct message *info;
	struct mmsghdr headers[UDP_MESSAGES_MAX];
	struct iovec vectors[UDP_MESSAGES_MAX];
};

int udp_receiver_new(unsigned int messages, struct udp_receiver **ret_receiver)
{
	_cleanup_(udp_receiver_freep) struct udp_receiver *receiver = NULL;

	if (messages == 0 || messages > UDP_MESSAGES_MAX)
		return -EINVAL;
	receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;
	receiver->messages = messages;
	receiver->bytes = malloc(messages * (size_t)STRIDE);
	receiver->info = calloc(messages, sizeof(*receiver->info));
	if (!receiver->bytes || !receiver->info)
		return -ENOMEM;
	for (unsigned int i = 0; i < messages; i++) {
		receiver->vectors[i] =
			(struct iovec){receiver->bytes + i * (size_t)STRIDE, TRAIN_BYTES};
		receiver->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->info[i].from.address,
			.msg_iov = &receiver->vectors[i],
			.msg_iovlen = 1,
			.msg_control = receiver->info[i].control,
		};
	}
	*ret_receiver = TAKE_PTR(receiver);
	return 0;
}

void udp_receiver_free(struct udp_receiver *receiver)
{
	if (!receiver)
		return;
	free(receiver->bytes);
	free(receiver->info);
	free(receiver);
}

static void take_control(struct message *message, const struct cmsghdr *c)
{
	if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		int segment;

		memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		if (segment > 0)
			message->segment = (size_t)segment;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		message->at = (struct udp_local){.family = AF_INET, .v4 = info.ipi_spec_dst};
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		message->at = (struct udp_local){.family = AF_INET6, .v6 = info.ipi6_addr};
	}
}

static void take_message(struct message *message, struct mmsghdr *header)
{
	message->from.len = header->msg_hdr.msg_namelen;
	message->size = header->msg_len;
	message->segment = MAX(message->size, 1U);
	message->at.family = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header->msg_hdr); c;
		c = CMSG_NXTHDR(&header->msg_hdr, c))
		take_control(message, c);
}

int udp_receive(struct udp_receiver *receiver, int fd)
{
	int n;

	receiver->count = receiver->at = 0;
	receiver->offset = 0;
	/* The kernel wrote the last ones' lengths there. */
	for (unsigned int i = 0; i < receiver->messages; i++) {
		receiver->headers[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_storage);
		receiver->headers[i].msg_hdr.msg_controllen = sizeof(receiver->info[i].control);
	}
	do {
		n = recvmmsg(fd, receiver->headers, receiver->messages, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < n; i++)
		take_message(&receiver->info[i], &receiver->headers[i]);
	receiver->count = (unsigned int)n;
	return n;
}

bool udp_receiver_next(struct udp_receiver *receiver, struct datagram *ret_datagram)
{
	const struct message *message = &receiver->info[receiver->at];

	if (receiver->at == receiver->count)
		return false;
	*ret_datagram = (struct datagram){
		.from = &message->from,
		.at = &message->at,
		.bytes = (uint8_t *)receiver->vectors[receiver->at].iov_base + receiver->offset,
		.size = MIN(message->segment, message->size - receiver->offset),
	};
	receiver->offset += message->segment;
	/* An empty datagram is one as well. */
	if (receiver->offset >= message->size) {
		receiver->at++;
		receiver->offset = 0;
	}
	return true;
}
